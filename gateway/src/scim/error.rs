//! What a SCIM request is answered when it is not done: RFC 7644 §3.12 errors. The one table of its codes.

use serde_json::{Map, Value};
use thiserror::Error;

/// The schema of an error.
pub(super) const ERROR_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// Longest piece of the request told back, in characters: enough to find the place.
const QUOTED_CHARACTERS_MAX: usize = 48;

/// An error as it is answered.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{detail}")]
pub struct ScimError {
    /// The status code of the answer.
    pub status: u16,
    /// The kind of a 400 or 409, by RFC 7644 table 9.
    pub scim_type: Option<&'static str>,
    /// What is wrong, for people. It holds no secret: it may name what was sent.
    pub detail: String,
}

impl ScimError {
    /// An error without a kind.
    pub fn plain(status: u16, detail: impl Into<String>) -> Self {
        Self { status, scim_type: None, detail: detail.into() }
    }

    /// The filter cannot be read, or compares what cannot be compared so.
    pub fn invalid_filter(detail: impl Into<String>) -> Self {
        Self::bad("invalidFilter", detail)
    }

    /// The path of a patch cannot be read.
    pub fn invalid_path(detail: impl Into<String>) -> Self {
        Self::bad("invalidPath", detail)
    }

    /// The message has another structure.
    pub fn invalid_syntax(detail: impl Into<String>) -> Self {
        Self::bad("invalidSyntax", detail)
    }

    /// A value is missing, or of another type or size.
    pub fn invalid_value(detail: impl Into<String>) -> Self {
        Self::bad("invalidValue", detail)
    }

    /// The attribute cannot be changed so.
    pub fn mutability(detail: impl Into<String>) -> Self {
        Self::bad("mutability", detail)
    }

    /// A patch has nothing to work on.
    pub fn no_target(detail: impl Into<String>) -> Self {
        Self::bad("noTarget", detail)
    }

    /// The filter finds more than is answered.
    pub fn too_many(detail: impl Into<String>) -> Self {
        Self::bad("tooMany", detail)
    }

    /// Another resource has the value already.
    pub fn uniqueness(detail: impl Into<String>) -> Self {
        // RFC 7644 §3.3: a duplicate is answered 409 with `uniqueness`.
        Self { status: 409, scim_type: Some("uniqueness"), detail: detail.into() }
    }

    /// There is nothing here.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::plain(404, detail)
    }

    /// The credential may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::plain(403, detail)
    }

    /// It was changed meanwhile (RFC 7644 §3.14).
    pub fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::plain(412, detail)
    }

    /// The body is larger than it may be.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::plain(413, detail)
    }

    /// It is part of the standard, and not of this server.
    pub fn not_implemented(detail: impl Into<String>) -> Self {
        Self::plain(501, detail)
    }

    /// The body of the answer.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("schemas".into(), vec![ERROR_SCHEMA].into());
        // RFC 7644 §3.12: the status is expressed as a JSON string.
        body.insert("status".into(), self.status.to_string().into());
        if let Some(scim_type) = self.scim_type {
            body.insert("scimType".into(), scim_type.into());
        }
        body.insert("detail".into(), self.detail.as_str().into());
        Value::Object(body)
    }

    /// The same, told of one operation of a patch, counted from 1.
    pub(crate) fn of_operation(mut self, number: usize) -> Self {
        self.detail = format!("operation {number}: {}", self.detail);
        self
    }

    fn bad(scim_type: &'static str, detail: impl Into<String>) -> Self {
        Self { status: 400, scim_type: Some(scim_type), detail: detail.into() }
    }
}

/// A piece of the request as an error tells it: in backticks, cut, and on one line.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(QUOTED_CHARACTERS_MAX)
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    if text.chars().nth(QUOTED_CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_body_has_the_status_as_text() {
        let told = ScimError::uniqueness("`userName` is taken");
        assert_eq!(
            told.body(),
            json!({
                "schemas": [ERROR_SCHEMA],
                "status": "409",
                "scimType": "uniqueness",
                "detail": "`userName` is taken",
            })
        );
    }

    #[test]
    fn the_body_has_no_kind_where_there_is_none() {
        let body = ScimError::not_found("there is no such user").body();
        assert_eq!(body["status"], "404");
        assert_eq!(body.get("scimType"), None);
    }

    #[test]
    fn each_kind_has_the_spelling_of_the_standard() {
        let cases = [
            (ScimError::invalid_filter("x"), "invalidFilter"),
            (ScimError::invalid_path("x"), "invalidPath"),
            (ScimError::invalid_syntax("x"), "invalidSyntax"),
            (ScimError::invalid_value("x"), "invalidValue"),
            (ScimError::mutability("x"), "mutability"),
            (ScimError::no_target("x"), "noTarget"),
            (ScimError::too_many("x"), "tooMany"),
        ];
        for (error, scim_type) in cases {
            assert_eq!((error.status, error.scim_type), (400, Some(scim_type)));
        }
    }

    #[test]
    fn what_is_quoted_is_cut_and_on_one_line() {
        assert_eq!(quoted("a\nb"), "`a b`");
        assert_eq!(quoted(&"é".repeat(60)), format!("`{}…`", "é".repeat(48)));
        assert_eq!(quoted(&"e".repeat(48)), format!("`{}`", "e".repeat(48)));
    }
}
