//! Mutation testing: policies with one mistake each, and whether the cases notice.
//!
//! A mistake that no case notices can be made tomorrow, and every test will pass. Nothing is left out
//! silently: a mutant that by the schema means the same as its policy is counted as such, one that means
//! the same for any other reason counts as one that survived.

mod condition;
mod scope;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use cedar_policy::{Policy, PolicySet};
use cedar_policy_core::ast::ActionConstraint;
use cedar_policy_core::est;
use serde_json::{Value, json};

use super::cases::CaseFailure;
use super::decision::{Decision, Outcome, Verdict};
use super::evaluate::{Found, evaluate};
use super::index::action_matches;
use super::load::accept;
use super::pdp::Pdp;
use super::rule::Rule;
use super::schema::Environment;
use super::trial::{Asked, Trial, judge};
use crate::model::PolicySource;

/// The kinds of mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mutation {
    /// A permit forbids, a forbid permits.
    FlipEffect,
    /// A forbid is not there.
    RemoveForbid,
    /// A part of the condition is not there.
    DropCondition,
    /// A part of the condition is the opposite.
    NegateCondition,
    /// The scope holds for more principals, actions or resources.
    WidenScope,
    /// An action or group is missing from the list.
    NarrowActions,
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::FlipEffect => "effect flipped",
            Self::RemoveForbid => "forbid removed",
            Self::DropCondition => "condition dropped",
            Self::NegateCondition => "condition negated",
            Self::WidenScope => "scope widened",
            Self::NarrowActions => "action left out",
        })
    }
}

/// A base policy with one mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// The policy's id.
    pub policy: String,
    /// The file it is in.
    pub file: String,
    /// The kind of mistake.
    pub mutation: Mutation,
    /// The mistake, in words.
    pub change: String,
    /// The policy with the mistake, in Cedar; `None` when it is not there.
    pub text: Option<String>,
    /// The policy as it is, in Cedar.
    pub original: String,
}

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It would not load, so it is no mistake anybody could make.
    Invalid,
    /// By the schema it says what the policy says: the same condition of the same shapes of requests.
    Same,
    /// A case noticed it.
    Killed {
        /// The file of the first case that did.
        file: String,
        /// Its name.
        case: String,
    },
    /// No case noticed it.
    Survived,
}

/// Every mutant of the policies in `base`, in the order of files and policies. What cannot be parsed has
/// none; that it loads is for [`Pdp::load`] to say.
pub fn mutants(base: &[PolicySource]) -> Vec<Mutant> {
    let mut all = Vec::new();
    for source in base {
        let Ok(set) = source.text.parse::<PolicySet>() else { continue };
        let mut policies: Vec<&Policy> = set.policies().collect();
        let place = |policy: &Policy| {
            let core: &cedar_policy_core::ast::Policy = policy.as_ref();
            core.loc().map_or(0, cedar_policy_core::parser::Loc::start)
        };
        policies.sort_by_key(|policy| place(policy));
        for policy in policies {
            let (Some(id), Ok(json)) = (policy.annotation("id"), policy.to_json()) else {
                continue;
            };
            all.extend(of_policy(id, &source.name, &json));
        }
    }
    all
}

/// A mistake: its kind, its description, and the policy with it as JSON.
type Change = (Mutation, String, Value);

fn of_policy(id: &str, file: &str, json: &Value) -> Vec<Mutant> {
    let mut changes = vec![flipped(json)];
    changes.extend(condition::changes(json));
    changes.extend(scope::changes(json));
    let Some(original) = cedar_text(json) else { return Vec::new() };
    let mutant = |mutation, change, text| Mutant {
        policy: id.to_owned(),
        file: file.to_owned(),
        mutation,
        change,
        text,
        original: original.clone(),
    };
    let mut seen: HashSet<Option<String>> = HashSet::from([Some(original.clone())]);
    let mut mutants = Vec::new();
    if is_forbid(json) {
        mutants.push(mutant(Mutation::RemoveForbid, "the forbid is not there".to_owned(), None));
    }
    for (mutation, change, json) in changes {
        let text = cedar_text(&json);
        // What cannot be written in Cedar cannot be made by mistake; what was made before counts once.
        if text.is_some() && seen.insert(text.clone()) {
            mutants.push(mutant(mutation, change, text));
        }
    }
    mutants
}

fn is_forbid(json: &Value) -> bool {
    json.get("effect").and_then(Value::as_str) == Some("forbid")
}

fn flipped(json: &Value) -> Change {
    let mut flipped = json.clone();
    let effect = if is_forbid(json) { "permit" } else { "forbid" };
    set(&mut flipped, "/effect", json!(effect));
    // Without a reason, the gate would refuse every such mutant for its form.
    if let Some(annotations) = flipped.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.entry("reason").or_insert_with(|| json!("Not meant."));
    }
    (Mutation::FlipEffect, format!("the policy is a {effect}"), flipped)
}

/// Replaces what is at `place`, a JSON pointer.
fn set(json: &mut Value, place: &str, value: Value) {
    if let Some(found) = json.pointer_mut(place) {
        *found = value;
    }
}

fn cedar_text(json: &Value) -> Option<String> {
    let policy: est::Policy = serde_json::from_value(json.clone()).ok()?;
    Some(policy.to_string())
}

/// A part of a policy in Cedar, on one line.
fn expression_text(json: &Value) -> String {
    let parsed: Result<est::Expr, _> = serde_json::from_value(json.clone());
    let text = parsed.map_or_else(|_| json.to_string(), |expression| expression.to_string());
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The cases with all that every policy says to them, so that a mutant costs one policy's evaluation.
#[derive(Debug)]
pub struct MutantTrial<'a> {
    pdp: &'a Pdp,
    trial: &'a Trial,
    verdicts: Vec<Known<'a>>,
}

/// What the policies say to a case; `None` where none is asked.
type Known<'a> = Option<Vec<(&'a Rule, Verdict)>>;

/// The changed policy; `None` when it is not there.
type Changed = Option<(Rule, ActionConstraint)>;

impl<'a> MutantTrial<'a> {
    /// Asks every case once. The cases must come out as they say: who fails before a mistake is made
    /// notices none.
    ///
    /// # Errors
    /// The cases that do not.
    pub fn prepare(pdp: &'a Pdp, trial: &'a Trial) -> Result<Self, Vec<CaseFailure>> {
        let mut failures = trial.faults().to_vec();
        failures.extend(trial.answers(pdp).filter_map(|answer| answer.failure()));
        if !failures.is_empty() {
            return Err(failures);
        }
        let known = |asked: &'a Asked| {
            let world = trial.world(asked)?;
            let question = asked.question(world)?;
            let located = pdp.locate(&world.partition, &question).ok()?;
            pdp.verdicts(asked.tenant.as_ref(), &located)
        };
        let verdicts = trial.questions.iter().map(known).collect();
        Ok(Self { pdp, trial, verdicts })
    }

    /// Whether a case notices `mutant`. The first one that does ends the search.
    pub fn fate(&self, mutant: &Mutant) -> Fate {
        let changed = match mutant.text.as_deref().map(|text| self.load(mutant, text)) {
            Some(None) => return Fate::Invalid,
            Some(changed) => changed,
            None => None,
        };
        let cases = self.trial.questions.iter().zip(&self.verdicts);
        for (asked, known) in cases {
            if self.notices(asked, known, mutant, &changed) {
                let (file, case) = (asked.file.to_string(), asked.case.name.clone());
                return Fate::Killed { file, case };
            }
        }
        if self.is_same(mutant, &changed) { Fate::Same } else { Fate::Survived }
    }

    /// The policy `text`, if it loads.
    fn load(&self, mutant: &Mutant, text: &str) -> Changed {
        let source = PolicySource { name: mutant.file.clone(), text: text.to_owned() };
        let accepted = accept(self.pdp.schema(), None, &[source]).ok()?;
        accepted.rules.into_iter().next()
    }

    /// Whether the schema leaves no request that tells the two apart: both are open scopes, and the types
    /// they speak of meet in the same requests. Proved, or not claimed.
    fn is_same(&self, mutant: &Mutant, changed: &Changed) -> bool {
        let (Some((new, new_actions)), Some((old, old_actions))) =
            (changed, self.load(mutant, &mutant.original))
        else {
            return false;
        };
        let alike = new.effect == old.effect
            && new.condition.as_deref().map(ToString::to_string)
                == old.condition.as_deref().map(ToString::to_string);
        let open =
            |rule: &Rule| rule.principal.anchor().is_none() && rule.resource.anchor().is_none();
        if !alike || !open(new) || !open(&old) {
            return false;
        }
        let schema = self.pdp.schema();
        let kinds: HashMap<_, _> = schema.kind_names().map(|(name, kind)| (kind, name)).collect();
        let speaks = |rule: &Rule, actions: &ActionConstraint, environment: &Environment| {
            let name = |kind| kinds.get(kind).copied().unwrap_or_default();
            let mut all = schema.all_actions();
            all.find(|action| action.number == environment.action)
                .is_some_and(|action| action_matches(actions, &action.closure, &action.uid))
                && rule.principal.may_hold(name(&environment.principal))
                && rule.resource.may_hold(name(&environment.resource))
        };
        schema.environments().iter().all(|environment| {
            speaks(new, new_actions, environment) == speaks(&old, &old_actions, environment)
        })
    }

    fn notices(
        &self,
        asked: &Asked,
        known: &Known<'_>,
        mutant: &Mutant,
        changed: &Changed,
    ) -> bool {
        // A question no policy is asked is answered the same whatever the policies say.
        let (Some(known), Some(world)) = (known, self.trial.world(asked)) else { return false };
        let Some(question) = asked.question(world) else { return false };
        let partition = &world.partition;
        let before = known.iter().find(|(rule, _)| *rule.id == *mutant.policy);
        let Ok(located) = self.pdp.locate(partition, &question) else { return false };
        let now = verdict(located.found(), changed);
        if before.is_none() && now.is_none() {
            return false;
        }
        let mut verdicts: Vec<(&Rule, Verdict)> =
            known.iter().filter(|(rule, _)| *rule.id != *mutant.policy).copied().collect();
        verdicts.extend(now);
        let outcome = Outcome::conclude(&verdicts);
        judge(&asked.case, &Decision::new(Arc::new(outcome), false)).is_some()
    }
}

/// What the changed policy says; nothing where its scope does not match, or where the request cannot be
/// built: that such a request is denied does not depend on this policy.
fn verdict<'r>(found: Found<'_>, changed: &'r Changed) -> Option<(&'r Rule, Verdict)> {
    let (rule, actions) = changed.as_ref()?;
    let matches = action_matches(actions, &found.action.closure, &found.action.uid)
        && rule.principal.holds(&found.principal.entity)
        && rule.resource.holds(&found.resource.entity);
    if matches { evaluate(found, vec![rule])?.pop() } else { None }
}

#[cfg(test)]
mod tests;
