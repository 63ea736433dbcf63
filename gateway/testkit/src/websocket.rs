//! As much of RFC 6455 as a test needs: the handshake value and single frames.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// RFC 6455 §1.3: the text joined to the key before hashing.
const HANDSHAKE_SALT: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key`.
pub fn accept_value(key: &str) -> String {
    let salted = format!("{key}{HANDSHAKE_SALT}");
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, salted.as_bytes());
    STANDARD.encode(hash)
}

/// RFC 6455 §5.2: the length follows in two bytes.
const LENGTH_16: u8 = 0x7e;
/// RFC 6455 §5.2: the length follows in eight bytes.
const LENGTH_64: u8 = 0x7f;

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// Text.
    Text,
    /// Bytes.
    Binary,
    /// The end of the conversation.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping.
    Pong,
}

impl Opcode {
    const fn number(self) -> u8 {
        match self {
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Text,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            // Continuations and reserved numbers are echoed as bytes: no test depends on them.
            _ => Self::Binary,
        }
    }
}

/// One whole message in one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its kind.
    pub opcode: Opcode,
    /// Its content, unmasked.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A text message.
    pub fn text(text: &str) -> Self {
        Self { opcode: Opcode::Text, payload: text.into() }
    }

    /// The frame on the wire. A client must pass a mask, a server must not (RFC 6455 §5.1).
    pub fn encode(&self, mask: Option<[u8; 4]>) -> Vec<u8> {
        let mask_bit = if mask.is_some() { 0x80_u8 } else { 0 };
        let mut bytes = vec![0x80 | self.opcode.number()];
        if let Ok(length @ 0..=125) = u8::try_from(self.payload.len()) {
            bytes.push(mask_bit | length);
        } else if let Ok(length) = u16::try_from(self.payload.len()) {
            bytes.push(mask_bit | LENGTH_16);
            bytes.extend(length.to_be_bytes());
        } else {
            bytes.push(mask_bit | LENGTH_64);
            bytes.extend((self.payload.len() as u64).to_be_bytes());
        }
        if let Some(mask) = mask {
            bytes.extend(mask);
        }
        bytes.extend(masked(&self.payload, mask.unwrap_or_default()));
        bytes
    }
}

/// Reads one frame from the start of `bytes`, with its length on the wire. `None` when more is needed.
pub fn parse_frame(bytes: &[u8]) -> Option<(Frame, usize)> {
    let opcode = Opcode::from_number(bytes.first()? & 0x0f);
    let second = *bytes.get(1)?;
    let (length, mut at) = match second & 0x7f {
        LENGTH_16 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        LENGTH_64 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
        short => (u64::from(short), 2),
    };
    let mut mask = [0_u8; 4];
    if second & 0x80 != 0 {
        mask = bytes.get(at..at + 4)?.try_into().ok()?;
        at += 4;
    }
    let end = at.checked_add(usize::try_from(length).ok()?)?;
    let payload = masked(bytes.get(at..end)?, mask).collect();
    Some((Frame { opcode, payload }, end))
}

fn masked(payload: &[u8], mask: [u8; 4]) -> impl Iterator<Item = u8> {
    payload.iter().zip(mask.into_iter().cycle()).map(|(byte, mask)| byte ^ mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_value_is_that_of_the_standard() {
        // RFC 6455 §1.3 gives this pair.
        assert_eq!(accept_value("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn frames_of_every_length_survive_the_wire() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let frame = Frame { opcode: Opcode::Binary, payload: vec![7; length] };
            for mask in [None, Some([1, 2, 3, 4])] {
                let bytes = frame.encode(mask);
                assert_eq!(parse_frame(&bytes), Some((frame.clone(), bytes.len())));
                assert_eq!(parse_frame(&bytes[..bytes.len() - 1]), None);
            }
        }
    }
}
