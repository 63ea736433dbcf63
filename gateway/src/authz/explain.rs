//! Why a decision came out as it did, and the smallest change that would turn it.
//!
//! For people and tools, off the request path. The answer is the decision point's own; what is added is what each
//! policy whose scope matched made of the question, condition by condition with the values it saw, and, for a
//! denial, changes of the data that were tried and found to allow it. It must never guess: a change is told
//! only after a decision under it.

mod change;
mod parts;
mod slice;
mod table;
#[cfg(test)]
mod tests;
mod values;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

pub use self::change::{Change, Remedy};
pub use self::parts::{Part, Seen, Truth};
pub use self::slice::{Records, at_and_above};
pub use self::table::ChangeTable;

use self::change::Search;
use self::parts::Reader;
use self::slice::Slice;
use super::context::Facts;
use super::decision::{Decision, Verdict};
use super::entity::Node;
use super::error::EntityError;
use super::evaluate::{Found, evaluate};
use super::partition::{Partition, PreparedPrincipal};
use super::pdp::{Pdp, Question};
use super::rule::{Effect, Rule};
use super::schema::Environment;
use crate::model::{ActionId, EntityRecord, EntityUid, TenantId};

/// What is to be explained: a question, with the records behind its entities.
#[derive(Clone, Copy, Debug)]
pub struct Inquiry<'a> {
    /// The organisation whose own policies count besides the base set.
    pub tenant: Option<&'a TenantId>,
    /// Who asks.
    pub principal: &'a EntityRecord,
    /// What for.
    pub action: &'a ActionId,
    /// On what.
    pub resource: &'a EntityUid,
    /// The facts of the request.
    pub context: Facts<'a>,
    /// The organisation's entities.
    pub records: &'a dyn Records,
}

/// Why a decision came out as it did.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// Whether it allows.
    pub allowed: bool,
    /// The reason code of the decision.
    pub code: &'static str,
    /// The `@reason` a person denied is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Every policy whose scope matched, in load order, base policies first.
    pub policies: Vec<PolicyAccount>,
    /// For a denial, the smallest changes found that would allow it, the one that opens least first.
    pub remedies: Vec<Remedy>,
}

/// What one policy made of the question.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyAccount {
    /// Its id.
    pub id: Arc<str>,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// The file it is in.
    pub file: Arc<str>,
    /// The line it begins on, counted from 1.
    pub line: usize,
    /// Whether it is one of those that decided.
    pub decides: bool,
    /// `true` when it is satisfied, `false` when not, `error` when its condition could not be evaluated.
    pub outcome: Truth,
    /// Its `@reason`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
    /// Its `@quota`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<Arc<str>>,
    /// Whether it has `@log("strict")`.
    pub log_strict: bool,
    /// The parts of its condition, all of which must be true; none is always satisfied.
    pub conditions: Vec<Part>,
}

impl fmt::Display for PolicyAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}` ({}:{})", self.effect, self.id, self.file, self.line)
    }
}

impl Pdp {
    /// Explains a decision. It is made on the part of the organisation that the question can reach, which
    /// answers like the whole.
    ///
    /// Costs a few milliseconds for a denial: changes are tried one by one, then two by two.
    ///
    /// # Errors
    /// The first [`EntityError`]: a record that does not fit the schema.
    pub fn explain(&self, inquiry: &Inquiry<'_>) -> Result<Explanation, EntityError> {
        let slice = Slice::gather(inquiry);
        let scene = Scene::set(self, inquiry, &slice.records, inquiry.principal)?;
        let decision = scene.decide(self, inquiry);
        let policies = scene.accounts(self, inquiry, &decision);
        let remedies = if decision.allowed() {
            Vec::new()
        } else {
            Search::new(self, inquiry, &slice, &scene).run()
        };
        Ok(Explanation {
            allowed: decision.allowed(),
            code: decision.reason_code(),
            reason: decision.reason().map(ToOwned::to_owned),
            policies,
            remedies,
        })
    }
}

impl Pdp {
    /// The single changes that would allow what was denied, the one that opens least first. They are tried one
    /// by one while `go_on` says so; stopped before the end, it tells none. Nothing for what is allowed.
    ///
    /// # Errors
    /// The first [`EntityError`]: a record that does not fit the schema.
    pub fn remedies(
        &self,
        inquiry: &Inquiry<'_>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Vec<Remedy>, EntityError> {
        let slice = Slice::gather(inquiry);
        let scene = Scene::set(self, inquiry, &slice.records, inquiry.principal)?;
        if scene.decide(self, inquiry).allowed() {
            return Ok(Vec::new());
        }
        Ok(Search::new(self, inquiry, &slice, &scene).run_while(go_on).unwrap_or_default())
    }
}

/// The entities of one inquiry, prepared.
struct Scene {
    partition: Partition,
    principal: PreparedPrincipal,
    /// What is asked about; none when it is not there.
    resource: Option<Arc<Node>>,
}

impl Scene {
    fn set(
        pdp: &Pdp,
        inquiry: &Inquiry<'_>,
        records: &[EntityRecord],
        principal: &EntityRecord,
    ) -> Result<Self, EntityError> {
        let partition = Partition::build(pdp.schema(), records.iter()).map_err(|errors| {
            // It fails with one error at least; an empty list would be told as the resource's fault.
            errors.into_iter().next().unwrap_or_else(|| EntityError::Schema {
                uid: inquiry.resource.clone(),
                message: "its entities cannot be prepared".to_owned(),
            })
        })?;
        let principal = partition.principal(principal)?;
        let resource = partition.find(inquiry.resource);
        Ok(Self { partition, principal, resource })
    }

    fn decide(&self, pdp: &Pdp, inquiry: &Inquiry<'_>) -> Decision {
        self.decide_other(pdp, inquiry, inquiry.action)
    }

    /// As [`Scene::decide`], about another action.
    fn decide_other(&self, pdp: &Pdp, inquiry: &Inquiry<'_>, action: &ActionId) -> Decision {
        let question = Question {
            principal: &self.principal,
            action,
            resource: inquiry.resource,
            context: inquiry.context,
        };
        pdp.decide(inquiry.tenant, &self.partition, &question)
    }

    /// The question with every part found, and the rules whose scope matches; `None` when no rule is asked.
    fn found<'a>(
        &'a self,
        pdp: &'a Pdp,
        inquiry: &'a Inquiry<'a>,
    ) -> Option<(Found<'a>, Vec<&'a Rule>)> {
        let action = pdp.schema().action(inquiry.action)?;
        let resource = self.resource.as_deref()?;
        let principal = &self.principal;
        let environment = Environment {
            principal: principal.kind,
            action: action.number,
            resource: resource.kind,
        };
        if !pdp.schema().environments().contains(&environment) {
            return None;
        }
        let partition = &self.partition;
        let found = Found { partition, principal, action, resource, facts: &inquiry.context };
        let own = pdp.own(pdp.policies_of(inquiry.tenant));
        Some((found, pdp.rules(own, environment, found)))
    }

    fn accounts(
        &self,
        pdp: &Pdp,
        inquiry: &Inquiry<'_>,
        decision: &Decision,
    ) -> Vec<PolicyAccount> {
        let Some((found, rules)) = self.found(pdp, inquiry) else {
            return Vec::new();
        };
        let reader = Reader::new(found);
        let account = |(rule, verdict): (&Rule, Verdict)| {
            let condition = rule.condition.as_deref();
            let conditions = condition.zip(reader.as_ref()).map(|(c, reader)| reader.read(c));
            PolicyAccount {
                id: Arc::clone(&rule.id),
                effect: match rule.effect {
                    Effect::Permit => "permit",
                    Effect::Forbid => "forbid",
                },
                file: Arc::clone(&rule.place.file),
                line: rule.place.line(),
                decides: decision.determining().contains(&rule.id),
                outcome: match verdict {
                    Verdict::Satisfied => Truth::True,
                    Verdict::NotSatisfied => Truth::False,
                    Verdict::Erred => Truth::Error,
                },
                reason: rule.obligations.reason.clone(),
                quota: rule.obligations.quota.clone(),
                log_strict: rule.obligations.log_strict,
                conditions: conditions.unwrap_or_default(),
            }
        };
        evaluate(found, rules).unwrap_or_default().into_iter().map(account).collect()
    }
}
