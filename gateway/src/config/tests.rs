//! The settings file as people write it: well, and in every wrong way.

mod bad;
mod good;
mod operations;

use std::path::PathBuf;

use super::{ConfigErrors, Settings};

/// A folder with everything a settings file may name, and `gateway.toml` in it, which is not written.
pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["schemas", "policies", "tenants"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        for name in ["schemas/hub.cedarschema", "cert.pem", "key.pem", "ca.pem"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        Self(folder)
    }

    pub(super) fn file(&self) -> PathBuf {
        self.0.path().join("gateway.toml")
    }

    pub(super) fn parse(&self, text: &str) -> Result<Settings, ConfigErrors> {
        Settings::parse(&self.file(), text)
    }

    /// The errors of `text`, one line each, without the folder's name.
    pub(super) fn errors(&self, text: &str) -> String {
        let folder = format!("{}/", self.0.path().display());
        match self.parse(text) {
            Ok(_) => "no error".to_owned(),
            Err(errors) => errors.to_string().replace(&folder, ""),
        }
    }
}
