//! The load gate: text becomes rules only when Cedar's strict and level validation and our own
//! requirements on annotations hold. Every fault of every file is reported.

mod depth;

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, ValidationMode, Validator};
use cedar_policy_core::ast::{ActionConstraint, ExprKind, Literal, Policy as CorePolicy};

use super::error::{PolicyError, Source};
use super::rule::{Obligations, Place, Rule};
use super::schema::PolicySchema;
use crate::model::{PolicySource, TenantId};

/// How deep a condition may follow references: `resource.team.frozen` is two. Two is the least that
/// the hub's policies need, and it bounds which entities a decision must have at hand.
pub(super) const DEREFERENCES_MAX: u32 = 2;

/// Longest policy file: a thousand ordinary policies, and a bound on what the parser is fed.
const SOURCE_BYTES_MAX: usize = 1024 * 1024;

/// Most policies in one set: ten times what the largest known operator needs.
const POLICIES_MAX: usize = 100_000;

/// Longest policy id: fits a log field.
const ID_BYTES_MAX: usize = 128;

/// Policies that passed the gate.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) rules: Vec<(Rule, ActionConstraint)>,
}

/// A policy with its final id and the file it came from.
struct Candidate<'a> {
    policy: Policy,
    source: &'a Source,
}

/// Takes `sources` through the gate. Ids of a tenant's policies get `<tenant>/` in front, so they
/// can never be taken for a base policy.
pub(super) fn accept(
    schema: &PolicySchema,
    tenant: Option<&TenantId>,
    sources: &[PolicySource],
) -> Result<Accepted, Vec<PolicyError>> {
    let mut errors = Vec::new();
    let sources: Vec<Source> = sources.iter().map(|s| Source::new(&s.name, &s.text)).collect();
    let mut candidates: HashMap<PolicyId, Candidate<'_>> = HashMap::new();
    let mut order = Vec::new();
    for source in &sources {
        for parsed in parse(source, &mut errors) {
            let Some(id) = identify(&parsed, tenant, source, &mut errors) else {
                continue;
            };
            if let Some(first) = candidates.get(&id) {
                let message = format!("the id `{id}` is already used in {}", first.source.name());
                errors.push(at(PolicyError::new(source, message), &parsed, "this policy"));
                continue;
            }
            let policy = parsed.new_id(id.clone());
            candidates.insert(id.clone(), Candidate { policy, source });
            order.push(id);
        }
    }
    if order.len() > POLICIES_MAX {
        let message = format!("{} policies are more than {POLICIES_MAX}", order.len());
        errors.extend(sources.first().map(|source| PolicyError::new(source, message)));
    }
    validate(schema, &candidates, &order, &mut errors);
    let rules = order
        .iter()
        .filter_map(|id| candidates.get(id))
        .filter_map(|candidate| prepare(candidate, &mut errors))
        .collect();
    if errors.is_empty() { Ok(Accepted { rules }) } else { Err(errors) }
}

/// The policies of one file, in the order they are written.
fn parse(source: &Source, errors: &mut Vec<PolicyError>) -> Vec<Policy> {
    if source.text().len() > SOURCE_BYTES_MAX {
        let message = format!("the file is larger than {SOURCE_BYTES_MAX} bytes");
        errors.push(PolicyError::new(source, message));
        return Vec::new();
    }
    if let Some((place, message)) = depth::too_deep(source.text()) {
        errors.push(PolicyError::new(source, message).at(place..place + 1, "here"));
        return Vec::new();
    }
    let set: PolicySet = match source.text().parse() {
        Ok(set) => set,
        Err(found) => {
            let found: cedar_policy::ParseErrors = found;
            errors.extend(found.iter().map(|error| PolicyError::from_cedar(source, error)));
            return Vec::new();
        }
    };
    for template in set.templates() {
        let message = format!("`{}` is a template; write a policy without slots", template.id());
        errors.push(PolicyError::new(source, message));
    }
    let mut policies: Vec<Policy> = set.policies().cloned().collect();
    policies.sort_by_key(|policy| place(policy).start);
    policies
}

/// The id a policy goes by: its `@id`, after the tenant's name.
fn identify(
    policy: &Policy,
    tenant: Option<&TenantId>,
    source: &Source,
    errors: &mut Vec<PolicyError>,
) -> Option<PolicyId> {
    let Some(id) = policy.annotation("id") else {
        let error = PolicyError::new(source, "a policy needs `@id(\"…\")`: the log names it so");
        errors.push(at(error, policy, "this policy"));
        return None;
    };
    let allowed =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    if id.is_empty() || id.len() > ID_BYTES_MAX || !id.bytes().all(allowed) {
        let message = format!(
            "`{}` is no policy id: 1 to {ID_BYTES_MAX} of a-z, 0-9, `-`, `_` and `.`",
            id.escape_debug().take(80).collect::<String>()
        );
        errors.push(at(PolicyError::new(source, message), policy, "this policy"));
        return None;
    }
    Some(PolicyId::new(tenant.map_or_else(|| id.to_owned(), |tenant| format!("{tenant}/{id}"))))
}

fn validate(
    schema: &PolicySchema,
    candidates: &HashMap<PolicyId, Candidate<'_>>,
    order: &[PolicyId],
    errors: &mut Vec<PolicyError>,
) {
    let policies = order.iter().filter_map(|id| candidates.get(id)).map(|c| c.policy.clone());
    let set = match PolicySet::from_policies(policies) {
        Ok(set) => set,
        // Ids are unique here; should Cedar see it otherwise, nothing is loaded.
        Err(error) => {
            let source = candidates.values().next().map(|candidate| candidate.source);
            errors.extend(source.map(|source| PolicyError::from_cedar(source, &error)));
            return;
        }
    };
    let validator = Validator::new(schema.cedar().clone());
    let result = validator.validate_with_level(&set, ValidationMode::Strict, DEREFERENCES_MAX);
    for error in result.validation_errors() {
        if let Some(candidate) = candidates.get(error.policy_id()) {
            errors.push(PolicyError::from_cedar(candidate.source, error));
        }
    }
    // A policy that can never apply, or text that reads otherwise than it runs, is a mistake too.
    for warning in result.validation_warnings() {
        if let Some(candidate) = candidates.get(warning.policy_id()) {
            errors.push(PolicyError::from_cedar(candidate.source, warning));
        }
    }
}

fn prepare(
    candidate: &Candidate<'_>,
    errors: &mut Vec<PolicyError>,
) -> Option<(Rule, ActionConstraint)> {
    let Candidate { policy, source } = candidate;
    let complain = |message: &str| at(PolicyError::new(source, message), policy, "this policy");
    let obligations = match obligations(policy) {
        Ok(obligations) => obligations,
        Err(message) => {
            errors.push(complain(&message));
            return None;
        }
    };
    let core: &CorePolicy = policy.as_ref();
    if policy.effect() == Effect::Permit && is_unconditional(core) {
        errors.push(complain("permits everything to everybody; say to whom, what, or when"));
        return None;
    }
    let id: Arc<str> = Arc::from(policy.id().to_string());
    let written = Place {
        file: source.shared_name(),
        text: Arc::clone(source.text()),
        start: place(policy).start,
        end: place(policy).end,
    };
    let rule = Rule::prepare(id, core, obligations, written);
    if rule.is_none() {
        errors.push(complain("has slots of a template"));
    }
    Some((rule?, core.action_constraint().clone()))
}

/// Reads the annotations; an unknown one is refused, since somebody meant something by it.
fn obligations(policy: &Policy) -> Result<Obligations, String> {
    let mut obligations = Obligations::default();
    for (key, value) in policy.annotations() {
        match (key, value) {
            ("id", _) => {}
            ("reason", reason) if !reason.trim().is_empty() => {
                obligations.reason = Some(Arc::from(reason));
            }
            ("quota", quota) if !quota.trim().is_empty() => {
                obligations.quota = Some(Arc::from(quota));
            }
            ("log", "strict") => obligations.log_strict = true,
            ("hides", "resource") => obligations.hides = true,
            ("hides", other) => {
                return Err(format!("`@hides` knows `resource` only, not `{other}`"));
            }
            ("log", other) => return Err(format!("`@log` knows `strict` only, not `{other}`")),
            ("reason" | "quota", _) => return Err(format!("`@{key}` is empty")),
            (unknown, _) => {
                return Err(format!(
                    "`@{unknown}` is no annotation: known are `@id`, `@reason`, `@quota`, `@log`, \
                     `@hides`"
                ));
            }
        }
    }
    if policy.effect() == Effect::Forbid && obligations.reason.is_none() {
        return Err("a forbid needs `@reason(\"…\")`: the person denied reads it".to_owned());
    }
    if policy.effect() == Effect::Permit && obligations.hides {
        return Err("`@hides` says how a forbid looks to the person denied: a permit has no use \
                    for it"
            .to_owned());
    }
    Ok(obligations)
}

/// `permit (principal, action, resource);`, also when dressed as `when { true }`.
fn is_unconditional(policy: &CorePolicy) -> bool {
    use cedar_policy_core::ast::PrincipalOrResourceConstraint as Constraint;
    let any = |constraint: &Constraint| matches!(constraint, Constraint::Any);
    let always = policy.non_scope_constraints().is_none_or(|condition| {
        matches!(condition.expr_kind(), ExprKind::Lit(Literal::Bool(true)))
    });
    always
        && any(policy.principal_constraint().as_inner())
        && any(policy.resource_constraint().as_inner())
        && matches!(policy.action_constraint(), ActionConstraint::Any)
}

fn place(policy: &Policy) -> std::ops::Range<usize> {
    let core: &CorePolicy = policy.as_ref();
    core.loc().map_or(0..0, |loc| loc.start()..loc.end())
}

fn at(error: PolicyError, policy: &Policy, label: &str) -> PolicyError {
    error.at(place(policy), label)
}

#[cfg(test)]
mod tests;
