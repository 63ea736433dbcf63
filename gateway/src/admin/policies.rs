//! Changes of the base policies: proposed by one person, approved by another, in force from the next request on.
//!
//! The policies of the files stay what they are and are changed where they are kept; what is added here is decided by
//! together with them, for every organisation. What a proposal says never changes, and whoever approves one names what
//! they saw of it: its `hash`, and the `basis` its effect was worked out on.

pub(super) mod approve;
pub(super) mod close;
pub(super) mod list;
pub(super) mod preview;
pub(super) mod propose;
pub(super) mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::desk::DeskError;
use super::diff::{digest, hex};
use super::event::timestamp;
use super::guard::Guarded;
use super::problem::{FieldError, Problem};
use crate::authz::Pdp;
use crate::directory::{Member, Members};
use crate::model::MemberId;
use crate::pipeline::Ground;
use crate::rollout::{Added, Fault, Impact, Present, checked};
use crate::store::{Hand, Kind, PolicyChange, PolicyWrite, StoredPolicy, source_name};

/// Largest body: twice what a change may hold, for white space.
const BODY_BYTES_MAX: usize = 48 * 1024;

/// Largest change, in bytes of JSON: it is kept as one object, and within an answer that may be given again, where each
/// quote takes twice as much.
const CHANGE_BYTES_MAX: usize = 24 * 1024;

/// Longest wait for the turn to work out an effect.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Most policies of one change: more than a reviewer reads.
const POLICIES_MAX: usize = 20;

/// Most names under which policies are in force: those of a deployment belong into files.
const IN_FORCE_MAX: usize = 200;

/// Most cells, cases and policies that are shown: a reviewer of more should ask for smaller changes.
const SHOWN_MAX: usize = 500;

/// Longest text about a change, in bytes.
const TEXT_BYTES_MAX: usize = 500;

/// A change as it is proposed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyChangeWritten {
    /// What it is, in a few words.
    #[schema(example = "No refunds at night")]
    title: String,
    /// Why: at least ten characters.
    #[schema(example = "The auditors want refunds during office hours only.")]
    reason: String,
    /// Where it is followed up.
    #[serde(default)]
    #[schema(example = "SEC-112")]
    ticket: Option<String>,
    /// The policies, by name.
    policies: Vec<PolicyWritten>,
}

/// Policies that are added, replaced or taken away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyWritten {
    /// Their name: lower-case letters, digits and `-`.
    #[schema(example = "refunds-by-day")]
    name: String,
    /// The policies in Cedar, as a file has them; left out to take away what is in force by this name.
    #[serde(default)]
    text: Option<String>,
    /// The decisions they are tested with, as the files in `policies/tests` have them. Each policy needs one that
    /// allows and one that denies; `use` names files there.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    cases: Option<Value>,
}

/// A change of policies.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PolicyChangeBody {
    /// Its id.
    id: String,
    /// What it is, in a few words.
    title: String,
    /// Why.
    reason: String,
    /// Where it is followed up.
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<String>,
    /// `open`, `approved` or `closed`.
    #[schema(example = "open")]
    state: &'static str,
    /// Who proposed it.
    proposed: HandBody,
    /// Who approved it or closed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<HandBody>,
    /// What they said of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
    /// The policies; left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Option<Vec<PolicyShown>>,
    /// SHA-256 over what it says, in hex.
    hash: String,
    /// What it would change, while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<EffectBody>,
}

/// Somebody who had a hand in it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HandBody {
    /// The principal.
    #[schema(example = "User::ada")]
    principal: String,
    /// Shown to people.
    name: String,
    /// When.
    at: String,
}

/// Policies of a change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PolicyShown {
    /// Their name.
    name: String,
    /// The policies; left out where they are taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The decisions they are tested with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    cases: Option<Value>,
}

/// What a change would change, worked out on what is in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EffectBody {
    /// The policies it was worked out on: with others, the effect may be another.
    basis: String,
    /// Why it cannot be approved; nothing where it can.
    problems: Vec<FieldError>,
    /// The policies that are not as they are now.
    policies: Vec<PolicyEffect>,
    /// The cells of the matrix of who may do what that say something else.
    cells: Vec<CellEffect>,
    /// The tested decisions of the files that come out otherwise.
    cases: Vec<CaseEffect>,
    /// How many there are of each; at most 500 are shown.
    counts: EffectCounts,
}

/// How many there are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EffectCounts {
    /// Policies.
    policies: usize,
    /// Cells.
    cells: usize,
    /// Tested decisions.
    cases: usize,
}

/// A policy that is not as it was.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PolicyEffect {
    /// Its id.
    id: String,
    /// As it is now; left out where it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// As it would be; left out where it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
}

/// A cell of the matrix that says something else.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CellEffect {
    /// The action.
    #[schema(example = "refunds:create")]
    action: String,
    /// What it is done to.
    resource: String,
    /// Who asks.
    who: String,
    /// What it says now.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// What it would say.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
}

/// A tested decision that comes out otherwise.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CaseEffect {
    /// The file of the case.
    file: String,
    /// The case.
    case: String,
    /// `allow` or `deny`: what would come out.
    #[schema(example = "deny")]
    to: &'static str,
}

impl PolicyChangeWritten {
    /// The change, as it is proposed.
    fn change(
        self,
        proposed: Hand,
        (id, people): (String, Vec<String>),
    ) -> Result<PolicyChange, Problem> {
        let errors = self.errors();
        if !errors.is_empty() {
            return Err(Problem::invalid(&errors));
        }
        let written = |it: PolicyWritten| (it.name, PolicyWrite { text: it.text, cases: it.cases });
        let change = PolicyChange {
            id,
            title: self.title.trim().to_owned(),
            reason: self.reason.trim().to_owned(),
            ticket: self.ticket,
            policies: self.policies.into_iter().map(written).collect(),
            proposed,
            people,
            state: crate::store::ChangeState::Open,
            ended: None,
            remark: None,
        };
        let bytes = json!(change).to_string().len();
        if bytes > CHANGE_BYTES_MAX {
            let reason = format!("at most {CHANGE_BYTES_MAX} bytes in all, and this is {bytes}");
            return Err(Problem::invalid(&[FieldError::new("policies", reason)]));
        }
        Ok(change)
    }

    fn errors(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        errors.extend(FieldError::of_line("title", &self.title, (1, 120)));
        errors.extend(FieldError::of_line("reason", &self.reason, (10, TEXT_BYTES_MAX)));
        let ticket = self.ticket.as_deref();
        errors.extend(ticket.and_then(|ticket| FieldError::of_line("ticket", ticket, (1, 60))));
        if !(1..=POLICIES_MAX).contains(&self.policies.len()) {
            errors.push(FieldError::new("policies", format!("1 to {POLICIES_MAX}")));
        }
        let mut names = BTreeSet::new();
        for (index, policy) in self.policies.iter().enumerate() {
            let field = |name: &str| format!("policies[{index}].{name}");
            let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            let name = &policy.name;
            if !(1..=60).contains(&name.len()) || !name.bytes().all(allowed) {
                let reason = "1 to 60 lower-case letters, digits and `-`";
                errors.push(FieldError::new(field("name"), reason));
            }
            if !names.insert(name) {
                errors.push(FieldError::new(field("name"), "comes twice"));
            }
            if policy.text.is_none() && policy.cases.is_some() {
                errors.push(FieldError::new(field("cases"), "there is no text they could test"));
            }
        }
        errors
    }
}

impl PolicyChangeBody {
    fn of(change: &PolicyChange) -> Self {
        let shown = |(name, write): (&String, &PolicyWrite)| PolicyShown {
            name: name.clone(),
            text: write.text.clone(),
            cases: write.cases.clone(),
        };
        Self {
            id: change.id.clone(),
            title: change.title.clone(),
            reason: change.reason.clone(),
            ticket: change.ticket.clone(),
            state: change.state.name(),
            proposed: HandBody::of(&change.proposed),
            ended: change.ended.as_ref().map(HandBody::of),
            remark: change.remark.clone(),
            policies: Some(change.policies.iter().map(shown).collect()),
            hash: content_hash(change),
            effect: None,
        }
    }
}

impl HandBody {
    fn of(hand: &Hand) -> Self {
        let Hand { principal, name, at } = hand;
        Self { principal: principal.clone(), name: name.clone(), at: timestamp(*at) }
    }
}

impl EffectBody {
    fn of(basis: String, weighed: Result<&Impact, Vec<FieldError>>) -> Self {
        let nothing = Impact::default();
        let (impact, problems) = match weighed {
            Ok(impact) => (impact, Vec::new()),
            Err(problems) => (&nothing, problems),
        };
        let Impact { policies, cells, cases } = impact;
        let counts =
            EffectCounts { policies: policies.len(), cells: cells.len(), cases: cases.len() };
        let policies = policies.iter().take(SHOWN_MAX).map(|it| PolicyEffect {
            id: it.id.clone(),
            from: it.before.clone(),
            to: it.after.clone(),
        });
        let cells = cells.iter().take(SHOWN_MAX).map(|it| CellEffect {
            action: it.action.clone(),
            resource: it.resource.clone(),
            who: it.column.clone(),
            from: it.before.clone(),
            to: it.after.clone(),
        });
        let cases = cases.iter().take(SHOWN_MAX).map(|it| CaseEffect {
            file: it.file.clone(),
            case: it.case.clone(),
            to: if it.allowed { "allow" } else { "deny" },
        });
        let (policies, cells, cases) = (policies.collect(), cells.collect(), cases.collect());
        Self { basis, problems, policies, cells, cases, counts }
    }
}

/// Who asks, as somebody with a hand in a change.
async fn hand(guarded: &Guarded<'_>, ground: &Ground<'_>) -> Hand {
    let principal = guarded.admitted.principal().map(ToString::to_string).unwrap_or_default();
    Hand { principal, name: ground.name_of_asker().await, at: guarded.desk.now() }
}

/// SHA-256 over what a change says, in hex: what an approval is bound to (PD-22).
fn content_hash(change: &PolicyChange) -> String {
    let PolicyChange { id, title, reason, ticket, policies, proposed, .. } = change;
    digest(&json!({
        "id": id, "title": title, "reason": reason, "ticket": ticket, "policies": policies,
        "proposer": proposed.principal,
    }))
}

/// What tells the people behind `ids` from others: a person with two memberships is one person, by their address and by
/// how they sign in.
fn marks(members: &Members, ids: &[MemberId]) -> Vec<String> {
    let mut marks = BTreeSet::new();
    for id in ids {
        marks.insert(format!("member:{id}"));
        let Some(member) = members.member(id) else { continue };
        let Member { email, identities, .. } = member;
        marks.extend(email.iter().map(|email| format!("email:{}", email.to_lowercase())));
        marks.extend(identities.iter().map(|it| format!("{}:{}", it.connection, it.subject)));
    }
    marks.into_iter().collect()
}

/// The change of this id.
async fn found(guarded: &Guarded<'_>, id: &str) -> Result<PolicyChange, Problem> {
    let plain = |b: u8| b.is_ascii_alphanumeric();
    if !(1..=40).contains(&id.len()) || !id.bytes().all(plain) {
        return Err(Problem::not_found());
    }
    let tenant = guarded.admitted.tenant();
    let found = guarded.desk.objects().find(tenant, Kind::PolicyChange, id).await?;
    found.ok_or_else(Problem::not_found)
}

/// What is in force by name once `change` is made.
async fn after(
    guarded: &Guarded<'_>,
    change: &PolicyChange,
) -> Result<Result<BTreeMap<String, StoredPolicy>, Vec<FieldError>>, Problem> {
    let stored = guarded.desk.objects().policies().await?;
    let mut policies: BTreeMap<String, StoredPolicy> =
        stored.into_iter().map(|policy| (policy.name.clone(), policy)).collect();
    let mut errors = Vec::new();
    for (name, PolicyWrite { text, cases }) in &change.policies {
        let Some(text) = text else {
            if policies.remove(name).is_none() {
                let reason = format!("there is nothing in force by the name `{name}`");
                errors.push(FieldError::new("policies", reason));
            }
            continue;
        };
        let policy = StoredPolicy {
            name: name.clone(),
            text: text.clone(),
            cases: cases.clone(),
            change: change.id.clone(),
            since: guarded.desk.now(),
        };
        policies.insert(name.clone(), policy);
    }
    if policies.len() > IN_FORCE_MAX {
        let reason = format!("more than {IN_FORCE_MAX} names would be in force");
        errors.push(FieldError::new("policies", reason));
    }
    Ok(if errors.is_empty() { Ok(policies) } else { Err(errors) })
}

/// The policies that decide now, by name: SHA-256 over the schema and all of them.
fn basis(pdp: &Pdp) -> String {
    hex(&pdp.digest())
}

/// What is in force, and what is to be added to the files.
fn asked(
    ground: &Ground<'_>,
    change: &PolicyChange,
    policies: &BTreeMap<String, StoredPolicy>,
) -> (Present, Vec<Added>) {
    let snapshot = ground.snapshot();
    let present = Present {
        schema: Arc::clone(snapshot.schema()),
        pdp: snapshot.shared_pdp(),
        book: Arc::clone(snapshot.book()),
        own: snapshot.own_policies(),
    };
    let added = |it: &StoredPolicy| Added {
        source: it.source(),
        cases: it.cases.clone(),
        is_new: change.policies.contains_key(&it.name),
    };
    (present, policies.values().map(added).collect())
}

/// The decision point as it would be, or why there can be none.
async fn loaded(
    ground: &Ground<'_>,
    change: &PolicyChange,
    policies: &BTreeMap<String, StoredPolicy>,
) -> Result<Result<Pdp, Vec<Fault>>, Problem> {
    let (present, added) = asked(ground, change, policies);
    let loaded = tokio::task::spawn_blocking(move || checked(&present, &added)).await;
    loaded.map_err(|_| DeskError::Broken.into())
}

/// Works out what comes of `policies`, off the threads that serve requests and one after another. Whoever would wait long
/// is told to come back.
async fn weighed(
    guarded: &Guarded<'_>,
    ground: &Ground<'_>,
    (change, policies): (&PolicyChange, &BTreeMap<String, StoredPolicy>),
) -> Result<Result<Impact, Vec<Fault>>, Problem> {
    let (present, added) = asked(ground, change, policies);
    let turn = tokio::time::timeout(WAIT_MAX, guarded.desk.weighing()).await;
    let mut scales = turn.map_err(|_| Problem::not_done())?;
    let weighed = tokio::task::spawn_blocking(move || scales.weigh(&present, &added)).await;
    weighed.map_err(|_| DeskError::Broken.into())
}

/// The effect of a change on what is in force.
async fn effect(
    guarded: &Guarded<'_>,
    ground: &Ground<'_>,
    change: &PolicyChange,
) -> Result<EffectBody, Problem> {
    let basis = basis(ground.snapshot().pdp());
    let policies = match after(guarded, change).await? {
        Ok(policies) => policies,
        Err(errors) => return Ok(EffectBody::of(basis, Err(errors))),
    };
    let weighed = weighed(guarded, ground, (change, &policies)).await?;
    let told = weighed.as_ref().map_err(|faults| field_errors(faults, change));
    Ok(EffectBody::of(basis, told))
}

/// The faults, at the fields of the change they are about.
fn field_errors(faults: &[Fault], change: &PolicyChange) -> Vec<FieldError> {
    let field = |fault: &Fault| {
        let name = change.policies.keys().find(|name| source_name(name) == fault.source);
        let part = if fault.in_cases { "cases" } else { "text" };
        name.map_or_else(
            || format!("policies ({})", fault.source),
            |name| format!("policies[{name}].{part}"),
        )
    };
    faults.iter().map(|fault| FieldError::new(field(fault), fault.message.clone())).collect()
}
