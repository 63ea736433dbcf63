//! Makes the gateway's own secrets at first start, and rotates assertion keys.
//!
//! It must never write over a secret: a lost pepper is the loss of every API key.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use zeroize::Zeroizing;

use crate::config::{
    ASSERTION_FILE, AssertionKey, ConfigErrors, PEPPER_FILE, PUBLISH_DELAY, SEAL_FILE, Secrets,
};
use crate::model::{Clock, Entropy, EntropyError, UnixNanos};

/// Why there are no secrets.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// A file is malformed, missing or open to others.
    #[error(transparent)]
    Files(#[from] ConfigErrors),
    /// A file could not be written.
    #[error("`{path}` cannot be written")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The library made no key pair.
    #[error("no assertion key could be made")]
    KeyPair(#[from] rcgen::Error),
}

/// Reads the secrets in `directory`; makes what has never been made.
///
/// # Errors
/// [`SecretsError`] naming the file. A malformed secret is never replaced.
pub fn prepare_secrets(
    directory: &Path,
    entropy: &dyn Entropy,
    clock: &dyn Clock,
) -> Result<Secrets, SecretsError> {
    let make = |source| SecretsError::Write { path: directory.to_path_buf(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(make)?;
    let now = clock.now();
    let pepper = directory.join(PEPPER_FILE);
    if !pepper.exists() {
        write_new(&pepper, entropy.token()?.as_bytes())?;
    }
    if !holds(directory, SEAL_FILE)? {
        let name = format!("{}{}{}", SEAL_FILE.0, now.seconds(), SEAL_FILE.1);
        write_new(&directory.join(name), entropy.token()?.as_bytes())?;
    }
    if !holds(directory, ASSERTION_FILE)? {
        add_assertion_key(directory, now)?;
    }
    Ok(Secrets::read(directory)?)
}

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The new key's file.
    pub added: PathBuf,
    /// When it begins to sign: until then it is only published.
    pub signs_from: UnixNanos,
    /// Files of keys that no assertion still alive was signed with; removed.
    pub removed: Vec<PathBuf>,
}

/// Adds an assertion key to `directory` and removes the ones that have retired.
///
/// # Errors
/// [`SecretsError`] naming the file.
pub fn rotate_assertion_key(directory: &Path, clock: &dyn Clock) -> Result<Rotation, SecretsError> {
    let now = clock.now();
    let known = Secrets::read(directory)?;
    let added = add_assertion_key(directory, now)?;
    let mut removed = Vec::new();
    for key in known.assertion_keys.retired(now) {
        let path = directory.join(key.file_name());
        std::fs::remove_file(&path)
            .map_err(|source| SecretsError::Write { path: path.clone(), source })?;
        removed.push(path);
    }
    Ok(Rotation { added, signs_from: now.plus(PUBLISH_DELAY), removed })
}

fn add_assertion_key(directory: &Path, now: UnixNanos) -> Result<PathBuf, SecretsError> {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let pem = Zeroizing::new(pair.serialize_pem());
    let name = AssertionKey::file_name_at(now);
    let path = directory.join(name);
    write_new(&path, pem.as_bytes())?;
    Ok(path)
}

fn holds(directory: &Path, (start, end): (&str, &str)) -> Result<bool, SecretsError> {
    let unreadable = |source| SecretsError::Write { path: directory.to_path_buf(), source };
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(start) && name.ends_with(end) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes a file that must not exist yet: whole or not at all, private from its first moment.
fn write_new(path: &Path, content: &[u8]) -> Result<(), SecretsError> {
    let failed = |source| SecretsError::Write { path: path.to_path_buf(), source };
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.new", std::process::id()));
    let draft = PathBuf::from(draft);
    let written = draft_file(&draft, content);
    // A link fails where a name exists already, so of two processes that start at once one wins.
    let linked = written.and_then(|()| std::fs::hard_link(&draft, path));
    drop(std::fs::remove_file(&draft));
    match linked {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome.map_err(failed),
    }
}

fn draft_file(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.write_all(if content.ends_with(b"\n") { b"" } else { b"\n" })?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;
    use crate::model::{ManualClock, OsEntropy};

    fn clock() -> ManualClock {
        ManualClock::at(UnixNanos::from_seconds(1_800_000_000))
    }

    #[test]
    fn makes_private_secrets_once_and_keeps_them() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("state/secrets");
        let first = prepare_secrets(&directory, &OsEntropy, &clock()).unwrap();
        for entry in std::fs::read_dir(&directory).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let second = prepare_secrets(&directory, &OsEntropy, &clock()).unwrap();
        assert_eq!(first.pepper.expose(), second.pepper.expose());
        assert_eq!(first.seal_keys[0].id, "1800000000");
        assert_eq!(second.seal_keys.len(), 1);
        assert_eq!(second.assertion_keys.published().len(), 1);
    }

    #[test]
    fn refuses_a_secret_that_others_may_read() {
        let folder = tempfile::tempdir().unwrap();
        prepare_secrets(folder.path(), &OsEntropy, &clock()).unwrap();
        let pepper = folder.path().join("pepper");
        std::fs::set_permissions(&pepper, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = prepare_secrets(folder.path(), &OsEntropy, &clock()).unwrap_err();
        assert!(error.to_string().contains("pepper: others may read it"), "{error}");
    }

    #[test]
    fn never_replaces_a_damaged_pepper() {
        let folder = tempfile::tempdir().unwrap();
        prepare_secrets(folder.path(), &OsEntropy, &clock()).unwrap();
        let pepper = folder.path().join("pepper");
        std::fs::write(&pepper, "short").unwrap();
        assert!(prepare_secrets(folder.path(), &OsEntropy, &clock()).is_err());
        assert_eq!(std::fs::read_to_string(&pepper).unwrap(), "short");
    }

    #[test]
    fn rotation_publishes_first_signs_later_and_removes_last() {
        let folder = tempfile::tempdir().unwrap();
        let clock = clock();
        prepare_secrets(folder.path(), &OsEntropy, &clock).unwrap();
        let old = clock.now();
        clock.advance(Duration::from_hours(1));
        let rotation = rotate_assertion_key(folder.path(), &clock).unwrap();
        assert_eq!(rotation.removed, Vec::<PathBuf>::new());
        let secrets = Secrets::read(folder.path()).unwrap();
        let keys = &secrets.assertion_keys;
        assert_eq!(keys.signing(clock.now()).unwrap().created, old);
        assert_eq!(keys.signing(rotation.signs_from).unwrap().created, clock.now());
        clock.advance(Duration::from_hours(1));
        let rotation = rotate_assertion_key(folder.path(), &clock).unwrap();
        assert_eq!(rotation.removed, [folder.path().join("assertion-1800000000.pem")]);
        assert_eq!(Secrets::read(folder.path()).unwrap().assertion_keys.published().len(), 2);
    }
}
