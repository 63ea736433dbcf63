//! What is wrong with the files: one problem each, with file, line, key and a picture of the place.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};

/// One thing wrong in one file, told so that its reader can mend it without asking.
#[derive(Clone, Debug)]
pub struct Problem {
    file: PathBuf,
    key: String,
    message: String,
    help: Option<String>,
    place: Option<Box<Place>>,
}

/// Where in a text the problem is.
#[derive(Clone, Debug)]
struct Place {
    text: Arc<str>,
    span: Range<usize>,
    line: usize,
}

impl Problem {
    /// A problem with a file as a whole: missing, unreadable, too large.
    pub fn new(file: &Path, key: impl Into<String>, message: impl Into<String>) -> Self {
        let (key, message) = (key.into(), message.into());
        Self { file: file.to_path_buf(), key, message, help: None, place: None }
    }

    /// Says where in `text` (the file's content) the problem is: bytes `span`.
    #[must_use]
    pub fn at(mut self, text: &Arc<str>, span: Range<usize>) -> Self {
        let end = span.end.min(text.len());
        let start = span.start.min(end);
        let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
        self.place = Some(Box::new(Place { text: Arc::clone(text), span: start..end, line }));
        self
    }

    /// Adds advice: what to write instead.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Takes over what another reader of `text` found: its message with causes, its first label, its help.
    pub fn from_diagnostic(file: &Path, text: &Arc<str>, found: &dyn Diagnostic) -> Self {
        let mut message = found.to_string();
        let mut cause = found.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.ends_with(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        let mut problem = Self::new(file, "", message);
        if let Some(label) = found.labels().and_then(|mut labels| labels.next()) {
            problem = problem.at(text, label.offset()..label.offset() + label.len());
        }
        problem.help = found.help().map(|help| help.to_string());
        problem
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The line, counted from 1, where one is known.
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.line)
    }

    /// The key, as `route[2].path`; empty when the problem is the file itself.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

/// `file:line: key: message`, the form tools and people read on one line.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line() {
            write!(f, "{line}:")?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", one_line(&self.message))?;
        match &self.help {
            Some(help) => write!(f, " ({})", one_line(help)),
            None => Ok(()),
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A problem as miette draws it: the message, the lines around the place, the advice.
#[derive(Debug)]
struct Drawn {
    problem: Problem,
    source: Option<NamedSource<Arc<str>>>,
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { file, key, message, .. } = &self.problem;
        match (self.source.is_some(), key.is_empty()) {
            (true, true) => f.write_str(message),
            (true, false) => write!(f, "{key}: {message}"),
            (false, true) => write!(f, "{}: {message}", file.display()),
            (false, false) => write!(f, "{}: {key}: {message}", file.display()),
        }
    }
}

impl std::error::Error for Drawn {}

impl Diagnostic for Drawn {
    fn severity(&self) -> Option<Severity> {
        Some(Severity::Error)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.problem.place.as_ref()?;
        let label = LabeledSpan::new_with_span(Some("here".to_owned()), place.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

/// Everything wrong in the files, in the order of files and lines. Never empty.
#[derive(Clone, Debug)]
pub struct ConfigErrors(Vec<Problem>);

impl ConfigErrors {
    /// Gathers problems; `Ok` when there are none.
    ///
    /// # Errors
    /// The problems, sorted.
    pub fn check(mut problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort_by(|a, b| (&a.file, a.line(), &a.key).cmp(&(&b.file, b.line(), &b.key)));
        Err(Self(problems))
    }

    /// The problems.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }

    /// The problems as drawn reports: message, source lines with the place marked, advice.
    pub fn reports(&self) -> impl Iterator<Item = miette::Report> + '_ {
        self.0.iter().map(|problem| {
            let source = problem.place.as_ref().map(|place| {
                NamedSource::new(problem.file.to_string_lossy(), Arc::clone(&place.text))
            });
            miette::Report::new(Drawn { problem: problem.clone(), source })
        })
    }
}

impl From<Problem> for ConfigErrors {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// One line per problem.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_file_line_key_message_and_advice() {
        let text: Arc<str> = Arc::from("a = 1\nb = 2\n");
        let problem = Problem::new(Path::new("g.toml"), "b", "is wrong").at(&text, 6..7);
        assert_eq!(problem.to_string(), "g.toml:2: b: is wrong");
        assert_eq!(problem.with_help("say 3").to_string(), "g.toml:2: b: is wrong (say 3)");
    }

    #[test]
    fn a_report_shows_the_line() {
        let text: Arc<str> = Arc::from("a = 1\nbee = 2\n");
        let problem = Problem::new(Path::new("g.toml"), "bee", "is wrong").at(&text, 6..9);
        let errors = ConfigErrors::from(problem);
        let drawn = format!("{:?}", errors.reports().next().unwrap());
        assert!(drawn.contains("bee = 2") && drawn.contains("g.toml:2:1"), "{drawn}");
    }

    #[test]
    fn a_place_beyond_the_text_is_the_end() {
        let text: Arc<str> = Arc::from("a\n");
        assert_eq!(Problem::new(Path::new("f"), "", "m").at(&text, 90..99).line(), Some(2));
    }
}
