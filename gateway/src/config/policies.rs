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

#[cfg(test)]
mod tests {
    use super::*;

    const COMMON: &str = r#"
[[entities]]
uid = "Team::t"
attributes = { frozen = false }

[[principals]]
uid = "User::u"
"#;

    const CASES: &str = r#"
use = ["common.toml"]

[[entities]]
uid = "Team::t"
attributes = { frozen = true }

[[cases]]
name = "n"
about = []
principal = "User::u"
action = "teams:view"
resource = "Team::t"
now = "2026-03-01T12:00:00Z"
given = { "Team::t" = { frozen = false } }
expect = "deny"
"#;

    fn read(files: &[(&str, &str)]) -> Result<Vec<CaseFile>, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let told = |found: Vec<FileProblem>| found.iter().map(ToString::to_string).collect();
        read_cases(folder.path(), folder.path()).map_err(told)
    }

    #[test]
    fn a_file_takes_over_what_it_uses_and_its_own_word_counts() {
        let files = read(&[("common.toml", COMMON), ("team.toml", CASES)]).unwrap();
        let [common, team] = files.as_slice() else { panic!("{files:?}") };
        assert!(common.cases.is_empty());
        assert_eq!((team.entities.len(), team.principals.len()), (1, 1));
        assert_eq!(team.entities[0].attributes["frozen"], true);
        assert!(!team.cases[0].given.is_empty());
        assert_eq!(team.cases[0].now.unwrap().as_second(), 1_772_366_400);
    }

    #[test]
    fn what_is_used_must_be_there_and_use_nothing_itself() {
        let missing = read(&[("team.toml", CASES)]).unwrap_err();
        assert_eq!(missing, ["team.toml: uses `common.toml`, which is not beside it"]);
        let chain = read(&[("common.toml", "use = [\"team.toml\"]\n"), ("team.toml", CASES)]);
        let chain = chain.unwrap_err();
        assert!(chain.contains(&"team.toml: uses `common.toml`, which uses others itself".into()));
    }

    #[test]
    fn a_fault_is_told_with_its_line_in_both_forms() {
        let toml = read(&[("a.toml", "cases = []\nentites = []\n")]).unwrap_err();
        assert!(toml[0].starts_with("a.toml:2: unknown field `entites`"), "{toml:?}");
        let json = read(&[("a.json", "{\n\"cases\": 3}")]).unwrap_err();
        assert!(json[0].starts_with("a.json:2: invalid type"), "{json:?}");
    }
}
