//! Which action manages what a change of data changes: so that whoever may make it can be found by deciding.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::change::Change;
use super::slice::{Records, at_and_above};
use crate::authz::schema::PolicySchema;
use crate::model::{ActionId, EntityUid};

/// For roles, scopes and attributes the action that changes them. It is asked on the node the role is given
/// on, on the entity whose attribute it is, or on the organisation's root for scopes; where the action is for no
/// such resource, on the nearest one above that it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeTable {
    /// By role; `*` for every other one.
    role: BTreeMap<String, ActionId>,
    /// By scope; `*` for every other one.
    scope: BTreeMap<String, ActionId>,
    /// By `Type.attribute`.
    attribute: BTreeMap<String, ActionId>,
}

impl ChangeTable {
    /// The action that makes this change; `None` when the table does not say.
    fn action(&self, change: &Change) -> Option<&ActionId> {
        match change {
            Change::Role { role, .. } => self.giving(role),
            Change::Scope { scope } => self.scope.get(scope).or_else(|| self.scope.get("*")),
            Change::Attribute { of, attribute, .. } => {
                let first = attribute.split('.').next().unwrap_or_default();
                self.attribute.get(&format!("{}.{first}", of.kind()))
            }
        }
    }

    /// The action that gives a role, and takes it away.
    pub fn giving(&self, role: &str) -> Option<&ActionId> {
        self.role.get(role).or_else(|| self.role.get("*"))
    }

    /// The action that makes this change, and on what it is asked: nothing where it is for nothing at or above
    /// what changes. `root` is the organisation's: scopes are given there. `None` when the table does not say.
    pub fn making(
        &self,
        change: &Change,
        root: &EntityUid,
        (schema, records): (&PolicySchema, &dyn Records),
    ) -> Option<(&ActionId, Option<EntityUid>)> {
        let action = self.action(change)?;
        let start = match change {
            Change::Role { on, .. } => on,
            Change::Attribute { of, .. } => of,
            // A credential stands nowhere in the tree.
            Change::Scope { .. } => root,
        };
        let mut places = at_and_above(records, start).into_iter();
        Some((action, places.find(|uid| schema.action_accepts(action, uid.kind()))))
    }

    /// Where the table speaks of what the schema does not know: the key, and what is wrong.
    pub fn problems(&self, schema: &PolicySchema) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let tables = [("role", &self.role), ("scope", &self.scope), ("attribute", &self.attribute)];
        for (table, entries) in tables {
            for (name, action) in entries {
                if !schema.knows_action(action) {
                    let message = format!("the schema knows no action `{action}`");
                    problems.push((format!("{table}.{name}"), message));
                }
            }
        }
        for name in self.role.keys().filter(|name| *name != "*" && !schema.knows_role(name)) {
            let message = format!("the schema knows no role `{name}`");
            problems.push((format!("role.{name}"), message));
        }
        for name in self.attribute.keys() {
            let known = name
                .split_once('.')
                .is_some_and(|(kind, attribute)| schema.knows_attribute(kind, attribute));
            if !known {
                let message = format!("the schema knows no attribute `{name}` (`Type.attribute`)");
                problems.push((format!("attribute.{name}"), message));
            }
        }
        problems
    }
}
