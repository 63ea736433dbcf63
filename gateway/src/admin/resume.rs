//! `PATCH /v1/organisations/{organisation}/resource-uploads/{upload}`: goes on with an upload.
//!
//! After draft-ietf-httpbis-resumable-upload: `Upload-Offset` says where the body goes on, `Upload-Complete: ?1`
//! that the upload ends with it. Whole lines are taken, so the offset in the answer may lie behind the body's
//! end: the client goes on from there.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::feeder::Ending;
use super::guard::Guarded;
use super::problem::Problem;
use super::progress::{UPLOAD_COMPLETE, UPLOAD_OFFSET, fields, shown};
use super::server::json_response;
use crate::store::UploadState;

/// The media type of a part of an upload.
const PARTIAL_UPLOAD: &str = "application/partial-upload";

/// Takes the next part of an upload.
pub(super) async fn resume(
    guarded: &Guarded<'_>,
    id: &str,
    body: Body,
) -> Result<Response, Problem> {
    guarded.wants_media_type(PARTIAL_UPLOAD)?;
    let offset = offset(guarded.headers)?;
    let ending = ending(guarded.headers)?;
    let part = (guarded.counted(body), ending);
    let upload = guarded.feeder.append(&guarded.admitted, id, offset, part).await?;
    if upload.state == UploadState::Refused {
        return Err(Problem::refused(&upload));
    }
    let mut response = json_response(StatusCode::OK, &shown(&upload));
    fields(response.headers_mut(), &upload);
    Ok(response)
}

fn offset(headers: &HeaderMap) -> Result<u64, Problem> {
    let text = headers.get(UPLOAD_OFFSET).and_then(|value| value.to_str().ok());
    // An sf-integer (RFC 8941 §3.3.1) without sign; `parse` alone would take a leading `+`.
    let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| Problem::bad("`Upload-Offset` must be a number: where this body goes on"))
}

fn ending(headers: &HeaderMap) -> Result<Ending, Problem> {
    match headers.get(UPLOAD_COMPLETE).map(http::HeaderValue::as_bytes) {
        Some(b"?1") => Ok(Ending::Complete),
        Some(b"?0") => Ok(Ending::More),
        _ => Err(Problem::bad("`Upload-Complete` must be `?1` with the last body, else `?0`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(
            http::HeaderName::from_static(name),
            http::HeaderValue::from_static(value),
        )])
    }

    #[test]
    fn an_offset_is_a_plain_number() {
        assert_eq!(offset(&headers("upload-offset", "120")).unwrap(), 120);
        for text in ["", "-1", "+1", "1.0", "0x1", "1 ", "99999999999999999999"] {
            assert!(offset(&headers("upload-offset", text)).is_err(), "{text}");
        }
        assert!(offset(&HeaderMap::new()).is_err());
    }

    #[test]
    fn completeness_is_always_said() {
        assert_eq!(ending(&headers("upload-complete", "?1")).unwrap(), Ending::Complete);
        assert_eq!(ending(&headers("upload-complete", "?0")).unwrap(), Ending::More);
        for text in ["1", "true", "", "?2"] {
            assert!(ending(&headers("upload-complete", text)).is_err(), "{text}");
        }
        assert!(ending(&HeaderMap::new()).is_err());
    }
}
