//! The pepper: what tokens are kept under, and what a refresh token's successors are made with.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroize as _;

use crate::model::Secret;

/// The key of the HMAC that tokens are kept under. It lives outside the store, so that who reads the
/// store can neither use nor guess a token.
#[derive(Clone)]
pub struct Pepper(Hmac<Sha256>);

impl Pepper {
    /// Takes 256 bits. The key schedule is done once, here.
    pub fn new(secret: &Secret<[u8; 32]>) -> Self {
        // RFC 2104 §2: a key shorter than the block is filled up with zeros.
        let mut block = [0_u8; 64];
        for (filled, byte) in block.iter_mut().zip(secret.expose()) {
            *filled = *byte;
        }
        let hmac = Hmac::new(&block.into());
        block.zeroize();
        Self(hmac)
    }

    /// What is kept of a token.
    pub(super) fn mac(&self, token: &str) -> KeyMac {
        let mut hmac = self.0.clone();
        hmac.update(token.as_bytes());
        KeyMac(hmac.finalize().into_bytes().into())
    }

    /// The secret that follows a token, as 43 characters of base64url: the same each time, and to be known by nobody who
    /// has not both the pepper and the token.
    pub(super) fn successor(&self, purpose: &'static str, token: &str) -> Secret<String> {
        let mut hmac = self.0.clone();
        // No token starts like this, so no kept MAC is a successor.
        hmac.update(b"hubgate successor v1\0");
        hmac.update(purpose.as_bytes());
        hmac.update(b"\0");
        hmac.update(token.as_bytes());
        Secret::new(URL_SAFE_NO_PAD.encode(hmac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper([secret])")
    }
}

/// HMAC-SHA-256 of a whole token under the pepper. It is compared in constant time only: it has no equality of its own.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct KeyMac([u8; 32]);

impl KeyMac {
    /// Of no token.
    pub(super) const NOBODY: Self = Self([0; 32]);

    /// Some bits of it, to keep many apart.
    pub(super) fn hint(&self) -> u64 {
        let (first, _) = self.0.split_first_chunk().unwrap_or((&[0; 8], &[]));
        u64::from_be_bytes(*first)
    }

    /// Whether both are of one token, in time that does not tell.
    pub(super) fn is(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl From<KeyMac> for String {
    fn from(mac: KeyMac) -> Self {
        URL_SAFE_NO_PAD.encode(mac.0)
    }
}

impl TryFrom<String> for KeyMac {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut mac = [0_u8; 32];
        match URL_SAFE_NO_PAD.decode_slice(&text, &mut mac) {
            Ok(32) => Ok(Self(mac)),
            _ => Err("a key's MAC is 43 characters of base64url".into()),
        }
    }
}

impl fmt::Debug for KeyMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMac([hidden])")
    }
}
