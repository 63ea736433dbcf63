//! The last good files of organisations, kept beside the state: what is in force can be read again while the files
//! on disk are being changed, or were changed for the worse (promise P10).
//!
//! A kept organisation is one file, and its digest is the organisation's. It is never decided on unless that holds.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::directory::{Directory, Organisation};

use super::tenants::Texts;

/// A folder of last good files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFiles(PathBuf);

impl KeptFiles {
    /// Those that are kept beside the state `file`.
    pub fn beside(file: &Path) -> Self {
        Self(file.with_extension("kept"))
    }

    pub(super) fn has(&self, organisation: &Organisation) -> bool {
        self.0.join(name(organisation)).exists()
    }

    /// Whether it is there and is what it was.
    pub(super) fn has_whole(&self, organisation: &Organisation) -> bool {
        let digest = digest_of(&self.0.join(name(organisation)));
        digest.is_ok_and(|digest| digest == organisation.digest())
    }

    /// The texts the organisation in `folder` was read from. The error goes on after `as they were`.
    pub(super) fn read(&self, folder: &Path, organisation: &Organisation) -> Result<Texts, String> {
        let bytes = fs::read(self.0.join(name(organisation)))
            .map_err(|error| format!("they cannot be read: {error}"))?;
        let damaged = || "they are damaged".to_owned();
        if Sha256::digest(&bytes)[..] != organisation.digest()[..] {
            return Err(damaged());
        }
        Texts::written(folder, organisation.id().clone(), &bytes).ok_or_else(damaged)
    }

    /// Keeps `texts`, which are those of `organisation`: whole or not at all, also when the machine fails.
    pub(super) fn write(&self, organisation: &Organisation, texts: &Texts) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let name = name(organisation);
        // Another process on the same state may write the same one.
        let draft = self.0.join(format!(".{}-{name}", std::process::id()));
        let file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        let mut out = BufWriter::new(file);
        texts.write(&mut out)?;
        out.into_inner()?.sync_all()?;
        fs::rename(draft, self.0.join(name))
    }

    /// Brings to the disk which files there are: once for all that were written.
    pub(super) fn settle(&self) {
        if let Err(error) = File::open(&self.0).and_then(|folder| folder.sync_all()) {
            tracing::warn!(folder = %self.0.display(), %error, "kept files may not outlast a crash");
        }
    }

    /// Lets go of everything that is not of `directory`. What cannot be removed is tried again next time.
    pub(super) fn retain(&self, directory: &Directory) {
        let wanted: BTreeSet<String> = directory.organisations().map(|it| name(it)).collect();
        let Ok(entries) = fs::read_dir(&self.0) else { return };
        for entry in entries.filter_map(Result::ok) {
            if !wanted.contains(&*entry.file_name().to_string_lossy())
                && let Err(error) = fs::remove_file(entry.path())
            {
                tracing::warn!(file = %entry.path().display(), %error, "a kept file stays");
            }
        }
    }
}

/// SHA-256 of a file, which may be large.
fn digest_of(file: &Path) -> io::Result<[u8; 32]> {
    let mut file = BufReader::with_capacity(64 * 1024, File::open(file)?);
    let mut hash = Sha256::new();
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(hash.finalize().into());
        }
        hash.update(bytes);
        let taken = bytes.len();
        file.consume(taken);
    }
}

fn name(organisation: &Organisation) -> String {
    let digest = organisation.digest();
    let digest = digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        for half in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(half), 16));
        }
        text
    });
    format!("{}-{digest}", organisation.id())
}

#[cfg(test)]
mod tests;
