//! Serves until told to stop.

use crate::config::Loaded;

/// Why the gateway does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// This build has no front door.
    #[error("serve is assembled elsewhere")]
    Absent,
}

/// Serves what `loaded` says, until a signal ends it; takes changed files over meanwhile.
///
/// # Errors
/// [`ServeError`] when it cannot begin.
pub fn serve(loaded: Loaded) -> Result<(), ServeError> {
    drop(loaded);
    Err(ServeError::Absent)
}
