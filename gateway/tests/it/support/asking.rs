//! Requests in one line, and what their answers and records say.

use std::fmt::Write as _;

use hubgate_testkit::raw_client::RawAnswer;
use serde_json::Value;

use super::{Gateway, HOST, wait_until};

/// The role of an administrator of the other organisation.
pub(crate) const OTHER_ROLE: &str = "admin=Operator::solarpark";

impl Gateway {
    /// A request with these fields besides `Host`, and with a body where there is one.
    pub(crate) async fn ask(
        &self,
        line: &str,
        fields: &[(&str, &str)],
        body: Option<&str>,
    ) -> RawAnswer {
        self.send(&head(line, fields, body)).await
    }

    /// A JSON body posted with `key`.
    pub(crate) async fn post_json(&self, path: &str, key: &str, body: &str) -> RawAnswer {
        let authorization = format!("Bearer {key}");
        let fields =
            [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
        self.ask(&format!("POST {path}"), &fields, Some(body)).await
    }

    /// A key with a role, and with every scope.
    pub(crate) fn key_of(&self, role: &str) -> String {
        self.create_key("nordvolt", role, role, &["all:delete"])
    }

    /// Every record of a decision, once there are `count`, in the order of the log.
    pub(crate) async fn records_of(&self, decision: &str, count: usize) -> Vec<Value> {
        let records = || {
            let is_its = |line: &Value| line["id"] == decision || line["decision_id"] == decision;
            self.log_lines().into_iter().filter(is_its).collect::<Vec<_>>()
        };
        wait_until(&format!("{count} records of {decision}"), async || records().len() >= count)
            .await;
        let records = records();
        assert_eq!(records.len(), count, "{records:?}");
        records
    }

    /// The one record of a refusal.
    pub(crate) async fn refusal_record(&self, answer: &RawAnswer) -> Value {
        let mut records = self.records_of(decision_of(answer), 1).await;
        let record = records.remove(0);
        assert_eq!(record["kind"], "decision");
        record
    }
}

/// A request as bytes; `line` is method and target.
pub(crate) fn head(line: &str, fields: &[(&str, &str)], body: Option<&str>) -> Vec<u8> {
    let mut head = format!("{line} HTTP/1.1\r\n");
    // Writing to a string cannot fail, here and below.
    if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        let _ = write!(head, "Host: {HOST}\r\n");
    }
    for (name, value) in fields {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if let Some(body) = body {
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    head.push_str("\r\n");
    head.push_str(body.unwrap_or_default());
    head.into_bytes()
}

/// The decision an answer names.
pub(crate) fn decision_of(answer: &RawAnswer) -> &str {
    let id = answer.field("hubgate-request-id");
    id.unwrap_or_else(|| panic!("no decision: {}", answer.head_text))
}

/// The RFC 9457 body of a refusal, whose shape is checked.
pub(crate) fn problem(answer: &RawAnswer) -> Value {
    let what = format!("{}{}", answer.head_text, answer.body_text());
    assert_eq!(answer.field("content-type"), Some("application/problem+json"), "{what}");
    assert_eq!(answer.field("cache-control"), Some("no-store"), "{what}");
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["status"], answer.status, "{what}");
    assert_eq!(body["instance"], format!("urn:uuid:{}", decision_of(answer)), "{what}");
    for member in ["type", "title", "detail", "code"] {
        assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {what}");
    }
    body
}

/// The body of a refusal without what names this one occurrence.
pub(crate) fn problem_without_instance(answer: &RawAnswer) -> Value {
    let mut body = problem(answer);
    body.as_object_mut().unwrap().remove("instance");
    body
}
