//! Reads policy files and the cases kept beside them, in an order that does not depend on the disk.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::tenants::{FileProblem, read_text, relative};
use crate::authz::{CaseFile, Probe};
use crate::model::{PolicySource, TenantId};

/// The folder below `policies/` that holds cases, not policies.
pub const CASES_FOLDER: &str = "tests";

/// The file below `policies/` with the organisation the matrix is computed on.
pub const PROBE_FILE: &str = "matrix/probe.toml";

/// The file below `policies/` with the matrix as it was reviewed.
pub const REVIEWED_FILE: &str = "matrix/matrix.md";

/// Deepest folder below `policies/`; also ends a walk around a link that leads back up.
const FOLDERS_MAX: usize = 8;

/// Reads `folder/**/*.cedar`, sorted by path. Names are relative to `base`.
///
/// # Errors
/// Every [`FileProblem`]: folders and files that cannot be read, files too large or not UTF-8.
pub fn read_policies(folder: &Path, base: &Path) -> Result<Vec<PolicySource>, Vec<FileProblem>> {
    let mut problems = Vec::new();
    let mut policies = Vec::new();
    for path in files(folder, "cedar", &mut problems) {
        match read_text(&path, base) {
            Ok(text) => {
                policies.push(PolicySource { name: relative(&path, base), text: text.to_string() });
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(policies) } else { Err(problems) }
}

/// Reads `folder/<organisation>/policies/**/*.cedar`, and nothing else of the organisations.
///
/// # Errors
/// Every [`FileProblem`].
pub fn read_own_policies(
    folder: &Path,
    base: &Path,
) -> Result<BTreeMap<TenantId, Vec<PolicySource>>, Vec<FileProblem>> {
    let unreadable = |error| FileProblem::of_file(folder, format!("cannot be read: {error}"));
    let entries = std::fs::read_dir(folder).map_err(|error| vec![unreadable(error)])?;
    let (mut problems, mut own) = (Vec::new(), BTreeMap::new());
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        // A folder that names no organisation is told about when organisations are read.
        let Some(id) = name.and_then(|name| TenantId::parse(&name).ok()) else { continue };
        let policies = path.join("policies");
        if !policies.is_dir() {
            continue;
        }
        match read_policies(&policies, base) {
            Ok(policies) => drop(own.insert(id, policies)),
            Err(mut found) => problems.append(&mut found),
        }
    }
    if problems.is_empty() { Ok(own) } else { Err(problems) }
}

/// Reads the cases in `folder/**/*.json` and `*.toml`, sorted by path, each with what the files it uses
/// hold. A folder that is not there holds none.
///
/// # Errors
/// Every [`FileProblem`].
pub fn read_cases(folder: &Path, base: &Path) -> Result<Vec<CaseFile>, Vec<FileProblem>> {
    let mut problems = Vec::new();
    let mut cases = Vec::new();
    if !folder.exists() {
        return Ok(cases);
    }
    let mut paths = files(folder, "json", &mut problems);
    paths.append(&mut files(folder, "toml", &mut problems));
    paths.sort_unstable();
    for path in &paths {
        match read_data::<CaseFile>(path, base) {
            Ok(mut file) => {
                file.name = relative(path, base);
                cases.push(file);
            }
            Err(problem) => problems.push(problem),
        }
    }
    // A file that uses a broken one would only say so again.
    if problems.is_empty() {
        share(&mut cases, &mut problems);
    }
    if problems.is_empty() { Ok(cases) } else { Err(problems) }
}

/// Gives each file what the files it uses hold. One step only: what a file says is found in it or in a
/// file it names.
fn share(cases: &mut [CaseFile], problems: &mut Vec<FileProblem>) {
    let originals: HashMap<PathBuf, CaseFile> =
        cases.iter().map(|file| (PathBuf::from(&file.name), file.clone())).collect();
    for file in cases {
        let folder = Path::new(&file.name).parent().unwrap_or(Path::new("")).to_path_buf();
        for name in file.shared.clone() {
            let wrong = |message: String| FileProblem::of_file(&file.name, message);
            match originals.get(&folder.join(&name)) {
                Some(used) if used.shared.is_empty() => file.take_over(used),
                Some(_) => problems.push(wrong(format!("uses `{name}`, which uses others itself"))),
                None => problems.push(wrong(format!("uses `{name}`, which is not beside it"))),
            }
        }
    }
}

/// Reads the organisation the matrix is computed on; `None` where the file is not there.
///
/// # Errors
/// What is wrong with the file.
pub fn read_probe(file: &Path, base: &Path) -> Result<Option<Probe>, FileProblem> {
    if !file.exists() {
        return Ok(None);
    }
    read_data(file, base).map(Some)
}

/// A file of data, in JSON or TOML as its name says.
fn read_data<T: DeserializeOwned>(path: &Path, base: &Path) -> Result<T, FileProblem> {
    let text = read_text(path, base)?;
    let name = relative(path, base);
    if path.extension().is_some_and(|extension| extension == "toml") {
        return toml::from_str(&text).map_err(|error| {
            let problem = FileProblem::of_file(&name, error.message());
            match error.span() {
                Some(span) => problem.at(&text, span),
                None => problem,
            }
        });
    }
    serde_json::from_str(&text).map_err(|error| FileProblem::in_json(&name, &text, 0, &error))
}

/// The files with `extension` below `folder`, sorted; folders whose name starts with a dot are left out.
fn files(folder: &Path, extension: &str, problems: &mut Vec<FileProblem>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_path_buf(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                problems.push(FileProblem::of_file(&folder, format!("cannot be read: {error}")));
                continue;
            }
        };
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            let hidden =
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if hidden {
                continue;
            }
            if path.is_dir() && depth < FOLDERS_MAX {
                open.push((path, depth + 1));
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort_unstable();
    found
}
