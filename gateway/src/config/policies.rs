//! Reads policy files and the cases kept beside them, in an order that does not depend on the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tenants::{FileProblem, read_text, relative};
use crate::authz::CaseFile;
use crate::model::PolicySource;

/// The folder below `policies/` that holds cases, not policies.
pub const CASES_FOLDER: &str = "tests";

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

/// Reads the cases in `folder/*.json`, sorted by path. A folder that is not there holds none.
///
/// # Errors
/// Every [`FileProblem`].
pub fn read_cases(folder: &Path, base: &Path) -> Result<Vec<CaseFile>, Vec<FileProblem>> {
    let mut problems = Vec::new();
    let mut cases = Vec::new();
    if !folder.exists() {
        return Ok(cases);
    }
    for path in files(folder, "json", &mut problems) {
        match read_text(&path, base).and_then(|text| case_file(&path, base, &text)) {
            Ok(file) => cases.push(file),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(cases) } else { Err(problems) }
}

fn case_file(path: &Path, base: &Path, text: &Arc<str>) -> Result<CaseFile, FileProblem> {
    let name = relative(path, base);
    let mut file: CaseFile =
        serde_json::from_str(text).map_err(|error| FileProblem::in_json(&name, text, 0, &error))?;
    file.name = name;
    Ok(file)
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
