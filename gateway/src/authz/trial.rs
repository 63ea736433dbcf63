//! Cases made ready once and asked as often as needed: their organisations are built a single time.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::cases::{CaseFailure, CaseFile, Expectation, PolicyCase};
use super::context::Facts;
use super::decision::Decision;
use super::pdp::{Pdp, Question};
use super::schema::PolicySchema;
use super::world::World;
use crate::model::{AuthMethod, EntityUid, Scopes, TenantId, UnixNanos};

/// Cases, ready to be asked of any policies over the same schema.
#[derive(Debug)]
pub struct Trial {
    worlds: Vec<World>,
    pub(super) questions: Vec<Asked>,
    faults: Vec<CaseFailure>,
}

/// A case that can be asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) file: Arc<str>,
    pub(super) case: PolicyCase,
    pub(super) tenant: Option<TenantId>,
    world: usize,
    scopes: Scopes,
    now: UnixNanos,
}

/// What the policies said to a case.
#[derive(Debug)]
pub struct CaseAnswer<'a> {
    /// The file of the case.
    pub file: &'a str,
    /// The case.
    pub case: &'a PolicyCase,
    /// The answer.
    pub decision: Decision,
    /// What is otherwise than it must be.
    pub fault: Option<String>,
}

impl CaseAnswer<'_> {
    /// The fault, with its place.
    pub fn failure(&self) -> Option<CaseFailure> {
        Some(CaseFailure {
            file: self.file.to_owned(),
            case: self.case.name.clone(),
            message: self.fault.clone()?,
        })
    }
}

impl Trial {
    /// Builds the organisations of `files` and finds what the cases speak of.
    pub fn prepare(schema: &Arc<PolicySchema>, files: &[CaseFile]) -> Self {
        let mut trial = Self { worlds: Vec::new(), questions: Vec::new(), faults: Vec::new() };
        for file in files.iter().filter(|file| !file.cases.is_empty()) {
            trial.add(schema, file);
        }
        trial
    }

    /// The cases that cannot be asked, and why.
    pub fn faults(&self) -> &[CaseFailure] {
        &self.faults
    }

    /// The number of cases that can be asked.
    pub const fn len(&self) -> usize {
        self.questions.len()
    }

    /// Whether there is nothing to ask.
    pub const fn is_empty(&self) -> bool {
        self.questions.is_empty()
    }

    /// Asks every case of `pdp`, in the order of files and cases.
    pub fn answers<'a>(&'a self, pdp: &'a Pdp) -> impl Iterator<Item = CaseAnswer<'a>> {
        self.questions.iter().filter_map(|asked| {
            let world = self.world(asked)?;
            let question = asked.question(world)?;
            let decision = pdp.decide(asked.tenant.as_ref(), &world.partition, &question);
            let fault = judge(&asked.case, &decision);
            Some(CaseAnswer { file: &asked.file, case: &asked.case, decision, fault })
        })
    }

    /// Where the case is asked; every case that can be asked has a place.
    pub(super) fn world(&self, asked: &Asked) -> Option<&World> {
        self.worlds.get(asked.world)
    }

    fn add(&mut self, schema: &Arc<PolicySchema>, file: &CaseFile) {
        let name: Arc<str> = Arc::from(file.name.as_str());
        let mut failed = |case: &str, message: String| {
            let (file, case) = (file.name.clone(), case.to_owned());
            self.faults.push(CaseFailure { file, case, message });
        };
        let mut worlds: HashMap<String, Option<usize>> = HashMap::new();
        for case in &file.cases {
            let number = *worlds.entry(case.given.key()).or_insert_with(|| {
                let built = World::build(schema, &file.entities, &file.principals, &case.given);
                match built {
                    Ok(world) => {
                        self.worlds.push(world);
                        Some(self.worlds.len() - 1)
                    }
                    Err(messages) => {
                        let place = if case.given.is_empty() { "" } else { &case.name };
                        for message in messages {
                            failed(place, message);
                        }
                        None
                    }
                }
            });
            let Some(number) = number else { continue };
            let known = self.worlds.get(number).and_then(|world| world.principal(&case.principal));
            if known.is_none() {
                failed(&case.name, format!("`{}` is not among the principals", case.principal));
                continue;
            }
            match facts(case) {
                Ok((scopes, now)) => self.questions.push(Asked {
                    file: Arc::clone(&name),
                    tenant: file.tenant.clone(),
                    world: number,
                    case: case.clone(),
                    scopes,
                    now,
                }),
                Err(message) => failed(&case.name, message),
            }
        }
    }
}

impl Asked {
    pub(super) fn question<'a>(&'a self, world: &'a World) -> Option<Question<'a>> {
        let case = &self.case;
        Some(Question {
            principal: world.principal(&case.principal)?,
            action: &case.action,
            resource: &case.resource,
            context: Facts {
                method: method_of(&case.principal),
                connection: case.connection.as_ref(),
                scopes: &self.scopes,
                source: case.source.unwrap_or(USUAL_SOURCE),
                now: self.now,
            },
        })
    }
}

/// RFC 5737 §3: an address for documentation.
pub(super) const USUAL_SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// 2026-01-01T00:00:00Z.
pub(super) const USUAL_SECONDS: u64 = 1_767_225_600;

/// How a principal of this type proves who it is.
pub(super) fn method_of(principal: &EntityUid) -> AuthMethod {
    match principal.kind() {
        "User" => AuthMethod::Session,
        "ApiClient" => AuthMethod::ApiKey,
        _ => AuthMethod::None,
    }
}

fn facts(case: &PolicyCase) -> Result<(Scopes, UnixNanos), String> {
    let scopes = Scopes::new(case.scopes.iter().map(String::as_str)).map_err(|e| e.to_string())?;
    let seconds = match (case.now, case.now_seconds) {
        (Some(_), Some(_)) => return Err("`now` and `now_seconds` say the time twice".to_owned()),
        (Some(now), None) => {
            u64::try_from(now.as_second()).map_err(|_| format!("`{now}` is before 1970"))?
        }
        (None, seconds) => seconds.unwrap_or(USUAL_SECONDS),
    };
    Ok((scopes, UnixNanos::from_seconds(seconds)))
}

/// What is otherwise than the case says.
pub(super) fn judge(case: &PolicyCase, decision: &Decision) -> Option<String> {
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
