//! The gateway's own secrets: pepper, sealing keys, assertion keys. Read here, made by `app`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::model::{Secret, UnixNanos};

use super::document::{read_text, reason};
use super::problem::{ConfigErrors, Problem};

/// The gateway's own secrets.
#[derive(Debug)]
pub struct Secrets {
    /// The key API keys are kept under.
    pub pepper: Secret<[u8; 32]>,
    /// The keys values in the store are sealed with: the first seals, all open. Never empty.
    pub seal_keys: Vec<SealKey>,
    /// The keys assertions are signed with.
    pub assertion_keys: AssertionKeys,
}

/// A key values in the store are sealed with.
#[derive(Debug)]
pub struct SealKey {
    /// Its name, which stands before every value sealed with it.
    pub id: String,
    /// The key.
    pub key: Secret<[u8; 32]>,
}

/// A key assertions are signed with: ECDSA P-256, PKCS #8 as PEM.
#[derive(Debug)]
pub struct AssertionKey {
    /// When it was made; the second is its name.
    pub created: UnixNanos,
    /// The key.
    pub pem: Secret<String>,
}

/// The keys assertions are signed with, oldest first; never empty.
#[derive(Debug)]
pub struct AssertionKeys(Vec<AssertionKey>);

/// A new key is published this long before it signs, so that every service has seen it by then:
/// services may keep the key set for five minutes.
pub const PUBLISH_DELAY: Duration = Duration::from_mins(5);

/// A key stays published this long after its successor began to sign: an assertion lives one minute, and
/// clocks differ.
pub const RETIRE_DELAY: Duration = Duration::from_mins(10);

/// The file of the pepper.
pub const PEPPER_FILE: &str = "pepper";
/// What the name of a sealing key's file begins and ends with.
pub const SEAL_FILE: (&str, &str) = ("seal-", ".key");
/// What the name of an assertion key's file begins and ends with.
pub const ASSERTION_FILE: (&str, &str) = ("assertion-", ".pem");

impl AssertionKeys {
    /// Orders the keys; `None` when there is none.
    pub fn new(mut keys: Vec<AssertionKey>) -> Option<Self> {
        keys.sort_by_key(|key| key.created);
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The key that signs at `now`: the newest that has been published long enough, else the oldest.
    pub fn signing(&self, now: UnixNanos) -> Option<&AssertionKey> {
        let published = |key: &&AssertionKey| key.created.plus(PUBLISH_DELAY) <= now;
        self.0.iter().rev().find(published).or_else(|| self.0.first())
    }

    /// The keys to publish: all of them.
    pub fn published(&self) -> &[AssertionKey] {
        &self.0
    }

    /// The keys nobody needs any more at `now`: their successor has signed for long enough.
    pub fn retired(&self, now: UnixNanos) -> impl Iterator<Item = &AssertionKey> {
        self.0.windows(2).filter_map(move |pair| match pair {
            [key, next] if next.created.plus(PUBLISH_DELAY).plus(RETIRE_DELAY) <= now => Some(key),
            _ => None,
        })
    }
}

impl AssertionKey {
    /// The name of its file.
    pub fn file_name(&self) -> String {
        Self::file_name_at(self.created)
    }

    /// The name of the file of a key made at `created`.
    pub fn file_name_at(created: UnixNanos) -> String {
        format!("{}{}{}", ASSERTION_FILE.0, created.seconds(), ASSERTION_FILE.1)
    }
}

impl Secrets {
    /// Reads every secret in `directory`.
    ///
    /// # Errors
    /// Every file that is missing, malformed or readable by others. Never a secret's content.
    pub fn read(directory: &Path) -> Result<Self, ConfigErrors> {
        let mut problems = Vec::new();
        let pepper = key(&directory.join(PEPPER_FILE), &mut problems);
        let mut seal_keys = Vec::new();
        let mut assertion_keys = Vec::new();
        for (name, path) in files(directory, &mut problems) {
            if let Some(id) = between(&name, SEAL_FILE) {
                let key = key(&path, &mut problems);
                seal_keys.extend(key.map(|key| SealKey { id: id.to_owned(), key }));
            } else if let Some(seconds) = between(&name, ASSERTION_FILE) {
                assertion_keys.extend(assertion_key(&path, seconds, &mut problems));
            }
        }
        // Newest first: ids made by the gateway are numbers of equal length that grow.
        seal_keys.sort_by(|a, b| b.id.cmp(&a.id));
        if seal_keys.is_empty() && problems.is_empty() {
            problems.push(Problem::new(directory, "", "holds no `seal-<id>.key`"));
        }
        let assertion_keys = AssertionKeys::new(assertion_keys);
        if assertion_keys.is_none() && problems.is_empty() {
            problems.push(Problem::new(directory, "", "holds no `assertion-<unix seconds>.pem`"));
        }
        ConfigErrors::check(problems)?;
        match (pepper, assertion_keys) {
            (Some(pepper), Some(assertion_keys)) => Ok(Self { pepper, seal_keys, assertion_keys }),
            _ => Err(Problem::new(directory, "", "cannot be used").into()),
        }
    }
}

fn files(directory: &Path, problems: &mut Vec<Problem>) -> Vec<(String, PathBuf)> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            let message = format!("cannot be read: {}", reason(&error));
            problems.push(Problem::new(directory, "", message));
            return Vec::new();
        }
    };
    let mut files: Vec<_> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .collect();
    files.sort();
    files
}

fn between<'n>(name: &'n str, (start, end): (&str, &str)) -> Option<&'n str> {
    name.strip_prefix(start)?.strip_suffix(end).filter(|id| !id.is_empty())
}

fn key(path: &Path, problems: &mut Vec<Problem>) -> Option<Secret<[u8; 32]>> {
    let text = guarded(path, problems)?;
    let mut bytes = Zeroizing::new([0_u8; 32]);
    if URL_SAFE_NO_PAD.decode_slice(text.trim(), bytes.as_mut()) == Ok(32) {
        return Some(Secret::new(*bytes));
    }
    problems.push(Problem::new(path, "", "is no key: it holds 43 characters of base64url"));
    None
}

fn assertion_key(path: &Path, seconds: &str, problems: &mut Vec<Problem>) -> Option<AssertionKey> {
    let Ok(seconds) = seconds.parse() else {
        problems.push(Problem::new(path, "", "is not named `assertion-<unix seconds>.pem`"));
        return None;
    };
    let text = guarded(path, problems)?;
    if rcgen::KeyPair::from_pem(&text).is_err() {
        problems.push(Problem::new(path, "", "holds no private key in PKCS #8 PEM"));
        return None;
    }
    let pem = Secret::new(text.to_string());
    Some(AssertionKey { created: UnixNanos::from_seconds(seconds), pem })
}

/// Reads a secret file, unless others may read it too: then it is no secret any more.
fn guarded(path: &Path, problems: &mut Vec<Problem>) -> Option<Zeroizing<String>> {
    /// A key is a few hundred bytes.
    const SECRET_BYTES_MAX: u64 = 16 * 1024;
    match read_text(path, SECRET_BYTES_MAX) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            if open_to_others(path) {
                let help = format!("make it private: chmod 600 {}", path.display());
                problems.push(Problem::new(path, "", "others may read it").with_help(help));
                return None;
            }
            Some(text)
        }
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

fn open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).map_or(true, |meta| meta.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(seconds: &[u64]) -> AssertionKeys {
        let key = |seconds: &u64| AssertionKey {
            created: UnixNanos::from_seconds(*seconds),
            pem: Secret::new(String::new()),
        };
        AssertionKeys::new(seconds.iter().map(key).collect()).unwrap()
    }

    fn signing(keys: &AssertionKeys, now: u64) -> u64 {
        keys.signing(UnixNanos::from_seconds(now)).unwrap().created.seconds()
    }

    #[test]
    fn a_new_key_signs_only_after_it_was_published_for_five_minutes() {
        let keys = keys(&[10_000, 1_000]);
        assert_eq!(signing(&keys, 10_299), 1_000);
        assert_eq!(signing(&keys, 10_300), 10_000);
    }

    #[test]
    fn the_first_key_of_all_signs_at_once() {
        assert_eq!(signing(&keys(&[1_000]), 1_000), 1_000);
        assert_eq!(signing(&keys(&[1_000, 1_100]), 1_100), 1_000);
    }

    #[test]
    fn a_key_retires_when_its_successor_has_signed_long_enough() {
        let keys = keys(&[1_000, 10_000]);
        let retired = |now| keys.retired(UnixNanos::from_seconds(now)).count();
        assert_eq!((retired(10_300), retired(10_899), retired(10_900)), (0, 0, 1));
    }
}
