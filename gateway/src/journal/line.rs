//! A line as readers see it: its place, its text, and the fields people filter and look at.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use crate::audit::Link;
use crate::model::UnixNanos;

/// One record, read back.
#[derive(Clone, Debug)]
pub struct Line {
    shard: String,
    text: String,
    record: Value,
}

impl Line {
    /// Reads a line (without its newline); `None` when it is no JSON object.
    pub(super) fn parse(shard: &str, bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8(bytes.to_vec()).ok()?;
        let record: Value = serde_json::from_str(&text).ok()?;
        record.is_object().then(|| Self { shard: shard.to_owned(), text, record })
    }

    /// The shard it stands in.
    pub fn shard(&self) -> &str {
        &self.shard
    }

    /// The line itself, byte for byte, without its newline: for `--json`.
    pub fn json(&self) -> &str {
        &self.text
    }

    /// Its number in the shard.
    pub fn seq(&self) -> u64 {
        self.number("/seq").unwrap_or_default()
    }

    /// When it was written.
    pub fn time(&self) -> UnixNanos {
        UnixNanos::new(self.number("/ts").unwrap_or_default())
    }

    /// `decision`, `outcome`, `event` or `journal`.
    pub fn kind(&self) -> &str {
        self.text("/kind").unwrap_or_default()
    }

    /// The decision it is about: a decision's own id, an outcome's decision.
    pub fn decision(&self) -> Option<&str> {
        self.text("/decision_id").or_else(|| self.text("/id"))
    }

    /// The organisation.
    pub fn tenant(&self) -> Option<&str> {
        self.text("/who/tenant").or_else(|| self.text("/tenant"))
    }

    /// The Cedar principal.
    pub fn principal(&self) -> Option<&str> {
        self.text("/who/principal").or_else(|| self.text("/principal"))
    }

    /// A decision's effect.
    pub fn effect(&self) -> Option<&str> {
        self.text("/decision/effect")
    }

    /// The reason code of a decision or an event; why an outcome ended early.
    pub fn reason(&self) -> Option<&str> {
        let first = self.text("/decision/reason").or_else(|| self.text("/reason"));
        first.or_else(|| self.text("/aborted"))
    }

    /// A text anywhere in the record, by JSON pointer (RFC 6901).
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.record.pointer(pointer)?.as_str()
    }

    /// A number anywhere in the record, by JSON pointer.
    pub fn number(&self, pointer: &str) -> Option<u64> {
        self.record.pointer(pointer)?.as_u64()
    }

    /// A truth value anywhere in the record, by JSON pointer.
    pub fn flag(&self, pointer: &str) -> Option<bool> {
        self.record.pointer(pointer)?.as_bool()
    }

    /// The texts of a list anywhere in the record, by JSON pointer.
    pub fn list(&self, pointer: &str) -> impl Iterator<Item = &str> {
        let list = self.record.pointer(pointer).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str)
    }
}

/// The few fields verification needs, read without building the whole record.
#[derive(Debug, Deserialize)]
pub(super) struct Skim<'a> {
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    pub(super) ts: u64,
    #[serde(borrow, default)]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) decision_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) decision: Option<SkimVerdict<'a>>,
    #[serde(borrow, default)]
    pub(super) event: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) links: Vec<Link>,
    #[serde(default)]
    pub(super) torn_segments: Vec<u32>,
}

/// A decision's effect.
#[derive(Debug, Deserialize)]
pub(super) struct SkimVerdict<'a> {
    #[serde(borrow)]
    pub(super) effect: Cow<'a, str>,
}

impl Skim<'_> {
    pub(super) fn is_journal(&self, event: &str) -> bool {
        self.kind == "journal" && self.event.as_deref() == Some(event)
    }
}

/// The lines of a segment: each with its offset, and whether its newline is there.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8], bool)> {
    let mut offset = 0;
    bytes.split_inclusive(|b| *b == b'\n').map(move |raw| {
        let start = offset;
        offset += raw.len();
        match raw.strip_suffix(b"\n") {
            Some(line) => (start, line, true),
            None => (start, raw, false),
        }
    })
}
