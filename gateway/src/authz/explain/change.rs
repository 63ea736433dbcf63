//! Looks for the smallest change of the data that would allow what was denied.
//!
//! Every change is tried: the entities are changed, prepared and asked about again. First each change by itself;
//! where none helps, two at a time.

mod candidates;

use std::collections::HashSet;

use serde::Serialize;
use serde_json::{Map, Value};

use self::candidates::candidates;
use super::slice::Slice;
use super::{Inquiry, Scene};
use crate::authz::pdp::Pdp;
use crate::model::{ActionId, EntityRecord, EntityUid};

/// Most changes tried by themselves; more are those of a policy set nobody could read.
const SINGLES_MAX: usize = 512;

/// Most pairs of changes tried: about a second of work.
const PAIRS_MAX: usize = 4_096;

/// Most remedies told: what a person reads.
const REMEDIES_MAX: usize = 6;

/// One change of the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// The principal gets a role on a node.
    Role {
        /// The role.
        role: String,
        /// The node.
        on: EntityUid,
    },
    /// The API client gets a scope.
    Scope {
        /// The scope.
        scope: String,
    },
    /// An attribute of an entity gets another value.
    Attribute {
        /// The entity.
        of: EntityUid,
        /// The attribute; fields of records after dots.
        attribute: String,
        /// What it is.
        from: Value,
        /// What it would have to be; `None` for any value that no policy names.
        to: Option<Value>,
    },
}

/// Changes that, together, would allow what was denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// The changes, one or two.
    pub changes: Vec<Change>,
    /// How many further actions on the same resource the principal could do then.
    pub opens: usize,
}

/// A value that stands for one that no policy names. Cedar ids and plan names do not look like this.
const UNNAMED: &str = "\u{1}any other";

pub(super) struct Search<'a> {
    pdp: &'a Pdp,
    inquiry: &'a Inquiry<'a>,
    slice: &'a Slice,
    scene: &'a Scene,
    /// The actions somebody like this can ask for on the resource.
    actions: Vec<ActionId>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        pdp: &'a Pdp,
        inquiry: &'a Inquiry<'a>,
        slice: &'a Slice,
        scene: &'a Scene,
    ) -> Self {
        let kind = inquiry.resource.kind();
        let actions = pdp.actions().filter_map(|action| ActionId::parse(action).ok());
        let actions = actions.filter(|action| pdp.schema().action_accepts(action, kind)).collect();
        Self { pdp, inquiry, slice, scene, actions }
    }

    /// The remedies found, the one that opens least first.
    pub(super) fn run(&self) -> Vec<Remedy> {
        let mut singles = candidates(self.pdp, self.inquiry, self.slice, self.scene);
        singles.truncate(SINGLES_MAX);
        let before = self.allowed(self.scene);
        let mut found: Vec<Remedy> =
            singles.iter().filter_map(|change| self.attempt(&[change], before)).collect();
        if found.is_empty() {
            let pairs = singles.iter().enumerate().flat_map(|(number, first)| {
                singles.iter().skip(number + 1).map(move |second| [first, second])
            });
            let tried = pairs.take(PAIRS_MAX);
            found = tried.filter_map(|pair| self.attempt(&pair, before)).collect();
        }
        ranked(found)
    }

    /// Single changes that help, while `go_on` says so: `None` when it stopped before all were tried.
    pub(super) fn run_while(&self, go_on: &dyn Fn() -> bool) -> Option<Vec<Remedy>> {
        let mut singles = candidates(self.pdp, self.inquiry, self.slice, self.scene);
        singles.truncate(SINGLES_MAX);
        let before = self.allowed(self.scene);
        let mut found = Vec::new();
        for change in &singles {
            if !go_on() {
                return None;
            }
            found.extend(self.attempt(&[change], before));
        }
        Some(ranked(found))
    }

    /// What the changes would bring, if they allow what was denied.
    fn attempt(&self, changes: &[&Change], before: usize) -> Option<Remedy> {
        let mut principal = self.inquiry.principal.clone();
        let mut records = self.slice.records.clone();
        for change in changes {
            apply(change, &mut principal, &mut records)?;
        }
        // A change that does not fit the schema is no change.
        let scene = Scene::set(self.pdp, self.inquiry, &records, &principal).ok()?;
        let allowed = scene.decide(self.pdp, self.inquiry).allowed();
        allowed.then(|| Remedy {
            changes: changes.iter().map(|change| told(change)).collect(),
            opens: self.allowed(&scene).saturating_sub(before + 1),
        })
    }

    /// How many actions on the resource are allowed.
    fn allowed(&self, scene: &Scene) -> usize {
        let decide =
            |action: &&ActionId| scene.decide_other(self.pdp, self.inquiry, action).allowed();
        self.actions.iter().filter(decide).count()
    }
}

/// The first few, the one that opens least first, and of each kind the nearest.
fn ranked(mut found: Vec<Remedy>) -> Vec<Remedy> {
    // A stable sort: of equals, the one on the nearer node stays in front.
    found.sort_by_key(|remedy| remedy.opens);
    let mut kinds = HashSet::new();
    found.retain(|remedy| kinds.insert(remedy.changes.iter().map(kind).collect::<Vec<_>>()));
    found.truncate(REMEDIES_MAX);
    found
}

/// Changes of one kind differ only in where they are made: the nearest is told.
fn kind(change: &Change) -> (String, String) {
    match change {
        Change::Role { role, .. } => ("role".to_owned(), role.clone()),
        Change::Scope { scope } => ("scope".to_owned(), scope.clone()),
        Change::Attribute { of, attribute, .. } => (of.to_string(), attribute.clone()),
    }
}

/// The change as it is told: the value that stands for any other is left out.
fn told(change: &Change) -> Change {
    let mut change = change.clone();
    if let Change::Attribute { to, .. } = &mut change
        && to.as_ref().is_some_and(|value| value == UNNAMED)
    {
        *to = None;
    }
    change
}

/// Makes the change; `None` when there is nothing to change.
fn apply(
    change: &Change,
    principal: &mut EntityRecord,
    records: &mut [EntityRecord],
) -> Option<()> {
    match change {
        Change::Role { role, on } => {
            let roles = principal.attributes.get_mut("roles")?.get_mut(role)?.as_array_mut()?;
            let (kind, id) = (on.kind(), on.id());
            roles.push(serde_json::json!({ "__entity": { "type": kind, "id": id } }));
        }
        Change::Scope { scope } => {
            let scopes = principal.attributes.get_mut("scopes")?.as_array_mut()?;
            scopes.push(Value::from(scope.as_str()));
        }
        Change::Attribute { of, attribute, to, .. } => {
            let record = if *of == principal.uid {
                principal
            } else {
                records.iter_mut().find(|record| record.uid == *of)?
            };
            *field(&mut record.attributes, attribute)? = to.clone()?;
        }
    }
    Some(())
}

/// The value of an attribute, or of a field of it.
fn field<'v>(attributes: &'v mut Map<String, Value>, path: &str) -> Option<&'v mut Value> {
    let mut names = path.split('.');
    let mut value = attributes.get_mut(names.next()?)?;
    for name in names {
        value = value.get_mut(name)?;
    }
    Some(value)
}
