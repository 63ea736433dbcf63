//! The organisation a matrix is computed on, as data: what there is in it, who asks, and what may be otherwise.

use std::collections::HashSet;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::schema::PolicySchema;
use super::super::world::Changes;
use crate::model::{ConnectionId, EntityRecord, EntityUid, RoleAssignment};

/// A small organisation, with the columns and rows of the matrix that is computed on it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// What the matrix is called.
    pub title: String,
    /// The API scopes that every operation accepts, unless a variant says otherwise.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The organisation's resources.
    #[serde(rename = "entity")]
    pub entities: Vec<EntityRecord>,
    /// Which of them the actions are asked about: at least one of each type the schema has actions for.
    #[serde(rename = "sample")]
    pub samples: Vec<Sample>,
    /// Those who ask: the columns.
    #[serde(rename = "column")]
    pub columns: Vec<ProbeColumn>,
    /// What may be otherwise: every question is asked again under each.
    #[serde(default, rename = "variant")]
    pub variants: Vec<Variant>,
}

/// A resource that stands for all of its type.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The resource, one of the entities.
    pub entity: EntityUid,
    /// What rows about it are called; its type unless said. Two samples of a type need different ones.
    #[serde(default)]
    pub title: Option<String>,
}

/// Somebody who asks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeColumn {
    /// What the column is called.
    pub title: String,
    /// The columns it stands with.
    #[serde(default)]
    pub group: String,
    /// The principal.
    pub principal: EntityUid,
    /// The roles given, each on a node. Roles of the schema that are not named here are given nowhere.
    #[serde(default)]
    pub roles: Vec<RoleAssignment>,
    /// Further attributes of the principal.
    #[serde(default)]
    pub attributes: Map<String, Value>,
}

/// One thing that is otherwise than the probe says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// A short name, which stands in cells.
    pub name: String,
    /// What it means, in words.
    pub title: String,
    /// Attributes that are otherwise.
    #[serde(default)]
    pub given: Changes,
    /// The peer's address.
    #[serde(default)]
    pub source: Option<IpAddr>,
    /// The time.
    #[serde(default)]
    pub now: Option<jiff::Timestamp>,
    /// The API scopes the operation accepts.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The connection the person signed in by.
    #[serde(default)]
    pub connection: Option<ConnectionId>,
}

impl Sample {
    /// What rows about it are called.
    pub fn name(&self) -> &str {
        self.title.as_deref().unwrap_or_else(|| self.entity.kind())
    }
}

impl Variant {
    /// Whether the facts of the request are otherwise, and not the entities alone.
    pub(super) const fn changes_facts(&self) -> bool {
        self.source.is_some()
            || self.now.is_some()
            || !self.scopes.is_empty()
            || self.connection.is_some()
    }
}

impl ProbeColumn {
    /// The principal as an entity: every role of the schema is there, most of them given nowhere.
    pub(super) fn record(&self, schema: &PolicySchema) -> EntityRecord {
        let node = |on: &EntityUid| json!({ "__entity": { "type": on.kind(), "id": on.id() } });
        let names: Vec<&str> = schema.role_names(self.principal.kind()).collect();
        let mut attributes = self.attributes.clone();
        if !names.is_empty() {
            let given = |name: &str| -> Vec<Value> {
                let assigned = self.roles.iter().filter(|assignment| assignment.role == name);
                assigned.map(|assignment| node(&assignment.on)).collect()
            };
            let roles: Map<String, Value> =
                names.into_iter().map(|name| (name.to_owned(), Value::from(given(name)))).collect();
            attributes.insert("roles".to_owned(), Value::Object(roles));
        }
        EntityRecord { uid: self.principal.clone(), parents: Vec::new(), attributes }
    }
}

impl Probe {
    /// What is wrong with the probe itself, before it is asked anything.
    pub(super) fn faults(&self, schema: &PolicySchema) -> Vec<String> {
        let mut faults = Vec::new();
        let mut seen = HashSet::new();
        for column in &self.columns {
            if !seen.insert((&column.group, &column.title)) {
                faults.push(format!("the column `{}` is there twice", column.title));
            }
            let kind = column.principal.kind();
            for role in &column.roles {
                match schema.role_node(kind, &role.role) {
                    None => faults.push(format!(
                        "the column `{}` has the role `{}`, which the schema does not know for `{kind}`",
                        column.title, role.role
                    )),
                    Some(node) if node != role.on.kind() => faults.push(format!(
                        "the column `{}` has the role `{}` on `{}`; it is given on a `{node}`",
                        column.title, role.role, role.on
                    )),
                    Some(_) => {}
                }
            }
        }
        let mut seen = HashSet::new();
        for variant in &self.variants {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if variant.name.is_empty() || !variant.name.chars().all(fits) {
                faults.push(format!("`{}` is no variant's name: a-z, 0-9 and `-`", variant.name));
            }
            if !seen.insert(&variant.name) {
                faults.push(format!("the variant `{}` is there twice", variant.name));
            }
        }
        let mut seen = HashSet::new();
        for sample in &self.samples {
            if !self.entities.iter().any(|entity| entity.uid == sample.entity) {
                faults.push(format!("the sample `{}` is not among the entities", sample.entity));
            }
            if !seen.insert(sample.name()) {
                faults.push(format!("two samples are called `{}`", sample.name()));
            }
        }
        faults
    }
}
