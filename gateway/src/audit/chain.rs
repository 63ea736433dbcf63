//! The hash chain: how a record becomes a line that vouches for itself and for the one before it.
//!
//! A line is `{"seq":N,"prev":"<hex>",…,"hash":"<hex>"}`: `hash` is SHA-256 over every byte before
//! `,"hash"`, `prev` is the `hash` of the line before. It must never depend on how JSON is parsed.

use std::fmt;
use std::io::Write as _;

use sha2::{Digest as _, Sha256};

use super::RecordBody;

const HASH_KEY: &[u8] = b",\"hash\":\"";
const HASH_END: &[u8] = b"\"}";
const SEQ_KEY: &[u8] = b"{\"seq\":";
const PREV_KEY: &[u8] = b",\"prev\":\"";
const HEX_BYTES: usize = 64;
/// `,"hash":"` + 64 digits + `"}`.
const TAIL_BYTES: usize = HASH_KEY.len() + HEX_BYTES + HASH_END.len();

/// SHA-256 of a line, shown as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// What the first line of a shard names as its predecessor.
    pub const ZERO: Self = Self([0; 32]);

    /// Reads 64 lower-case hex digits.
    pub fn parse(hex: &str) -> Option<Self> {
        parse_hex(hex.as_bytes()).map(Self)
    }

    fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    fn push_hex(self, out: &mut Vec<u8>) {
        for byte in self.0 {
            out.push(hex_digit(byte >> 4));
            out.push(hex_digit(byte & 15));
        }
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a sound line says of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Its number in the shard, from 1, without gaps.
    pub seq: u64,
    /// The hash of the line before it.
    pub prev: ChainHash,
    /// Its own hash.
    pub hash: ChainHash,
}

/// Why bytes are no sound line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The frame of `seq`, `prev` and `hash` is not there.
    #[error("not a log line")]
    Shape,
    /// The line was changed after it was written.
    #[error("the content does not match its hash")]
    Hash,
}

/// Writes `body` as line `seq` after `prev` to `out`, newline included, and returns its hash.
pub fn seal(out: &mut Vec<u8>, seq: u64, prev: ChainHash, body: &RecordBody) -> ChainHash {
    let start = out.len();
    out.extend_from_slice(SEQ_KEY);
    // Writing to a vector cannot fail.
    let _ = write!(out, "{seq}");
    out.extend_from_slice(PREV_KEY);
    prev.push_hex(out);
    out.extend_from_slice(b"\",");
    out.extend_from_slice(body.fields());
    let hash = ChainHash::of(out.get(start..).unwrap_or_default());
    out.extend_from_slice(HASH_KEY);
    hash.push_hex(out);
    out.extend_from_slice(HASH_END);
    out.push(b'\n');
    hash
}

/// Checks a line (without its newline) against its own hash and reads its place.
///
/// # Errors
/// [`LineError`] when the frame is missing or the content does not match.
pub fn inspect(line: &[u8]) -> Result<Sealed, LineError> {
    let split = line.len().checked_sub(TAIL_BYTES).ok_or(LineError::Shape)?;
    let (content, tail) = line.split_at_checked(split).ok_or(LineError::Shape)?;
    let claimed = tail
        .strip_prefix(HASH_KEY)
        .and_then(|rest| rest.strip_suffix(HASH_END))
        .and_then(parse_hex)
        .map(ChainHash)
        .ok_or(LineError::Shape)?;
    let (seq, prev) = place(content).ok_or(LineError::Shape)?;
    let hash = ChainHash::of(content);
    if hash != claimed {
        return Err(LineError::Hash);
    }
    Ok(Sealed { seq, prev, hash })
}

fn place(content: &[u8]) -> Option<(u64, ChainHash)> {
    let rest = content.strip_prefix(SEQ_KEY)?;
    let digits = rest.iter().position(|b| !b.is_ascii_digit())?;
    let (seq, rest) = rest.split_at_checked(digits)?;
    let seq = std::str::from_utf8(seq).ok()?.parse().ok()?;
    let (prev, rest) = rest.strip_prefix(PREV_KEY)?.split_at_checked(HEX_BYTES)?;
    rest.starts_with(b"\",").then_some((seq, ChainHash(parse_hex(prev)?)))
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

fn parse_hex(hex: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0_u8; 32];
    if hex.len() != HEX_BYTES {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(bytes)
}

/// Lower case only: one value has one spelling, so a flipped case bit is seen.
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> (Vec<u8>, ChainHash) {
        #[derive(serde::Serialize)]
        struct Fields {
            event: &'static str,
        }
        let body = RecordBody::encode("event", &Fields { event: "sign_in" });
        let mut out = Vec::new();
        let hash = seal(&mut out, 7, ChainHash::ZERO, &body);
        assert_eq!(out.pop(), Some(b'\n'));
        (out, hash)
    }

    #[test]
    fn a_sealed_line_is_json_and_vouches_for_itself() {
        let (line, hash) = line();
        let json: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(json["hash"], hash.to_string());
        assert_eq!(json["event"], "sign_in");
        assert_eq!(inspect(&line), Ok(Sealed { seq: 7, prev: ChainHash::ZERO, hash }));
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let (line, _) = line();
        for bit in 0..line.len() * 8 {
            let mut bad = line.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(inspect(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_cut_is_seen() {
        let (line, _) = line();
        for len in 0..line.len() {
            assert!(inspect(&line[..len]).is_err(), "cut to {len}");
        }
    }

    #[test]
    fn hashes_have_one_spelling() {
        let hash = ChainHash::of(b"x");
        assert_eq!(ChainHash::parse(&hash.to_string()), Some(hash));
        assert_eq!(ChainHash::parse(&hash.to_string().to_uppercase()), None);
        assert_eq!(ChainHash::parse("00"), None);
    }
}
