//! A TOML file that knows where each of its keys stands.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// One step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Into a table.
    Key(String),
    /// Into an array.
    Index(usize),
}

/// The way to a value: `route[2].resource.kind`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyPath(Vec<Step>);

impl KeyPath {
    /// One table deeper. `key` may be dotted.
    pub(super) fn key(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.extend(key.split('.').map(|part| Step::Key(part.to_owned())));
        Self(steps)
    }

    /// One table deeper, by a key that may hold dots.
    pub(super) fn name(&self, name: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(name.to_owned()));
        Self(steps)
    }

    /// One array deeper.
    pub(super) fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position > 0 => write!(f, ".{key}")?,
                Step::Key(key) => f.write_str(key)?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A parsed TOML file with its text.
#[derive(Debug)]
pub(super) struct Document<'t> {
    path: PathBuf,
    text: Arc<str>,
    root: Spanned<DeValue<'t>>,
}

impl<'t> Document<'t> {
    /// Parses `text`, which stands in the file `path`.
    ///
    /// # Errors
    /// Every syntax error.
    pub(super) fn parse(path: &Path, text: &'t str) -> Result<Self, Vec<Problem>> {
        let kept: Arc<str> = Arc::from(text);
        let (root, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let problem = |error: &toml::de::Error| {
                let problem = Problem::new(path, "", error.message());
                match error.span() {
                    Some(span) => problem.at(&kept, span),
                    None => problem,
                }
            };
            return Err(errors.iter().map(problem).collect());
        }
        let span = root.span();
        let root = Spanned::new(span, DeValue::Table(root.into_inner()));
        Ok(Self { path: path.to_path_buf(), text: kept, root })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its text.
    pub(super) const fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The folder its relative paths start from.
    pub(super) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The whole content.
    pub(super) const fn root(&self) -> &Spanned<DeValue<'t>> {
        &self.root
    }

    /// The value at `path`.
    pub(super) fn value(&self, path: &KeyPath) -> Option<&Spanned<DeValue<'t>>> {
        path.0.iter().try_fold(&self.root, |value, step| match (step, value.get_ref()) {
            (Step::Key(key), DeValue::Table(table)) => table.get(key.as_str()),
            (Step::Index(index), DeValue::Array(array)) => array.get(*index),
            _ => None,
        })
    }

    /// A problem with the value at `path`, or with the nearest thing that holds it.
    pub(super) fn problem(&self, path: &KeyPath, message: impl Into<String>) -> Problem {
        let mut near = path.clone();
        let span = loop {
            if let Some(value) = self.value(&near) {
                break value.span();
            }
            near.0.pop();
        };
        self.problem_at(path, self.heading(&near, span), message)
    }

    /// A problem with the bytes `span`.
    pub(super) fn problem_at(
        &self,
        path: &KeyPath,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Problem {
        Problem::new(&self.path, path.to_string(), message).at(&self.text, span)
    }

    /// A whole table is shown by its first line: `[[route]]`, not the forty lines below it.
    fn heading(&self, path: &KeyPath, span: Range<usize>) -> Range<usize> {
        if path.0.is_empty() {
            return 0..0;
        }
        let length = self
            .text
            .get(span.clone())
            .and_then(|part| part.find('\n'))
            .unwrap_or(span.end.saturating_sub(span.start));
        span.start..span.start + length
    }

    /// Reads the value at `path` as a `T`. `None` when it is absent.
    pub(super) fn decode<T: DeserializeOwned>(&self, path: &KeyPath) -> Option<Result<T, Problem>> {
        let value = self.value(path)?;
        let read = T::deserialize(toml::de::ValueDeserializer::from(value.clone()));
        Some(read.map_err(|error| match error.span() {
            Some(span) => self.problem_at(path, span, error.message()),
            None => self.problem(path, error.message()),
        }))
    }
}

/// Reads a file of at most `bytes_max` bytes as UTF-8.
///
/// # Errors
/// One problem that names the file: missing, not a file, too large, not text.
pub(super) fn read_text(path: &Path, bytes_max: u64) -> Result<String, Problem> {
    let unreadable = |error: std::io::Error| {
        Problem::new(path, "", format!("cannot be read: {}", reason(&error)))
    };
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if !meta.is_file() {
        return Err(Problem::new(path, "", "is not a file"));
    }
    if meta.len() > bytes_max {
        let message = format!("is too large: {} bytes, at most {bytes_max}", meta.len());
        return Err(Problem::new(path, "", message));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| Problem::new(path, "", "is not UTF-8 text"))
}

/// What the system says, without its error number.
pub(super) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        kind => kind.to_string(),
    }
}
