//! Randomness as a parameter, so tests can be exact and failure can be provoked.

use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The operating system gave no randomness. Nothing secret can be made; the caller refuses.
#[derive(Debug, thiserror::Error)]
#[error("no randomness from the operating system")]
pub struct EntropyError;

/// A source of unpredictable bytes.
pub trait Entropy: Send + Sync + Debug {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// [`EntropyError`] when the source fails; the content of `bytes` is then meaningless.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;

    /// 256 random bits as 43 characters of base64url: session ids, states, nonces, verifiers.
    ///
    /// # Errors
    /// As [`Entropy::fill`].
    fn token(&self) -> Result<String, EntropyError> {
        let mut bytes = [0_u8; 32];
        self.fill(&mut bytes)?;
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(bytes).map_err(|_| EntropyError)
    }
}
