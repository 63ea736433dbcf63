//! Where the API is and who asks: from options and the environment.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use clap::ArgMatches;
use url::Url;

use super::AdminError;
use crate::model::Secret;

/// What every command has.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) url: Url,
    pub(super) key: Option<Secret<String>>,
    pub(super) organisation: Option<String>,
    /// PEM.
    pub(super) ca: Option<Vec<u8>>,
    pub(super) timeout: Duration,
}

/// As the documentation has the listener set.
const URL: &str = "http://127.0.0.1:9465";

/// Longer than any answer but the last of a large upload takes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Largest key file: a key has a tenth of it.
const KEY_BYTES_MAX: u64 = 4 * 1024;

impl Connection {
    /// Reads `matches`, and `variable` for what they leave out. Warnings go to `err`.
    pub(super) fn of(
        matches: &ArgMatches,
        variable: impl Fn(&str) -> Option<String>,
        err: &mut dyn Write,
    ) -> Result<Self, AdminError> {
        if matches.contains_id("key") {
            let told = "a key is not taken as an argument: other people see it in the list of processes; \
                        put it in HUBGATE_API_KEY or a file for `--key-file`, and revoke this one";
            return Err(AdminError::Usage(told.to_owned()));
        }
        let option = |name: &str| matches.get_one::<String>(name).cloned();
        let or = |name: &str, otherwise: &str| {
            option(name).or_else(|| variable(otherwise).filter(|text| !text.is_empty()))
        };
        let url = or("url", "HUBGATE_ADMIN_URL").unwrap_or_else(|| URL.to_owned());
        let key = match option("key-file") {
            Some(file) => Some(key_in(&file, err)?),
            None => variable("HUBGATE_API_KEY").filter(|text| !text.is_empty()),
        };
        let ca = option("ca")
            .map(|path| std::fs::read(&path).map_err(|source| AdminError::File { path, source }));
        Ok(Self {
            url: base(&url)?,
            key: key.map(Secret::new),
            organisation: or("organisation", "HUBGATE_ORGANISATION"),
            ca: ca.transpose()?,
            timeout: matches.get_one("timeout").map_or(TIMEOUT, |&it| Duration::from_secs(it)),
        })
    }
}

fn base(text: &str) -> Result<Url, AdminError> {
    let usage = |told: &str| AdminError::Usage(format!("`{text}` is no URL of an API: {told}"));
    let url = Url::parse(text).map_err(|error| usage(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(usage("it begins with `https://` or `http://`"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(usage("leave out what is before the `@`"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(usage("it has no `?` and no `#`"));
    }
    Ok(url)
}

fn key_in(path: &str, err: &mut dyn Write) -> Result<String, AdminError> {
    let unreadable = |source| AdminError::File { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > KEY_BYTES_MAX {
        return Err(AdminError::Usage(format!("`{path}` is too large to hold a key")));
    }
    let key = std::fs::read_to_string(path).map_err(unreadable)?;
    let key = key.trim().to_owned();
    if key.is_empty() || key.contains(|letter: char| !letter.is_ascii_graphic()) {
        return Err(AdminError::Usage(format!("`{path}` does not hold a key and nothing else")));
    }
    if others_read(Path::new(path)) {
        // Nothing is left to tell when standard error itself is gone.
        drop(writeln!(err, "hubgate: warning: other people can read `{path}`: chmod 600 it"));
    }
    Ok(key)
}

#[cfg(unix)]
fn others_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
const fn others_read(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::super::command;
    use super::*;

    fn read(
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> (Result<Connection, String>, String) {
        let command = command::grown(Command::new("admin"), None);
        let all = ["admin"].iter().chain(arguments).chain(&["operations"]);
        let matches = command.try_get_matches_from(all).unwrap();
        let mut err = Vec::new();
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        };
        let read = Connection::of(&matches, variable, &mut err).map_err(|error| error.to_string());
        (read, String::from_utf8(err).unwrap())
    }

    #[test]
    fn options_come_before_the_environment() {
        let environment = [
            ("HUBGATE_ADMIN_URL", "https://a"),
            ("HUBGATE_ORGANISATION", "nordvolt"),
            ("HUBGATE_API_KEY", "hg_a_b"),
        ];
        let read_it =
            read(&["--organisation", "solarpark", "--timeout", "5"], &environment).0.unwrap();
        assert_eq!(
            (read_it.url.as_str(), read_it.organisation.as_deref()),
            ("https://a/", Some("solarpark"))
        );
        assert_eq!(read_it.timeout, Duration::from_secs(5));
        assert_eq!(read_it.key.unwrap().expose(), "hg_a_b");
        let bare = read(&[], &[("HUBGATE_API_KEY", "")]).0.unwrap();
        assert_eq!((bare.url.as_str(), bare.key.is_some()), ("http://127.0.0.1:9465/", false));
    }

    #[test]
    fn a_key_as_an_argument_is_refused_and_not_repeated() {
        for option in ["--key", "--api-key"] {
            let error = read(&[option, "hg_abc_def"], &[]).0.unwrap_err();
            assert!(error.contains("list of processes") && !error.contains("hg_abc"), "{error}");
        }
    }

    #[test]
    fn urls_that_are_none_are_refused() {
        for url in ["nowhere", "ftp://a", "https://me:pw@a", "https://a/?x=1", "http:"] {
            assert!(read(&["--url", url], &[]).0.is_err(), "{url}");
        }
        let with_path = read(&["--url", "https://a/hubgate/"], &[]).0.unwrap();
        assert_eq!(with_path.url.path(), "/hubgate/");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_others_read_is_told() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "hg_abc_def\n").unwrap();
        for (mode, warned) in [(0o600, false), (0o644, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let (read, err) = read(&["--key-file", path.to_str().unwrap()], &[]);
            assert_eq!(read.unwrap().key.unwrap().expose(), "hg_abc_def");
            assert_eq!(err.contains("warning"), warned, "{err}");
        }
        std::fs::write(&path, "hg_abc_def\nhg_more_keys\n").unwrap();
        assert!(read(&["--key-file", path.to_str().unwrap()], &[]).0.is_err());
    }
}
