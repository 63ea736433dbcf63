//! Where a section's conversion notes what is wrong, with the key it is wrong about.

use std::fmt::Display;
use std::path::PathBuf;

use super::document::{Document, KeyPath};
use super::problem::Problem;

/// One table of the document, and the list problems go to.
#[derive(Debug)]
pub(super) struct Section<'a> {
    document: &'a Document<'a>,
    path: KeyPath,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Section<'a> {
    /// The table at `path`.
    pub(super) const fn new(
        document: &'a Document<'a>,
        path: KeyPath,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        Self { document, path, problems }
    }

    /// Item `index` of the list of tables `key`.
    pub(super) fn item(&mut self, key: &str, index: usize) -> Section<'_> {
        let path = self.path.key(key).index(index);
        Section { document: self.document, path, problems: self.problems }
    }

    /// Notes a problem with `key` of this table, or with the table when `key` is empty.
    pub(super) fn wrong(&mut self, key: &str, message: impl Into<String>) {
        let path = if key.is_empty() { self.path.clone() } else { self.path.key(key) };
        let problem = self.document.problem(&path, message);
        self.problems.push(problem);
    }

    /// Notes a problem with `key` of this table, and what to write instead.
    pub(super) fn wrong_with_help(
        &mut self,
        key: &str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let mut problem = self.document.problem(&self.path.key(key), message);
        if let Some(help) = help {
            problem = problem.with_help(help);
        }
        self.problems.push(problem);
    }

    /// Notes a problem with this table, and what to write instead.
    pub(super) fn wrong_here(&mut self, message: impl Into<String>, help: Option<String>) {
        let problem = self.document.problem(&self.path, message);
        self.problems.push(match help {
            Some(help) => problem.with_help(help),
            None => problem,
        });
    }

    /// Notes a problem with item `index` of the list `key`.
    pub(super) fn wrong_item(&mut self, key: &str, index: usize, message: impl Into<String>) {
        let problem = self.document.problem(&self.path.key(key).index(index), message);
        self.problems.push(problem);
    }

    /// Keeps a value, or notes why there is none.
    pub(super) fn keep<T, E: Display>(&mut self, key: &str, read: Result<T, E>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(key, error.to_string());
                None
            }
        }
    }

    /// Reads every item of a list, noting each that is wrong.
    pub(super) fn keep_all<T, E: Display>(
        &mut self,
        key: &str,
        items: &[String],
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let mut kept = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match read(item) {
                Ok(value) => kept.push(value),
                Err(error) => self.wrong_item(key, index, error.to_string()),
            }
        }
        kept
    }

    /// A path in the file, which starts from the folder the file is in.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.document.directory().join(path)
    }

    /// A path that must lead to a file.
    pub(super) fn existing_file(&mut self, key: &str, path: &str) -> Option<PathBuf> {
        let resolved = self.resolve(path);
        if resolved.is_file() {
            return Some(resolved);
        }
        self.wrong(key, format!("no such file: `{}`", resolved.display()));
        None
    }

    /// A path that must lead to a folder.
    pub(super) fn existing_directory(&mut self, key: &str, path: &str) -> Option<PathBuf> {
        let resolved = self.resolve(path);
        if resolved.is_dir() {
            return Some(resolved);
        }
        self.wrong(key, format!("no such folder: `{}`", resolved.display()));
        None
    }

    /// The line of this table, for messages about another one.
    pub(super) fn line(&self) -> usize {
        self.document.problem(&self.path, "").line().unwrap_or_default()
    }
}
