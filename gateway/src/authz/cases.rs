//! Decisions as data: what the policies must answer, kept beside them and checked before they load.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;

use super::pdp::Pdp;
use super::trial::Trial;
use super::world::Changes;
use crate::model::{ActionId, ConnectionId, EntityRecord, EntityUid, TenantId};

/// One file of cases: a small organisation and what is asked of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// Where it came from; set by the reader.
    #[serde(skip)]
    pub name: String,
    /// Files beside this one whose entities and principals are here too.
    #[serde(default, rename = "use")]
    pub shared: Vec<String>,
    /// The organisation whose own policies count besides the base set.
    #[serde(default)]
    pub tenant: Option<TenantId>,
    /// The organisation's resources.
    #[serde(default)]
    pub entities: Vec<EntityRecord>,
    /// Those who ask.
    #[serde(default)]
    pub principals: Vec<EntityRecord>,
    /// The questions, each with its answer. A file that others use may have none.
    #[serde(default)]
    pub cases: Vec<PolicyCase>,
}

/// One question with the answer it must get.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyCase {
    /// What the case shows, in words.
    pub name: String,
    /// The policies the case is about. Each base policy needs a case that allows and one that denies.
    pub about: Vec<String>,
    /// Who asks.
    pub principal: EntityUid,
    /// What for.
    pub action: ActionId,
    /// On what.
    pub resource: EntityUid,
    /// Attributes that are otherwise than in the file, for this case alone.
    #[serde(default)]
    pub given: Changes,
    /// The peer's address; 192.0.2.1 unless said.
    #[serde(default)]
    pub source: Option<IpAddr>,
    /// The time, as `2026-03-01T12:00:00Z`; the start of 2026 unless said.
    #[serde(default)]
    pub now: Option<jiff::Timestamp>,
    /// The time in seconds since 1970, instead of `now`.
    #[serde(default)]
    pub now_seconds: Option<u64>,
    /// The API scopes the operation accepts; none unless said.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The connection the person signed in by; none unless said.
    #[serde(default)]
    pub connection: Option<ConnectionId>,
    /// The answer.
    pub expect: Expectation,
    /// The policies that must decide; not looked at when left out.
    #[serde(default)]
    pub determining: Option<Vec<String>>,
}

impl CaseFile {
    /// Takes over the entities and principals of `shared`, a file this one uses. What this file says of
    /// the same entity counts.
    pub fn take_over(&mut self, shared: &Self) {
        let add = |own: &mut Vec<EntityRecord>, shared: &[EntityRecord]| {
            let known: HashSet<EntityUid> = own.iter().map(|record| record.uid.clone()).collect();
            own.extend(shared.iter().filter(|record| !known.contains(&record.uid)).cloned());
        };
        add(&mut self.entities, &shared.entities);
        add(&mut self.principals, &shared.principals);
    }
}

/// The answer a case must get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expectation {
    /// Allowed.
    Allow,
    /// Denied.
    Deny,
}

/// A case the policies do not answer as they must, or a policy no case is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFailure {
    /// The file.
    pub file: String,
    /// The case; empty when the file as a whole is meant.
    pub case: String,
    /// What went otherwise.
    pub message: String,
}

impl fmt::Display for CaseFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        if !self.case.is_empty() {
            write!(f, "`{}`: ", self.case)?;
        }
        f.write_str(&self.message)
    }
}

/// Asks every case, and demands of the cases that each base policy is the subject of one that allows
/// and one that denies. No failure, an empty list.
pub fn run_cases(pdp: &Pdp, files: &[CaseFile]) -> Vec<CaseFailure> {
    let trial = Trial::prepare(pdp.schema(), files);
    let mut failures = trial.faults().to_vec();
    failures.extend(trial.answers(pdp).filter_map(|answer| answer.failure()));
    failures.extend(uncovered(pdp, files));
    failures
}

/// The base policies that are not the subject of a case that allows and of one that denies.
pub fn uncovered(pdp: &Pdp, files: &[CaseFile]) -> Vec<CaseFailure> {
    let mut covered: HashMap<&str, HashSet<bool>> = HashMap::new();
    for case in files.iter().flat_map(|file| &file.cases) {
        for policy in &case.about {
            covered.entry(policy).or_default().insert(case.expect == Expectation::Allow);
        }
    }
    let mut failures = Vec::new();
    for policy in pdp.base_policies() {
        for (allow, word) in [(true, "allows"), (false, "denies")] {
            if !covered.get(policy).is_some_and(|seen| seen.contains(&allow)) {
                let message = format!("no case about the policy `{policy}` {word}");
                let file = "policies/tests".to_owned();
                failures.push(CaseFailure { file, case: String::new(), message });
            }
        }
    }
    failures
}
