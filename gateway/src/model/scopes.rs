//! API scopes as a set: what an operation accepts.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// The scopes of which an API client needs one for an operation. Cheap to clone and to compare.
#[derive(Clone)]
pub struct Scopes {
    names: Arc<[Arc<str>]>,
    digest: [u8; 32],
}

/// A text that is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no scope: 1 to {SCOPE_BYTES_MAX} printable characters without blanks, quotes and backslashes"
)]
pub struct ScopeError(String);

/// Longest scope: fits a log line, as action names do.
const SCOPE_BYTES_MAX: usize = 128;

impl Scopes {
    /// A set of `names`; their order and repetitions do not count.
    ///
    /// # Errors
    /// [`ScopeError`] for the first that is no scope (RFC 6749 §3.3).
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopeError> {
        let mut names: Vec<Arc<str>> =
            names.into_iter().map(|name| check(name).map(Arc::from)).collect::<Result<_, _>>()?;
        names.sort_unstable();
        names.dedup();
        let mut hash = Sha256::new();
        for name in &names {
            hash.update((name.len() as u64).to_be_bytes());
            hash.update(name.as_bytes());
        }
        Ok(Self { names: Arc::from(names), digest: hash.finalize().into() })
    }

    /// No scope at all.
    pub fn none() -> Self {
        Self { names: Arc::from([]), digest: Sha256::digest([]).into() }
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// Checks one scope.
///
/// # Errors
/// [`ScopeError`].
fn check(name: &str) -> Result<&str, ScopeError> {
    let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    if !name.is_empty() && name.len() <= SCOPE_BYTES_MAX && name.bytes().all(fits) {
        return Ok(name);
    }
    Err(ScopeError(name.escape_debug().take(80).collect()))
}

impl Default for Scopes {
    fn default() -> Self {
        Self::none()
    }
}

impl PartialEq for Scopes {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Scopes {}

impl Hash for Scopes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_repetition_do_not_count() {
        let one = Scopes::new(["b:read", "a:read", "b:read"]).unwrap();
        assert_eq!(one, Scopes::new(["a:read", "b:read"]).unwrap());
        assert_ne!(one, Scopes::new(["a:readb:read"]).unwrap());
        assert_eq!(one.names().collect::<Vec<_>>(), ["a:read", "b:read"]);
        assert_eq!(Scopes::none(), Scopes::new([]).unwrap());
    }

    #[test]
    fn refuses_what_is_no_scope() {
        for name in ["", "a b", "a\"", "a\\", "é", &"x".repeat(129)] {
            assert!(Scopes::new([name]).is_err(), "{name}");
        }
    }
}
