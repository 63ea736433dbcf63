//! What the field lines of one head say about framing, upgrade and host: collected line by line.

use crate::model::{Malformed, Refusal};

use super::HeadLimits;
use super::fields::{FieldClass, classify};
use super::request::{Protocol, Upgrade};

/// Findings over all field lines of a head.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one head")]
pub(super) struct Facts<'a> {
    /// The one `Host` line.
    pub(super) host: Option<&'a [u8]>,
    /// The one `Content-Length`.
    pub(super) content_length: Option<u64>,
    /// `Transfer-Encoding: chunked` is there.
    pub(super) chunked: bool,
    /// `Expect: 100-continue` is there.
    pub(super) expects_continue: bool,
    /// `TE` says `trailers`.
    pub(super) accepts_trailers: bool,
    /// At least one field must not travel on.
    pub(super) has_dropped: bool,
    /// Number of `Cookie` lines.
    pub(super) cookie_lines: usize,
    /// Number of lines.
    pub(super) lines: usize,
    upgrade: bool,
    connection_upgrade: bool,
    cookie_bytes: usize,
    authorization: bool,
    content_type: bool,
    origin: bool,
}

impl<'a> Facts<'a> {
    /// Takes one line: a name of token bytes in any case, a value of visible bytes without outer space.
    ///
    /// # Errors
    /// A [`Refusal`] naming what the line breaks.
    pub(super) fn add(
        &mut self,
        name: &[u8],
        value: &'a [u8],
        limits: &HeadLimits,
    ) -> Result<(), Refusal> {
        self.lines += 1;
        if self.lines > limits.fields_max || name.len() + value.len() > limits.field_bytes_max {
            return Err(Refusal::HeadTooLarge);
        }
        match classify(name) {
            FieldClass::Reserved => return Err(Refusal::Malformed(Malformed::ReservedField)),
            FieldClass::Dropped => self.has_dropped = true,
            FieldClass::Kept => {}
        }
        if name.eq_ignore_ascii_case(b"cookie") {
            return self.add_cookie(value, limits);
        }
        self.add_known(name, value).map_err(Refusal::Malformed)
    }

    /// Cookies are counted together: HTTP/2 splits one line into crumbs (RFC 9113 §8.2.3).
    fn add_cookie(&mut self, value: &[u8], limits: &HeadLimits) -> Result<(), Refusal> {
        self.cookie_lines += 1;
        self.cookie_bytes += value.len();
        if self.cookie_bytes > limits.cookie_bytes_max {
            return Err(Refusal::HeadTooLarge);
        }
        Ok(())
    }

    fn add_known(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), Malformed> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match name.len() {
            2 if is("te") => self.accepts_trailers |= value.eq_ignore_ascii_case(b"trailers"),
            4 if is("host") => set_once(&mut self.host, value, Malformed::Host)?,
            6 if is("expect") => self.add_expect(value)?,
            6 if is("origin") => once(&mut self.origin, Malformed::Repeated)?,
            7 if is("upgrade") => self.add_upgrade(value)?,
            10 if is("connection") => self.add_connection(value)?,
            12 if is("content-type") => once(&mut self.content_type, Malformed::Repeated)?,
            13 if is("authorization") => once(&mut self.authorization, Malformed::Repeated)?,
            14 if is("content-length") => {
                let length = read_length(value).ok_or(Malformed::ContentLength)?;
                set_once(&mut self.content_length, length, Malformed::ContentLength)?;
            }
            17 if is("transfer-encoding") => {
                // RFC 9112 §6.1 allows a list; other codings than chunked have no use in requests.
                once(&mut self.chunked, Malformed::TransferEncoding)?;
                require(value == b"chunked", Malformed::TransferEncoding)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn add_expect(&mut self, value: &[u8]) -> Result<(), Malformed> {
        once(&mut self.expects_continue, Malformed::Expect)?;
        require(value == b"100-continue", Malformed::Expect)
    }

    /// Pingora takes any `Upgrade` line for an upgrade, so only the one we mean may be there (PX-09).
    fn add_upgrade(&mut self, value: &[u8]) -> Result<(), Malformed> {
        once(&mut self.upgrade, Malformed::Upgrade)?;
        require(value.eq_ignore_ascii_case(b"websocket"), Malformed::Upgrade)
    }

    /// A field nominated here is removed on the way, so it could be read by the policy and be gone
    /// upstream (PX-41). Only the options that mean something to this hop pass.
    fn add_connection(&mut self, value: &[u8]) -> Result<(), Malformed> {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            let is = |known: &str| option.eq_ignore_ascii_case(known.as_bytes());
            if is("upgrade") {
                self.connection_upgrade = true;
            } else if !(is("close") || is("keep-alive") || is("te")) {
                return Err(Malformed::Field);
            }
        }
        Ok(())
    }

    /// Looks at all lines together: framing and upgrade.
    ///
    /// `stream_ended`: HTTP/2 said `END_STREAM` on the head.
    ///
    /// # Errors
    /// The first rule broken, see [`Malformed`].
    pub(super) fn conclude(
        &self,
        protocol: Protocol,
        stream_ended: bool,
    ) -> Result<Framing, Malformed> {
        // RFC 9112 §6.1: both together ought to be handled as an error.
        require(!(self.chunked && self.content_length.is_some()), Malformed::Framing)?;
        if protocol == Protocol::H2 {
            // RFC 9113 §8.2.2: connection-specific fields make the request malformed.
            require(!self.chunked, Malformed::TransferEncoding)?;
            require(!self.upgrade && !self.connection_upgrade, Malformed::Upgrade)?;
            // RFC 9113 §8.1.1: a length that the frames cannot keep.
            let promised = self.content_length.is_some_and(|length| length > 0);
            require(!(promised && stream_ended), Malformed::ContentLength)?;
        }
        let open_stream =
            protocol == Protocol::H2 && !stream_ended && self.content_length != Some(0);
        let has_body =
            self.chunked || open_stream || self.content_length.is_some_and(|length| length > 0);
        require(has_body || !self.expects_continue, Malformed::Expect)?;
        let upgrade = self.conclude_upgrade(has_body)?;
        Ok(Framing { has_body, upgrade })
    }

    fn conclude_upgrade(&self, has_body: bool) -> Result<Upgrade, Malformed> {
        if !self.upgrade {
            // `Connection: upgrade` alone asks for nothing; it ends at this hop.
            return Ok(Upgrade::None);
        }
        require(self.connection_upgrade && !has_body, Malformed::Upgrade)?;
        Ok(Upgrade::WebSocket)
    }
}

/// What [`Facts::conclude`] found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Framing {
    /// A body follows the head.
    pub(super) has_body: bool,
    /// The upgrade asked for.
    pub(super) upgrade: Upgrade,
}

/// Reads `0` or `[1-9][0-9]{0,15}`: one spelling per number, and below 2^53 (PX-03).
fn read_length(value: &[u8]) -> Option<u64> {
    let plain = match value {
        [b'0'] => true,
        [first, ..] => *first != b'0' && value.len() <= 16 && value.iter().all(u8::is_ascii_digit),
        [] => false,
    };
    std::str::from_utf8(value).ok().filter(|_| plain)?.parse().ok()
}

fn once(seen: &mut bool, malformed: Malformed) -> Result<(), Malformed> {
    require(!std::mem::replace(seen, true), malformed)
}

fn set_once<T>(slot: &mut Option<T>, value: T, malformed: Malformed) -> Result<(), Malformed> {
    require(slot.is_none(), malformed)?;
    *slot = Some(value);
    Ok(())
}

fn require(holds: bool, malformed: Malformed) -> Result<(), Malformed> {
    if holds { Ok(()) } else { Err(malformed) }
}
