//! Reads bodies: whole, of one media type, in time, and not larger than they may be.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::problem::Problem;

/// Time for a body: a service sends it at once, and who dawdles holds a connection.
pub(super) const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// RFC 7396.
pub(super) const MERGE_PATCH: &str = "application/merge-patch+json";

/// JSON.
pub(super) const JSON: &str = "application/json";

/// Refuses a body of another media type.
pub(super) fn wants_media_type(headers: &HeaderMap, wanted: &[&str]) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.and_then(|given| given.split(';').next()).map(str::trim);
    match essence {
        Some(given) if wanted.iter().any(|it| given.eq_ignore_ascii_case(it)) => Ok(()),
        _ => Err(Problem::media_type(wanted.first().unwrap_or(&JSON))),
    }
}

/// Reads a whole body.
pub(super) async fn whole(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let body = Limited::new(body, bytes_max).collect();
    let body = tokio::time::timeout(BODY_TIME_MAX, body).await.map_err(|_| Problem::too_slow())?;
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            Problem::too_large(bytes_max)
        } else {
            Problem::bad("the body broke off")
        }
    })?;
    Ok(body.to_bytes())
}

/// Reads a JSON body, as it came and as it is described.
pub(super) async fn sent<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<(Bytes, T), Problem> {
    wants_media_type(headers, &[JSON])?;
    let bytes = whole(body, bytes_max).await?;
    let value = parsed(&bytes)?;
    Ok((bytes, value))
}

/// Reads JSON as it is described.
pub(super) fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::bad(format!("the body is not as described: {error}")))
}

/// Changes `target` as a merge patch says (RFC 7396 §2, whose few lines these are).
pub(super) fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The cases of RFC 7396, appendix A.
    #[test]
    fn merges_as_the_standard_shows() {
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ];
        for (mut target, patch, merged) in cases {
            let told = format!("{target} {patch}");
            merge(&mut target, patch);
            assert_eq!(target, merged, "{told}");
        }
    }
}
