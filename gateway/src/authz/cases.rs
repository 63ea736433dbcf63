//! Decisions as data: what the policies must answer, kept beside them and checked before they load.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde::Deserialize;

use super::context::Facts;
use super::decision::Decision;
use super::partition::Partition;
use super::pdp::{Pdp, Question};
use crate::model::{
    ActionId, AuthMethod, ConnectionId, EntityRecord, EntityUid, Scopes, TenantId, UnixNanos,
};

/// One file of cases: a small organisation and what is asked of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// Where it came from; set by the reader.
    #[serde(skip)]
    pub name: String,
    /// The organisation whose own policies count besides the base set.
    #[serde(default)]
    pub tenant: Option<TenantId>,
    /// The organisation's resources.
    pub entities: Vec<EntityRecord>,
    /// Those who ask.
    pub principals: Vec<EntityRecord>,
    /// The questions, each with its answer.
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
    /// The peer's address; 192.0.2.1 unless said.
    #[serde(default)]
    pub source: Option<IpAddr>,
    /// Seconds since 1970; the start of 2026 unless said.
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
    let mut failures: Vec<CaseFailure> =
        files.iter().flat_map(|file| run_file(pdp, file)).collect();
    let mut covered: HashMap<&str, HashSet<bool>> = HashMap::new();
    for case in files.iter().flat_map(|file| &file.cases) {
        for policy in &case.about {
            covered.entry(policy).or_default().insert(case.expect == Expectation::Allow);
        }
    }
    for policy in pdp.base_policies() {
        for (allow, word) in [(true, "allows"), (false, "denies")] {
            if !covered.get(policy).is_some_and(|seen| seen.contains(&allow)) {
                let message = format!("no case about the policy `{policy}` {word}");
                failures.push(CaseFailure {
                    file: "policies/tests".into(),
                    case: String::new(),
                    message,
                });
            }
        }
    }
    failures
}

fn run_file(pdp: &Pdp, file: &CaseFile) -> Vec<CaseFailure> {
    let failure = |case: &str, message: String| CaseFailure {
        file: file.name.clone(),
        case: case.to_owned(),
        message,
    };
    let partition = match Partition::build(pdp.schema(), file.entities.iter()) {
        Ok(partition) => partition,
        Err(errors) => return errors.iter().map(|e| failure("", e.to_string())).collect(),
    };
    let mut principals = BTreeMap::new();
    for record in &file.principals {
        match partition.principal(record) {
            Ok(principal) => principals.insert(record.uid.clone(), principal),
            Err(error) => return vec![failure("", error.to_string())],
        };
    }
    let mut failures = Vec::new();
    for case in &file.cases {
        let Some(principal) = principals.get(&case.principal) else {
            failures.push(failure(
                &case.name,
                format!("`{}` is not among the principals", case.principal),
            ));
            continue;
        };
        let scopes = match Scopes::new(case.scopes.iter().map(String::as_str)) {
            Ok(scopes) => scopes,
            Err(error) => {
                failures.push(failure(&case.name, error.to_string()));
                continue;
            }
        };
        let question = Question {
            principal,
            action: &case.action,
            resource: &case.resource,
            context: facts(case, &scopes),
        };
        let decision = pdp.decide(file.tenant.as_ref(), &partition, &question);
        failures.extend(judge(case, &decision).map(|message| failure(&case.name, message)));
    }
    failures
}

fn facts<'a>(case: &'a PolicyCase, scopes: &'a Scopes) -> Facts<'a> {
    /// 2026-01-01T00:00:00Z.
    const NOW_SECONDS: u64 = 1_767_225_600;
    Facts {
        method: match case.principal.kind() {
            "User" => AuthMethod::Session,
            "ApiClient" => AuthMethod::ApiKey,
            _ => AuthMethod::None,
        },
        connection: case.connection.as_ref(),
        scopes,
        // RFC 5737 §3: an address for documentation.
        source: case.source.unwrap_or(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        now: UnixNanos::from_seconds(case.now_seconds.unwrap_or(NOW_SECONDS)),
    }
}

fn judge(case: &PolicyCase, decision: &Decision) -> Option<String> {
    let wanted = case.expect == Expectation::Allow;
    let determining: Vec<&str> = decision.determining().iter().map(|id| &**id).collect();
    if decision.allowed() != wanted {
        let (wanted, got) = if wanted { ("allow", "deny") } else { ("deny", "allow") };
        let code = decision.reason_code();
        return Some(format!("expected {wanted}, got {got} ({code}, decided by {determining:?})"));
    }
    if !decision.erring().is_empty() {
        return Some(format!("policies could not be evaluated: {:?}", decision.erring()));
    }
    let expected = case.determining.as_ref()?;
    let same = expected.iter().map(String::as_str).collect::<HashSet<_>>()
        == determining.iter().copied().collect::<HashSet<_>>();
    (!same).then(|| format!("expected {expected:?} to decide, not {determining:?}"))
}
