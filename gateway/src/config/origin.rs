//! Where a route was declared, so that what is found wrong later is told at that place.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::document::{Document, KeyPath};
use super::problem::Problem;

/// Where a route was declared.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// This `[[route]]` of the settings file, counted from 0.
    Route(usize),
    /// This entry of an overlay.
    Operation(Arc<Entry>),
}

/// A table of a file that is closed by now: its name, and where its keys stand.
#[derive(Debug)]
pub(super) struct Entry {
    file: PathBuf,
    text: Arc<str>,
    name: String,
    whole: Range<usize>,
    keys: BTreeMap<String, Range<usize>>,
}

impl Entry {
    /// Keeps the places of the table at `path`.
    pub(super) fn new(document: &Document<'_>, path: &KeyPath) -> Self {
        let value = document.value(path);
        let table = value.and_then(|value| value.get_ref().as_table());
        let keys = table.into_iter().flatten();
        Self {
            file: document.path().to_path_buf(),
            text: Arc::clone(document.text()),
            name: path.to_string(),
            whole: value.map(toml::Spanned::span).unwrap_or_default(),
            keys: keys.map(|(key, value)| (key.get_ref().to_string(), value.span())).collect(),
        }
    }

    /// A problem with `key` of the table, or with the whole when the key is not in it.
    pub(super) fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        // Of `also[0]` and `body_ids.x` the place of the whole list or table is known.
        let table = key.split(['[', '.']).next().unwrap_or(key);
        let span = self.keys.get(table).unwrap_or(&self.whole).clone();
        let name = if key.is_empty() { self.name.clone() } else { format!("{}.{key}", self.name) };
        Problem::new(&self.file, name, message).at(&self.text, span)
    }

    /// `file:line`, for messages about another route.
    pub(super) fn line(&self) -> String {
        let line = self.problem("", "").line().unwrap_or_default();
        format!("{}:{line}", self.file.display())
    }
}
