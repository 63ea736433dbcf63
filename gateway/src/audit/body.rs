//! A record as bytes: one JSON object on one line, every control character escaped.
//!
//! It must never let a raw control character through: a log line is read in terminals (ASVS 16.4.1).

use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;

/// How every record begins: with the format version, which a change that breaks a reader raises.
const BEGINNING: &[u8] = b"{\"v\":1,\"kind\":\"";

/// A whole record is about 700 bytes; room for that avoids growing on the hot path.
const USUAL_BYTES: usize = 1024;

/// An encoded record: a JSON object on one line, without the journal's envelope.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordBody(Vec<u8>);

impl RecordBody {
    /// Encodes `fields` after `v` and `kind`. Crate-private: only the record types make bodies.
    pub(super) fn encode(kind: &'static str, fields: &impl Serialize) -> Self {
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        bytes.extend_from_slice(BEGINNING);
        bytes.extend_from_slice(kind.as_bytes());
        bytes.push(b'"');
        let start = bytes.len();
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Escaping);
        if fields.serialize(&mut serializer).is_err() {
            // Cannot happen: a vector takes all bytes and no record has keys that are not text.
            // If it does, the empty body is refused by the sink, so nothing goes unrecorded.
            return Self(Vec::new());
        }
        // The fields' own `{` becomes the comma that joins them to the head.
        if let Some(brace) = bytes.get_mut(start) {
            *brace = b',';
        }
        Self(bytes)
    }

    /// Whether encoding failed; a sink must refuse such a body.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The JSON object, `{` to `}`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The object's fields without its braces, to be joined into an envelope.
    pub(super) fn fields(&self) -> &[u8] {
        let inner = self.0.strip_prefix(b"{").unwrap_or_default();
        inner.strip_suffix(b"}").unwrap_or_default()
    }
}

impl std::fmt::Debug for RecordBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecordBody({})", String::from_utf8_lossy(&self.0))
    }
}

/// `serde_json` escapes C0 only; terminals also obey C1 (0x9B is CSI) and text direction marks.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        // Without early exit, so that the compiler looks at many bytes at once: this is the hot path.
        if fragment.bytes().fold(true, |plain, b| plain & (0x20..0x7f).contains(&b)) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut buffer = [0_u8; 4];
        for c in fragment.chars() {
            if is_hostile(c) {
                write!(writer, "\\u{:04x}", u32::from(c))?;
            } else {
                writer.write_all(c.encode_utf8(&mut buffer).as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Whether a character could steer a terminal or reorder what a reader sees.
pub(crate) fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Fields {
        text: &'static str,
    }

    #[test]
    fn puts_version_and_kind_first() {
        let body = RecordBody::encode("event", &Fields { text: "x" });
        assert_eq!(body.as_bytes(), br#"{"v":1,"kind":"event","text":"x"}"#);
        assert_eq!(body.fields(), br#""v":1,"kind":"event","text":"x""#);
    }

    #[test]
    fn escapes_whatever_could_steer_a_terminal() {
        let text = "a\nb\u{1b}[31m\u{7f}\u{9b}2J\u{202e}\u{2028}é";
        let body = RecordBody::encode("event", &Fields { text });
        let line = std::str::from_utf8(body.as_bytes()).unwrap();
        assert!(!line.chars().any(is_hostile), "{line}");
        let back: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(back["text"], text, "escaping must lose nothing");
    }
}
