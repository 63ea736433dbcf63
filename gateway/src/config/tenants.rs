//! Reads the folder of an organisation into plain data; finds every fault before it gives up.
//!
//! Shapes are judged here (files, keys, names); whether the data makes sense together is for
//! `directory` and `authz` to say.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::directory::{Member, OrganisationData};
use crate::model::{EntityRecord, EntityUid};

use super::problem::Problem;

mod file;
mod texts;

pub(super) use texts::Texts;

/// An organisation as it was read, before it is checked.
#[derive(Clone, Debug)]
pub struct TenantData {
    /// Who it is and how its people sign in.
    pub organisation: OrganisationData,
    /// Its members.
    pub members: Vec<Member>,
    /// Its resources.
    pub resources: Vec<EntityRecord>,
}

/// Looks an environment variable up; a parameter, so that nothing here reads the environment. Organisations
/// are read on several threads.
pub type Variables<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// Largest file read: a million resources of a kilobyte each.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// One thing wrong in one file.
#[derive(Clone, Debug)]
pub struct FileProblem {
    /// The file.
    pub file: PathBuf,
    /// The key, as `member[2].roles`; empty when the file as a whole is meant.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// The text of the file and the bytes of it that are meant.
    pub place: Option<(Arc<str>, Range<usize>)>,
    /// What to write instead.
    pub help: Option<Box<str>>,
}

impl FileProblem {
    pub(super) fn of_file(file: impl AsRef<Path>, message: impl Into<String>) -> Self {
        let file = file.as_ref().to_path_buf();
        Self { file, key: String::new(), message: message.into(), place: None, help: None }
    }

    pub(super) fn at(mut self, text: &Arc<str>, span: Range<usize>) -> Self {
        self.place = Some((Arc::clone(text), span));
        self
    }

    /// A JSON fault; `offset` is where the JSON text begins in `text`.
    pub(super) fn in_json(
        file: &str,
        text: &Arc<str>,
        offset: usize,
        error: &serde_json::Error,
    ) -> Self {
        let lines_before: usize = text
            .get(offset..)
            .unwrap_or_default()
            .split_inclusive('\n')
            .take(error.line().saturating_sub(1))
            .map(str::len)
            .sum();
        let start = (offset + lines_before + error.column().saturating_sub(1)).min(text.len());
        let message = error.to_string();
        // The place is told by the span; serde's own wording of it would count from the wrong line.
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        Self::of_file(file, message).at(text, start..start)
    }

    /// The same problem for the report of all; its file lies below `base`.
    pub(super) fn problem(self, base: &Path) -> Problem {
        let mut problem = Problem::new(&base.join(self.file), self.key, self.message);
        if let Some((text, span)) = self.place {
            problem = problem.at(&text, span);
        }
        match self.help {
            Some(help) => problem.with_help(help),
            None => problem,
        }
    }

    /// The line, counted from 1, where one is known.
    pub fn line(&self) -> Option<usize> {
        let (text, span) = self.place.as_ref()?;
        Some(1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count())
    }
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line() {
            write!(f, "{line}:")?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.message)
    }
}

impl std::error::Error for FileProblem {}

/// The folders of organisations below `folder`, sorted by name; files beside them are left alone.
///
/// # Errors
/// [`FileProblem`] when the folder cannot be read.
pub(super) fn tenant_folders(folder: &Path, base: &Path) -> Result<Vec<PathBuf>, FileProblem> {
    let entries = std::fs::read_dir(folder).map_err(|error| {
        FileProblem::of_file(relative(folder, base), format!("cannot be read: {error}"))
    })?;
    let mut folders: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .filter(|path| !path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')))
        .collect();
    folders.sort_unstable();
    Ok(folders)
}

/// Reads every organisation below `folder` whole, sorted by name: for tools and tests. The gateway reads one
/// at a time.
///
/// # Errors
/// Every [`FileProblem`] of every organisation.
pub fn read_tenants(
    folder: &Path,
    base: &Path,
    variables: Variables<'_>,
) -> Result<Vec<TenantData>, Vec<FileProblem>> {
    let mut problems = Vec::new();
    let mut organisations = Vec::new();
    for folder in tenant_folders(folder, base).map_err(|problem| vec![problem])? {
        match read_tenant(&folder, base, variables) {
            Ok(organisation) => organisations.push(organisation),
            Err(mut found) => problems.append(&mut found),
        }
    }
    if problems.is_empty() { Ok(organisations) } else { Err(problems) }
}

/// Reads one organisation's folder: `organisation.toml`, `members.toml`, `connections.toml`,
/// `resources.ndjson` and `policies/`. The first must be there; the others may be left out.
///
/// # Errors
/// Every [`FileProblem`].
pub fn read_tenant(
    folder: &Path,
    base: &Path,
    variables: Variables<'_>,
) -> Result<TenantData, Vec<FileProblem>> {
    let texts = Texts::read(folder, base)?;
    let mut problems = Vec::new();
    let organisation = texts.organisation(base, variables, &mut problems);
    let members = texts.members(base, &mut problems);
    let mut resources = Vec::new();
    let (name, text) = texts.resources(base);
    for (offset, line) in resource_lines(&text) {
        match serde_json::from_str(line) {
            Ok(record) => resources.push(record),
            Err(error) => problems.push(FileProblem::in_json(&name, &text, offset, &error)),
        }
    }
    match organisation {
        Some(organisation) if problems.is_empty() => {
            Ok(TenantData { organisation, members, resources })
        }
        _ => Err(problems),
    }
}

/// The JSON objects of a file of resources, each with the place of its line: one per line; empty lines and
/// lines that begin with `//` are left out.
pub(super) fn resource_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut offset = 0;
    let lines = text.split_inclusive('\n').map(move |line| {
        let start = offset;
        offset += line.len();
        (start, line.trim())
    });
    lines.filter(|(_, json)| !json.is_empty() && !json.starts_with("//"))
}

/// `organisation.toml`, read.
struct Head {
    name: String,
    suspended: bool,
    root: EntityUid,
    hosts: Vec<String>,
}

pub(super) fn read_text(path: &Path, base: &Path) -> Result<Arc<str>, FileProblem> {
    let problem = |message: String| FileProblem::of_file(relative(path, base), message);
    let size = std::fs::metadata(path).map_err(|e| problem(format!("cannot be read: {e}")))?.len();
    if size > FILE_BYTES_MAX {
        return Err(problem(format!("is larger than {FILE_BYTES_MAX} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|e| problem(format!("cannot be read: {e}")))?;
    let text = String::from_utf8(bytes).map_err(|_| problem("is not UTF-8 text".to_owned()))?;
    Ok(Arc::from(text))
}

/// The path as messages show it: below `base` where it is, whole otherwise.
pub(super) fn relative(path: &Path, base: &Path) -> String {
    path.strip_prefix(base).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests;
