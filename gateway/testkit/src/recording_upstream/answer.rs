//! What the upstream answers, and the ways it can misbehave.

use std::fmt::Write as _;

/// A well-formed answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Fields besides `Content-Length`.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer with a status and a body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, fields: Vec::new(), body: body.into() }
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// The answer on the wire; without its body when the request was a `HEAD`.
    pub(super) fn encode(&self, to_head: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Answer\r\n", self.status);
        for (name, value) in &self.fields {
            // Writing to a string cannot fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        // RFC 9110 §8.6: no Content-Length in a 1xx or 204 answer.
        if self.status >= 200 && self.status != 204 {
            let _ = write!(head, "Content-Length: {}\r\n", self.body.len());
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if !to_head && self.status != 204 && self.status != 304 {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

impl Default for Answer {
    fn default() -> Self {
        Self::new(200, "recorded").field("Content-Type", "text/plain")
    }
}

/// What the upstream does with a request, or with a connection.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Answers, keeps the connection alive, echoes `WebSocket`s, serves event streams.
    Answer(Answer),
    /// Closes each new connection without reading.
    CloseAfterAccept,
    /// Resets each new connection without reading.
    ResetAfterAccept,
    /// Reads the head and never answers.
    HangAfterHead,
    /// Reads the request, then closes without a byte of answer.
    CloseAfterRequest,
    /// Reads the request, then resets the connection.
    ResetAfterRequest,
    /// Answers with a `Content-Length` of 1000, sends 10 bytes of it and closes.
    HalfAnswer,
    /// Answers with a `Content-Length` that is no number.
    InvalidContentLength,
    /// Writes these bytes for an answer and closes: splits, floods, nonsense.
    Raw(Vec<u8>),
}
