//! What is wrong with a schema, a policy or an entity, told with file and place.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use crate::model::EntityUid;

/// A schema or policy that is not accepted. Draws itself with the offending text marked.
#[derive(Clone, Debug)]
pub struct PolicyError {
    message: String,
    help: Option<String>,
    labels: Vec<LabeledSpan>,
    source: Arc<NamedSource<Arc<str>>>,
}

impl PolicyError {
    /// An error about the text of `source` as a whole.
    pub(super) fn new(source: &Source, message: impl Into<String>) -> Self {
        let named = NamedSource::new(source.name(), Arc::clone(source.text()));
        Self { message: message.into(), help: None, labels: Vec::new(), source: Arc::new(named) }
    }

    /// Marks the bytes the error is about.
    pub(super) fn at(mut self, span: Range<usize>, label: &str) -> Self {
        self.labels.push(LabeledSpan::new_with_span(Some(label.to_owned()), span));
        self
    }

    /// Takes over what Cedar found: message with causes, marked places, advice.
    pub(super) fn from_cedar(source: &Source, found: &(dyn Diagnostic + '_)) -> Self {
        let mut error = Self::new(source, one_line(found));
        error.help = found.help().map(|help| help.to_string());
        error.labels = found.labels().map(Iterator::collect).unwrap_or_default();
        error
    }

    /// The file the error is in.
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// The text of the file.
    pub fn text(&self) -> &Arc<str> {
        self.source.inner()
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The first marked place, as bytes of [`PolicyError::text`].
    pub fn span(&self) -> Option<Range<usize>> {
        self.labels.first().map(|label| label.offset()..label.offset() + label.len())
    }

    /// The line of the first marked place, counted from 1.
    pub fn line(&self) -> Option<usize> {
        let start = self.span()?.start;
        Some(1 + self.text().bytes().take(start).filter(|byte| *byte == b'\n').count())
    }
}

/// An error and its causes on one line; a cause its own message already ends with is not said again.
pub(super) fn one_line(found: &dyn std::error::Error) -> String {
    let mut message = found.to_string();
    let mut cause = found.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file())?;
        if let Some(line) = self.line() {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for PolicyError {}

impl Diagnostic for PolicyError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

/// A named text that errors point into.
#[derive(Clone, Debug)]
pub(super) struct Source {
    name: Arc<str>,
    text: Arc<str>,
}

impl Source {
    pub(super) fn new(name: &str, text: &str) -> Self {
        Self { name: Arc::from(name), text: Arc::from(text) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    pub(super) fn text(&self) -> &Arc<str> {
        &self.text
    }
}

/// Directory data that is no entity of the schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntityError {
    /// The type, an attribute or a parent is not what the schema says.
    #[error("`{uid}` does not fit the schema: {message}")]
    Schema {
        /// The entity.
        uid: EntityUid,
        /// What does not fit.
        message: String,
    },
    /// The name was used before.
    #[error("`{0}` is there twice")]
    Duplicate(EntityUid),
    /// A parent that does not exist.
    #[error("`{uid}` has the parent `{parent}`, which does not exist")]
    UnknownParent {
        /// The entity.
        uid: EntityUid,
        /// The missing parent.
        parent: EntityUid,
    },
    /// An attribute that names an entity that does not exist.
    #[error("`{uid}` refers to `{reference}`, which does not exist")]
    UnknownReference {
        /// The entity.
        uid: EntityUid,
        /// The missing entity.
        reference: EntityUid,
    },
    /// An entity above itself.
    #[error("`{0}` stands in a cycle, above itself")]
    Cycle(EntityUid),
    /// An entity with more than the allowed number of levels above it.
    #[error("`{0}` stands more than 16 levels below the top")]
    TooDeep(EntityUid),
    /// One entity more than an organisation may have.
    #[error("`{0}` is one too many: an organisation has at most 1,000,000 resources")]
    TooMany(EntityUid),
}

impl EntityError {
    /// The entity the error is about.
    pub fn uid(&self) -> &EntityUid {
        match self {
            Self::Schema { uid, .. }
            | Self::Duplicate(uid)
            | Self::UnknownParent { uid, .. }
            | Self::UnknownReference { uid, .. }
            | Self::Cycle(uid)
            | Self::TooDeep(uid)
            | Self::TooMany(uid) => uid,
        }
    }
}
