//! Reads `policies/changes.toml`: which action manages what decisions depend on.

use std::path::Path;

use super::problem::Problem;
use super::tenants::read_text;
use crate::authz::{ChangeTable, PolicySchema};

/// The file, below the folder of the base policies.
const FILE: &str = "changes.toml";

/// Reads the table; without the file, an empty one. A slip in it is a problem like one in a policy.
pub(super) fn read_changes(
    policies: &Path,
    base: &Path,
    schema: &PolicySchema,
    problems: &mut Vec<Problem>,
) -> ChangeTable {
    let path = policies.join(FILE);
    if !path.exists() {
        return ChangeTable::default();
    }
    let text = match read_text(&path, base) {
        Ok(text) => text,
        Err(problem) => {
            problems.push(Problem::new(&path, "", problem.message));
            return ChangeTable::default();
        }
    };
    match toml::from_str::<ChangeTable>(&text) {
        Ok(table) => {
            let found = table.problems(schema);
            problems.extend(found.into_iter().map(|(key, what)| Problem::new(&path, key, what)));
            table
        }
        Err(error) => {
            let span = error.span().unwrap_or_default();
            problems.push(Problem::new(&path, "", error.message()).at(&text, span));
            ChangeTable::default()
        }
    }
}
