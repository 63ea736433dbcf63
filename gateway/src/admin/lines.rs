//! NDJSON from a request body: line by line, never more than a line and what came with it in memory.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use serde::Deserialize;

use crate::model::{Change, EntityRecord, EntityUid};
use crate::store::{LineError, UploadMode};

/// Longest line. With what is kept beside it, an object must fit the 64 KiB a value of the store may have; the
/// largest resource of the hub has a hundredth of it.
pub(super) const LINE_BYTES_MAX: usize = 63 * 1024;

/// Longest silence of a client in the middle of a body. It holds the organisation's one place for uploads.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How long what remains of a body is read away after a refusal, so that the answer is not lost with the
/// connection.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Why a body could not be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadError {
    /// A line is longer than [`LINE_BYTES_MAX`].
    TooLong,
    /// The connection broke, or nothing came for too long.
    Broken,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its text, without the end of the line.
    pub(super) text: Bytes,
    /// Its length with the end of the line.
    pub(super) bytes: u64,
    /// Whether an end of line was there. Without one it may be half a line.
    pub(super) ended: bool,
}

/// The lines of a body.
#[derive(Debug)]
pub(super) struct Lines {
    body: Body,
    buffer: BytesMut,
    /// How much of the buffer has been searched for an end of line.
    searched: usize,
    at_end: bool,
}

impl Lines {
    pub(super) fn of(body: Body) -> Self {
        Self { body, buffer: BytesMut::new(), searched: 0, at_end: false }
    }

    /// The next line; none at the end of the body.
    pub(super) async fn next(&mut self) -> Result<Option<Line>, ReadError> {
        loop {
            let fresh = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(end) = fresh.iter().position(|byte| *byte == b'\n') {
                let length = self.searched + end + 1;
                return self.cut(length, true).map(Some);
            }
            self.searched = self.buffer.len();
            if self.searched > LINE_BYTES_MAX {
                return Err(ReadError::TooLong);
            }
            if self.at_end {
                let length = self.buffer.len();
                return if length == 0 { Ok(None) } else { self.cut(length, false).map(Some) };
            }
            self.read().await?;
        }
    }

    /// Reads what remains and forgets it.
    pub(super) async fn drain(&mut self) {
        let all = async {
            while !self.at_end && self.read().await.is_ok() {
                self.buffer.clear();
            }
        };
        // Whether it came to an end or not, the answer is sent next.
        drop(tokio::time::timeout(DRAIN_MAX, all).await);
    }

    fn cut(&mut self, length: usize, ended: bool) -> Result<Line, ReadError> {
        self.searched = 0;
        let mut text = self.buffer.split_to(length).freeze();
        if ended {
            text.truncate(length.saturating_sub(1));
        }
        if text.len() > LINE_BYTES_MAX {
            return Err(ReadError::TooLong);
        }
        Ok(Line { text, bytes: length as u64, ended })
    }

    async fn read(&mut self) -> Result<(), ReadError> {
        let frame = tokio::time::timeout(SILENCE_MAX, self.body.frame()).await;
        match frame.map_err(|_| ReadError::Broken)? {
            None => self.at_end = true,
            Some(Err(_)) => return Err(ReadError::Broken),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.buffer.extend_from_slice(data);
                }
            }
        }
        Ok(())
    }
}

/// A line of a deletion.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    uid: EntityUid,
}

/// What a line asks for; nothing for a blank one.
///
/// # Errors
/// Why it asks for nothing that can be done.
pub(super) fn change(
    mode: UploadMode,
    number: u64,
    text: &[u8],
) -> Result<Option<Change>, LineError> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let read = match mode {
        UploadMode::Merge | UploadMode::Replace => {
            serde_json::from_slice::<EntityRecord>(text).map(Change::Put)
        }
        UploadMode::Delete => {
            serde_json::from_slice::<Named>(text).map(|named| Change::Delete(named.uid))
        }
    };
    read.map(Some).map_err(|error| LineError {
        line: Some(number),
        id: claimed_id(text),
        reason: told(&error),
    })
}

/// The id a faulty line claims, to find it again.
fn claimed_id(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Claim {
        uid: String,
    }
    let claim: Claim = serde_json::from_slice(text).ok()?;
    Some(claim.uid.chars().take(ID_CHARS_MAX).collect())
}

/// As much of a hostile id as an error shows.
const ID_CHARS_MAX: usize = 80;

/// What the reader of JSON says, without its line: each line is read for itself, so that is always 1.
fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let (message, _) = text.split_once(" at line ").unwrap_or((&text, ""));
    if error.column() == 0 {
        return message.to_owned();
    }
    format!("{message} at column {}", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(body: &'static str) -> Vec<(String, u64, bool)> {
        let mut lines = Lines::of(Body::from(body));
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push((String::from_utf8(line.text.to_vec()).unwrap(), line.bytes, line.ended));
        }
        all
    }

    #[tokio::test]
    async fn a_body_is_read_line_by_line() {
        let line = |text: &str, bytes, ended| (text.to_owned(), bytes, ended);
        assert_eq!(lines("").await, []);
        assert_eq!(
            lines("ab\n\nc").await,
            [line("ab", 3, true), line("", 1, true), line("c", 1, false)]
        );
        assert_eq!(lines("ab\r\n").await, [line("ab\r", 4, true)]);
    }

    #[tokio::test]
    async fn a_line_has_a_length() {
        let fits = "x".repeat(LINE_BYTES_MAX) + "\n";
        let mut lines = Lines::of(Body::from(fits));
        assert_eq!(lines.next().await.unwrap().unwrap().text.len(), LINE_BYTES_MAX);
        for long in ["x".repeat(LINE_BYTES_MAX + 1) + "\n", "x".repeat(LINE_BYTES_MAX + 1)] {
            let mut lines = Lines::of(Body::from(long));
            assert_eq!(lines.next().await, Err(ReadError::TooLong));
        }
    }

    #[test]
    fn a_faulty_line_is_told_with_its_number_and_id() {
        let error = |mode, text: &str| change(mode, 7, text.as_bytes()).unwrap_err();
        let unknown = error(UploadMode::Merge, r#"{"uid":"Team::a","nmae":1}"#);
        assert_eq!((unknown.line, unknown.id.as_deref()), (Some(7), Some("Team::a")));
        assert!(unknown.reason.starts_with("unknown field `nmae`"), "{}", unknown.reason);
        assert!(!unknown.reason.contains("line"), "{}", unknown.reason);
        let no_entity = error(UploadMode::Delete, r#"{"uid":"Team"}"#);
        assert!(no_entity.reason.contains("names no entity"), "{}", no_entity.reason);
        assert_eq!(error(UploadMode::Merge, "{").id, None);
        assert!(change(UploadMode::Delete, 1, br#"{"uid":"Team::a","parents":[]}"#).is_err());
    }

    #[test]
    fn a_blank_line_asks_for_nothing() {
        assert_eq!(change(UploadMode::Merge, 1, b" \r"), Ok(None));
    }
}
