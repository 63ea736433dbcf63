//! What comes out otherwise: policies, cells of the matrix, tested decisions.

use std::collections::BTreeMap;

use super::Present;
use crate::authz::{CellChange, Pdp, Trial};

/// What comes out otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Impact {
    /// The policies that are there before or after, and not the same.
    pub policies: Vec<PolicyDifference>,
    /// The cells of the matrix that say something else; none where there is no probe to compute one on.
    pub cells: Vec<CellChange>,
    /// The tested decisions of the files that come out otherwise.
    pub cases: Vec<CaseDifference>,
}

/// A policy that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyDifference {
    /// Its id.
    pub id: String,
    /// Its text before; nothing where it is new.
    pub before: Option<String>,
    /// Its text after; nothing where it goes.
    pub after: Option<String>,
}

/// A tested decision that comes out otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseDifference {
    /// The file of the case.
    pub file: String,
    /// The case.
    pub case: String,
    /// Whether it is allowed after the change; before it was the other way round.
    pub allowed: bool,
}

/// The policies that differ.
pub(super) fn policies(before: &Pdp, after: &Pdp) -> Vec<PolicyDifference> {
    let texts = |pdp: &Pdp| -> BTreeMap<String, String> {
        pdp.written().map(|policy| (policy.id.to_owned(), policy.text.to_owned())).collect()
    };
    let (mut before, after) = (texts(before), texts(after));
    let mut all = Vec::new();
    for (id, text) in after {
        let old = before.remove(&id);
        if old.as_ref() != Some(&text) {
            all.push(PolicyDifference { id, before: old, after: Some(text) });
        }
    }
    let gone = before.into_iter().map(|(id, text)| PolicyDifference {
        id,
        before: Some(text),
        after: None,
    });
    all.extend(gone);
    all.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    all
}

/// The tested decisions that differ.
pub(super) fn cases(present: &Present, after: &Pdp) -> Vec<CaseDifference> {
    let trial = Trial::prepare(&present.schema, &present.book.cases);
    let answers = trial.answers(&present.pdp).zip(trial.answers(after));
    let differ = answers.filter(|(old, new)| old.decision.allowed() != new.decision.allowed());
    let told = differ.map(|(_, new)| CaseDifference {
        file: new.file.to_owned(),
        case: new.case.name.clone(),
        allowed: new.decision.allowed(),
    });
    told.collect()
}
