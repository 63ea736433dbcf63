//! Reads the folder of an organisation into plain data; finds every fault before it gives up.
//!
//! Shapes are judged here (files, keys, names); whether the data makes sense together is for
//! `directory` and `authz` to say.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::directory::OrganisationData;
use crate::model::{EntityRecord, EntityUid, TenantId};

mod file;

/// Looks an environment variable up; a parameter, so that nothing here reads the environment.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

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
}

impl FileProblem {
    pub(super) fn of_file(file: impl AsRef<Path>, message: impl Into<String>) -> Self {
        let file = file.as_ref().to_path_buf();
        Self { file, key: String::new(), message: message.into(), place: None }
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

/// Reads every organisation below `folder`, sorted by name; files beside the folders are left alone.
///
/// # Errors
/// Every [`FileProblem`] of every organisation.
pub fn read_tenants(
    folder: &Path,
    base: &Path,
    variables: Variables<'_>,
) -> Result<Vec<OrganisationData>, Vec<FileProblem>> {
    let entries = std::fs::read_dir(folder).map_err(|error| {
        vec![FileProblem::of_file(relative(folder, base), format!("cannot be read: {error}"))]
    })?;
    let mut folders: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .filter(|path| !path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')))
        .collect();
    folders.sort_unstable();
    let mut problems = Vec::new();
    let mut organisations = Vec::new();
    for folder in folders {
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
) -> Result<OrganisationData, Vec<FileProblem>> {
    let mut problems = Vec::new();
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let id = match TenantId::parse(&name.unwrap_or_default()) {
        Ok(id) => id,
        Err(error) => {
            return Err(vec![FileProblem::of_file(relative(folder, base), error.to_string())]);
        }
    };
    let head = file::organisation(&folder.join("organisation.toml"), base, &id, &mut problems);
    let connections =
        file::connections(&folder.join("connections.toml"), base, &id, variables, &mut problems);
    let members = file::members(&folder.join("members.toml"), base, &mut problems);
    let resources = resources(&folder.join("resources.ndjson"), base, &mut problems);
    let own = folder.join("policies");
    let policies = if own.is_dir() {
        super::policies::read_policies(&own, base).unwrap_or_else(|mut found| {
            problems.append(&mut found);
            Vec::new()
        })
    } else {
        Vec::new()
    };
    match head {
        Some(head) if problems.is_empty() => Ok(OrganisationData {
            id,
            name: head.name,
            suspended: head.suspended,
            root: head.root,
            hosts: head.hosts,
            members,
            resources,
            connections,
            policies,
        }),
        _ => Err(problems),
    }
}

/// `organisation.toml`, read.
struct Head {
    name: String,
    suspended: bool,
    root: EntityUid,
    hosts: Vec<String>,
}

/// One JSON object per line; empty lines and lines that begin with `//` are left out.
fn resources(path: &Path, base: &Path, problems: &mut Vec<FileProblem>) -> Vec<EntityRecord> {
    let Some(text) = optional_text(path, base, problems) else {
        return Vec::new();
    };
    let name = relative(path, base);
    let mut offset = 0;
    let mut records = Vec::new();
    for line in text.split_inclusive('\n') {
        let json = line.trim();
        if !json.is_empty() && !json.starts_with("//") {
            match serde_json::from_str(json) {
                Ok(record) => records.push(record),
                Err(error) => problems.push(FileProblem::in_json(&name, &text, offset, &error)),
            }
        }
        offset += line.len();
    }
    records
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

fn optional_text(path: &Path, base: &Path, problems: &mut Vec<FileProblem>) -> Option<Arc<str>> {
    if !path.exists() {
        return None;
    }
    read_text(path, base).map_err(|problem| problems.push(problem)).ok()
}

/// The path as messages show it: below `base` where it is, whole otherwise.
pub(super) fn relative(path: &Path, base: &Path) -> String {
    path.strip_prefix(base).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests;
