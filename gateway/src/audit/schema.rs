//! The JSON schema of a log line, generated from the record types.

use schemars::JsonSchema;

use super::{DecisionRecord, EventRecord, JournalRecord, OutcomeRecord};

/// One line of the decision log.
#[derive(JsonSchema)]
#[schemars(title = "Hubgate decision log line")]
#[expect(dead_code, reason = "exists for its schema; lines are joined as bytes in `chain`")]
struct Line<'a> {
    /// Number of the line in its shard, from 1, without gaps.
    seq: u64,
    /// `hash` of the line before; 64 zeros in the first.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    prev: String,
    /// Format version.
    v: u8,
    /// SHA-256 over every byte of the line before `,"hash"`, as 64 lower-case hex digits.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    hash: String,
    #[schemars(flatten)]
    record: AnyRecord<'a>,
}

#[derive(JsonSchema)]
#[schemars(tag = "kind", rename_all = "snake_case")]
#[expect(dead_code, clippy::large_enum_variant, reason = "exists for its schema")]
enum AnyRecord<'a> {
    /// What the gateway decided about one request.
    Decision(DecisionRecord<'a>),
    /// What came of an allowed request.
    Outcome(OutcomeRecord<'a>),
    /// What happened besides requests.
    Event(EventRecord<'a>),
    /// What the log says of itself.
    Journal(JournalRecord<'a>),
}

/// The JSON schema (2020-12) of a line, pretty-printed, as `schemas/decision-record.json` holds it.
pub fn decision_record_schema() -> String {
    let schema = schemars::schema_for!(Line<'_>);
    // A schema is plain JSON, which always prints.
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/decision-record.json");

    /// Set `HUBGATE_WRITE_GENERATED=1` to write the file anew after a change of the record types.
    #[test]
    fn the_schema_file_is_fresh() {
        let fresh = decision_record_schema();
        if std::env::var_os("HUBGATE_WRITE_GENERATED").is_some() {
            std::fs::write(FILE, &fresh).unwrap();
        }
        let kept = std::fs::read_to_string(FILE).unwrap_or_default();
        assert!(
            kept == fresh,
            "schemas/decision-record.json is stale: run with HUBGATE_WRITE_GENERATED=1"
        );
    }

    #[test]
    fn the_schema_names_every_kind() {
        let schema: serde_json::Value = serde_json::from_str(&decision_record_schema()).unwrap();
        let kinds: Vec<_> = schema["oneOf"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|one| one["properties"]["kind"]["const"].as_str())
            .collect();
        assert_eq!(kinds, ["decision", "outcome", "event", "journal"]);
    }
}
