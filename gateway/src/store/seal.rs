//! Seals what must be read back: XChaCha20-Poly1305 under a key from outside the store.
//!
//! `v1.<key id>.<base64url of nonce and ciphertext>`. The store key, the field and the seal key's id are associated
//! data, so a sealed value opens only in the entry and field it was made for. The nonce is 192 random bits: at
//! that size random nonces may be used without counting (draft-irtf-cfrg-xchacha §1).
//!
//! Rotation: put the new key first and keep the old ones behind it until what they sealed has expired; a session
//! lives a day at most.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};

use super::key::Key;
use crate::model::{Entropy, Secret};

/// A key of the ring.
#[derive(Clone, Debug)]
pub struct SealKey {
    id: String,
    secret: Secret<[u8; 32]>,
}

/// Why keys make no ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// No key at all.
    #[error("a key ring needs at least one key")]
    Empty,
    /// More keys than a rotation needs.
    #[error("a key ring holds at most {KEYS_MAX} keys")]
    TooMany,
    /// The id cannot be written into a sealed value.
    #[error("`{0}` is no id of a seal key: expected 1 to 32 of a-z, 0-9 and `-`")]
    Id(String),
    /// Two keys share an id.
    #[error("two seal keys are called `{0}`")]
    Repeated(String),
}

/// Why a value was not sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealedError {
    /// There is no randomness.
    #[error("no randomness from the operating system")]
    Entropy,
    /// It is not of the form of a sealed value.
    #[error("not a sealed value")]
    Form,
    /// Its key is not on the ring.
    #[error("sealed under the key `{0}`, which is not on the ring")]
    UnknownKey(String),
    /// It was changed, moved, or sealed under another key of that id.
    #[error("the seal does not open here")]
    Broken,
}

const VERSION: &str = "v1";
const ID_BYTES_MAX: usize = 32;
/// Two are enough for a rotation; a forgotten third and fourth do no harm.
const KEYS_MAX: usize = 8;
const NONCE_BYTES: usize = 24;

impl SealKey {
    /// Names 256 bits.
    ///
    /// # Errors
    /// [`KeyRingError::Id`] when `id` cannot be written into a sealed value.
    pub fn new(id: &str, secret: Secret<[u8; 32]>) -> Result<Self, KeyRingError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if id.is_empty() || id.len() > ID_BYTES_MAX || !id.bytes().all(allowed) {
            return Err(KeyRingError::Id(id.chars().take(80).collect()));
        }
        Ok(Self { id: id.to_owned(), secret })
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.secret.expose().into())
    }
}

/// The keys that seal and open. The first seals.
#[derive(Clone, Debug)]
pub struct KeyRing {
    current: SealKey,
    older: Vec<SealKey>,
}

impl KeyRing {
    /// Takes the keys, the current one first.
    ///
    /// # Errors
    /// [`KeyRingError`] when there are none, too many, or two of one name.
    pub fn new(keys: Vec<SealKey>) -> Result<Self, KeyRingError> {
        if keys.len() > KEYS_MAX {
            return Err(KeyRingError::TooMany);
        }
        let mut keys = keys.into_iter();
        let current = keys.next().ok_or(KeyRingError::Empty)?;
        let mut ring = Self { current, older: Vec::new() };
        for key in keys {
            if ring.find(&key.id).is_some() {
                return Err(KeyRingError::Repeated(key.id));
            }
            ring.older.push(key);
        }
        Ok(ring)
    }

    /// Seals `plain` for the field `field` of the entry `key`.
    ///
    /// # Errors
    /// [`SealedError::Entropy`] when there is no randomness.
    pub fn seal(
        &self,
        key: &Key,
        field: &str,
        plain: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<String, SealedError> {
        let mut nonce = [0_u8; NONCE_BYTES];
        entropy.fill(&mut nonce).map_err(|_| SealedError::Entropy)?;
        let aad = associated_data(&self.current.id, key, field);
        let payload = Payload { msg: plain, aad: aad.as_bytes() };
        let sealed = self.current.cipher().encrypt(XNonce::from_slice(&nonce), payload);
        let mut bytes = nonce.to_vec();
        bytes.extend(sealed.map_err(|_| SealedError::Broken)?);
        Ok(format!("{VERSION}.{}.{}", self.current.id, URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Opens what was sealed for the field `field` of the entry `key`.
    ///
    /// # Errors
    /// [`SealedError`] when it was not sealed for there, was changed, or its key is gone.
    pub fn open(
        &self,
        key: &Key,
        field: &str,
        sealed: &str,
    ) -> Result<Secret<Vec<u8>>, SealedError> {
        let rest = sealed.strip_prefix(VERSION).and_then(|rest| rest.strip_prefix('.'));
        let (id, text) = rest.and_then(|rest| rest.split_once('.')).ok_or(SealedError::Form)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| SealedError::Form)?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES).ok_or(SealedError::Form)?;
        let seal_key = self
            .find(id)
            .ok_or_else(|| SealedError::UnknownKey(id.chars().take(ID_BYTES_MAX).collect()))?;
        let aad = associated_data(id, key, field);
        let payload = Payload { msg: ciphertext, aad: aad.as_bytes() };
        let plain = seal_key.cipher().decrypt(XNonce::from_slice(nonce), payload);
        plain.map(Secret::new).map_err(|_| SealedError::Broken)
    }

    fn find(&self, id: &str) -> Option<&SealKey> {
        std::iter::once(&self.current).chain(&self.older).find(|key| key.id == id)
    }
}

/// The parts cannot contain the newline that separates them, so no two places share a text.
fn associated_data(seal_key: &str, key: &Key, field: &str) -> String {
    format!("hubgate seal {VERSION}\n{seal_key}\n{key}\n{field}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EntropyError, OsEntropy};
    use crate::store::Kind;

    fn seal_key(id: &str, byte: u8) -> SealKey {
        SealKey::new(id, Secret::new([byte; 32])).unwrap()
    }

    fn ring(keys: &[(&str, u8)]) -> KeyRing {
        KeyRing::new(keys.iter().map(|(id, byte)| seal_key(id, *byte)).collect()).unwrap()
    }

    fn place(id: &str) -> Key {
        Key::index(Kind::Session, id).unwrap()
    }

    #[test]
    fn opens_what_it_sealed_in_its_place() {
        let ring = ring(&[("a", 1)]);
        let sealed = ring.seal(&place("x"), "token", b"hello", &OsEntropy).unwrap();
        assert!(sealed.starts_with("v1.a."));
        assert!(ring.open(&place("x"), "token", &sealed).unwrap().matches(b"hello"));
        let again = ring.seal(&place("x"), "token", b"hello", &OsEntropy).unwrap();
        assert_ne!(sealed, again, "a nonce was used twice");
    }

    #[test]
    fn does_not_open_elsewhere_or_under_another_key() {
        let ring_a = ring(&[("a", 1)]);
        let sealed = ring_a.seal(&place("x"), "token", b"hello", &OsEntropy).unwrap();
        let broken = SealedError::Broken;
        assert_eq!(ring_a.open(&place("y"), "token", &sealed).unwrap_err(), broken);
        assert_eq!(ring_a.open(&place("x"), "other", &sealed).unwrap_err(), broken);
        assert_eq!(ring(&[("a", 2)]).open(&place("x"), "token", &sealed).unwrap_err(), broken);
        let unknown = ring(&[("b", 1)]).open(&place("x"), "token", &sealed).unwrap_err();
        assert_eq!(unknown, SealedError::UnknownKey("a".into()));
        let renamed = sealed.replacen(".a.", ".b.", 1);
        let same_secret = ring(&[("a", 1), ("b", 1)]);
        assert_eq!(same_secret.open(&place("x"), "token", &renamed).unwrap_err(), broken);
    }

    #[test]
    fn opens_older_seals_after_a_rotation_and_seals_with_the_new_key() {
        let sealed = ring(&[("a", 1)]).seal(&place("x"), "t", b"old", &OsEntropy).unwrap();
        let rotated = ring(&[("b", 2), ("a", 1)]);
        assert!(rotated.open(&place("x"), "t", &sealed).unwrap().matches(b"old"));
        let sealed = rotated.seal(&place("x"), "t", b"new", &OsEntropy).unwrap();
        assert!(sealed.starts_with("v1.b."));
    }

    #[test]
    fn any_changed_character_breaks_the_seal() {
        let ring = ring(&[("a", 1)]);
        let sealed = ring.seal(&place("x"), "t", b"hello", &OsEntropy).unwrap();
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'Q' { b'R' } else { b'Q' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(ring.open(&place("x"), "t", &changed).is_err(), "{at}");
        }
        for text in ["", "v1", "v1.a", "v1.a.", "v1.a.AAAA", "v2.a.AAAA", "v1.a.!"] {
            assert_eq!(ring.open(&place("x"), "t", text).unwrap_err(), SealedError::Form, "{text}");
        }
    }

    #[test]
    fn rejects_rings_that_cannot_work() {
        assert_eq!(KeyRing::new(Vec::new()).unwrap_err(), KeyRingError::Empty);
        let twice = vec![seal_key("a", 1), seal_key("a", 2)];
        assert_eq!(KeyRing::new(twice).unwrap_err(), KeyRingError::Repeated("a".into()));
        let many = (0..9).map(|n| seal_key(&format!("k{n}"), n)).collect();
        assert_eq!(KeyRing::new(many).unwrap_err(), KeyRingError::TooMany);
        for id in ["", "A", "a.b", "a b", &"a".repeat(33)] {
            assert!(SealKey::new(id, Secret::new([0; 32])).is_err(), "{id}");
        }
        assert!(!format!("{:?}", ring(&[("a", 7)])).contains("7, 7"));
    }

    #[derive(Debug)]
    struct NoEntropy;

    impl Entropy for NoEntropy {
        fn fill(&self, _: &mut [u8]) -> Result<(), EntropyError> {
            Err(EntropyError)
        }
    }

    #[test]
    fn seals_nothing_without_randomness() {
        let sealed = ring(&[("a", 1)]).seal(&place("x"), "t", b"hello", &NoEntropy);
        assert_eq!(sealed.unwrap_err(), SealedError::Entropy);
    }
}
