//! A policy change on its way: what it would change, found out before it does.
//!
//! [`checked`] tells whether policies can be added to those of the files, and [`Scales`] what comes of it: which policies,
//! which cells of the matrix and which tested decisions come out otherwise. Neither changes anything.

mod impact;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::authz::{
    CaseFile, CellChange, Expectation, Matrix, Pdp, PolicyBook, PolicyError, PolicySchema, Trial,
    between,
};
use crate::model::{PolicySource, TenantId};

pub use impact::{CaseDifference, Impact, PolicyDifference};

/// What is in force.
#[derive(Clone, Debug)]
pub struct Present {
    /// The schema.
    pub schema: Arc<PolicySchema>,
    /// The decision point.
    pub pdp: Arc<Pdp>,
    /// The policies of the files, with what tests and shows them.
    pub book: Arc<PolicyBook>,
    /// What organisations have of their own.
    pub own: BTreeMap<TenantId, Vec<PolicySource>>,
}

/// Policies that are added to those of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// Name and text.
    pub source: PolicySource,
    /// The decisions they are tested with, as a file of cases has them.
    pub cases: Option<Value>,
    /// Whether the change is about them: what was there before is not tested again, so that what no longer holds of it
    /// keeps nobody from an urgent change of something else.
    pub is_new: bool,
}

/// What is wrong with a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The name of the policies it is about.
    pub source: String,
    /// Whether their cases are meant, and not their text.
    pub in_cases: bool,
    /// What is wrong.
    pub message: String,
}

/// The decision point as it would be if `added`, and nothing else, were added to the policies of the files. It takes as
/// long as all policies take to load, so it must not be called on a thread that serves requests.
///
/// # Errors
/// Every [`Fault`]: a text that does not load, cases that do not hold, a policy without a case that allows and one that
/// denies (PD-23).
pub fn checked(present: &Present, added: &[Added]) -> Result<Pdp, Vec<Fault>> {
    let sources: Vec<PolicySource> = added.iter().map(|it| it.source.clone()).collect();
    let pdp = present.book.with(&sources, &present.schema, &present.own);
    let pdp = pdp.map_err(|errors| errors.iter().map(fault).collect::<Vec<_>>())?;
    let mut faults = Vec::new();
    for one in added.iter().filter(|it| it.is_new) {
        check(present, one, &pdp, &mut faults);
    }
    if faults.is_empty() { Ok(pdp) } else { Err(faults) }
}

/// Weighs changes. It remembers the matrix of the policies in force, which takes seconds to compute.
#[derive(Debug, Default)]
pub struct Scales {
    in_force: Option<Remembered>,
}

/// A matrix, with what it was computed from.
#[derive(Debug)]
struct Remembered {
    policies: [u8; 32],
    book: Arc<PolicyBook>,
    matrix: Matrix,
}

impl Scales {
    /// Finds out what comes out otherwise with the policies that [`checked`] takes. It takes as long as the matrix is
    /// large: seconds.
    ///
    /// # Errors
    /// As [`checked`].
    pub fn weigh(&mut self, present: &Present, added: &[Added]) -> Result<Impact, Vec<Fault>> {
        let pdp = checked(present, added)?;
        let policies = impact::policies(&present.pdp, &pdp);
        if policies.is_empty() {
            return Ok(Impact::default());
        }
        let cells = self.cells(present, &pdp).map_err(|message| vec![of_all(message)])?;
        Ok(Impact { policies, cells, cases: impact::cases(present, &pdp) })
    }

    /// The cells that differ; none where there is no probe to compute a matrix on.
    fn cells(&mut self, present: &Present, after: &Pdp) -> Result<Vec<CellChange>, String> {
        let Some(probe) = &present.book.probe else { return Ok(Vec::new()) };
        let compute = |pdp| Matrix::compute(pdp, probe).map_err(|faults| faults.join("; "));
        let (policies, book) = (present.pdp.digest(), Arc::clone(&present.book));
        let kept = self.in_force.take();
        let kept = kept.filter(|it| it.policies == policies && Arc::ptr_eq(&it.book, &book));
        let matrix = match kept {
            Some(kept) => kept.matrix,
            None => compute(&present.pdp)?,
        };
        let cells = between(&matrix, &compute(after)?);
        self.in_force = Some(Remembered { policies, book, matrix });
        Ok(cells)
    }
}

fn fault(error: &PolicyError) -> Fault {
    let place = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
    let help = miette::Diagnostic::help(error).map(|help| format!("; {help}")).unwrap_or_default();
    let message = format!("{place}{}{help}", error.message());
    Fault { source: error.file().to_owned(), in_cases: false, message }
}

fn of_all(message: String) -> Fault {
    Fault { source: String::new(), in_cases: false, message }
}

/// Asks the cases of some policies, and whether each policy has enough of them.
fn check(present: &Present, added: &Added, pdp: &Pdp, faults: &mut Vec<Fault>) {
    let name = &added.source.name;
    let mut told = |in_cases: bool, message: String| {
        faults.push(Fault { source: name.clone(), in_cases, message });
    };
    let file = match read(present, added) {
        Ok(file) => file,
        Err(message) => return told(true, message),
    };
    let trial = Trial::prepare(&present.schema, std::slice::from_ref(&file));
    for fault in trial.faults() {
        told(true, format!("`{}`: {}", fault.case, fault.message));
    }
    for failure in trial.answers(pdp).filter_map(|answer| answer.failure()) {
        told(true, format!("`{}`: {}", failure.case, failure.message));
    }
    for policy in pdp.written().filter(|policy| policy.file == name) {
        for (expected, word) in [(Expectation::Allow, "allows"), (Expectation::Deny, "denies")] {
            let about = |about: &[String]| about.iter().any(|id| id == policy.id);
            if !file.cases.iter().any(|case| case.expect == expected && about(&case.about)) {
                told(true, format!("no case about the policy `{}` {word}", policy.id));
            }
        }
    }
}

/// The cases, with what the files they use hold: those are the ones beside the cases of the files.
fn read(present: &Present, added: &Added) -> Result<CaseFile, String> {
    let value = added.cases.clone().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let mut file: CaseFile = serde_json::from_value(value).map_err(|error| error.to_string())?;
    file.name.clone_from(&added.source.name);
    for name in file.shared.clone() {
        let beside = |known: &&CaseFile| known.name.rsplit('/').next() == Some(&name);
        let used = present.book.cases.iter().find(beside);
        let used = used.ok_or_else(|| format!("uses `{name}`, which is no file of cases"))?;
        file.take_over(used);
    }
    Ok(file)
}

#[cfg(test)]
mod tests;
