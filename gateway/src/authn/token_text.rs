//! The text every token of the gateway's has: `<prefix><id>_<secret><checksum>`.
//!
//! The id is public and finds the record. The secret is 256 bits as 43 characters of base64url. The checksum is the start
//! of SHA-256 over everything before it, 6 characters of base64url: a typing error or a secret scanner's false hit is told
//! without any look-up (AS-15); it protects nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::model::{Entropy, EntropyError};

/// Why a text is no token. Says nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Another form, length or alphabet.
    #[error("not of the form of a token of this gateway")]
    Form,
    /// A typing error, or not a token at all.
    #[error("the checksum of the token does not fit")]
    Checksum,
}

const SECRET_CHARS: usize = 43;
const CHECKSUM_CHARS: usize = 6;

/// What tells the kinds of tokens apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenText {
    /// What it starts with.
    pub(super) prefix: &'static str,
    /// The length of its id.
    pub(super) id_chars: usize,
}

impl TokenText {
    /// The id within a token.
    pub(super) fn id<'a>(&self, text: &'a str) -> Result<&'a str, TokenError> {
        let rest = text.strip_prefix(self.prefix).ok_or(TokenError::Form)?;
        let (id, rest) = rest.split_once('_').ok_or(TokenError::Form)?;
        let (_, checksum) = rest.split_at_checked(SECRET_CHARS).ok_or(TokenError::Form)?;
        let id_fits = id.len() == self.id_chars
            && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let rest_fits = rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !id_fits || !rest_fits || checksum.len() != CHECKSUM_CHARS {
            return Err(TokenError::Form);
        }
        let summed = text.strip_suffix(checksum).ok_or(TokenError::Form)?;
        if checksum_of(summed).as_bytes() != checksum.as_bytes() {
            return Err(TokenError::Checksum);
        }
        Ok(id)
    }

    /// The token with this id and secret.
    pub(super) fn write(&self, id: &str, secret: &str) -> String {
        let mut token = format!("{}{id}_{secret}", self.prefix);
        let checksum = checksum_of(&token);
        token.push_str(&checksum);
        token
    }

    /// An id nobody can foresee: letters of an alphabet of 32, five random bits each, without bias.
    pub(super) fn random_id(&self, entropy: &dyn Entropy) -> Result<String, EntropyError> {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let mut bytes = vec![0_u8; self.id_chars];
        entropy.fill(&mut bytes)?;
        Ok(bytes
            .iter()
            .filter_map(|byte| ALPHABET.get(usize::from(byte & 31)))
            .map(|letter| char::from(*letter))
            .collect())
    }
}

pub(super) fn checksum_of(summed: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(summed.as_bytes()).into();
    let mut text = URL_SAFE_NO_PAD.encode(digest);
    text.truncate(CHECKSUM_CHARS);
    text
}
