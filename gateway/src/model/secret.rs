//! A value nobody may print: redacted in `Debug`, without `Display`, zeroed on drop.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// How an API key begins.
pub const API_KEY_PREFIX: &str = "hg_";
/// How an access token begins.
pub const ACCESS_TOKEN_PREFIX: &str = "hga_";
/// How a refresh token begins.
pub const REFRESH_TOKEN_PREFIX: &str = "hgr_";
/// How every credential of the gateway's own begins that clients hold: what begins like this is kept out of queries and
/// records.
pub const CREDENTIAL_PREFIXES: [&str; 3] =
    [API_KEY_PREFIX, ACCESS_TOKEN_PREFIX, REFRESH_TOKEN_PREFIX];

/// A secret value. It has no `Display` and no `serde::Serialize`, so it cannot slip into a log or a page.
#[derive(Clone, Default)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Lends the value to the one place that must have it. Search for this name to audit every use.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize + AsRef<[u8]>> Secret<T> {
    /// Compares in time that depends on the length alone.
    pub fn matches(&self, other: &[u8]) -> bool {
        self.0.as_ref().ct_eq(other).into()
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_value() {
        let secret = Secret::new(String::from("hunter2"));
        assert_eq!(format!("{secret:?}"), "[secret]");
    }

    #[test]
    fn matches_equal_bytes_only() {
        let secret = Secret::new(vec![1_u8, 2, 3]);
        assert!(secret.matches(&[1, 2, 3]));
        assert!(!secret.matches(&[1, 2, 4]));
        assert!(!secret.matches(&[1, 2]));
    }
}
