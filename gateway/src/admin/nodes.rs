//! The nodes of an organisation's tree that roles are given on: operators, sub-accounts, teams and what stands below them.
//!
//! They are the hub's, and come by files or by push: what stands in the tree is what every decision rests on, so no role
//! of the organisation changes it here. Here they are found.

pub(super) mod list;
pub(super) mod show;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::model::{EntityRecord, EntityUid, Source};

/// A node of the tree.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NodeBody {
    /// Its name, as roles are given on it.
    #[schema(example = "Team::t-1")]
    id: String,
    /// Its type in the schema.
    #[serde(rename = "type")]
    #[schema(example = "Team")]
    kind: String,
    /// The nodes it stands right below.
    parents: Vec<String>,
    /// Its attributes, as the schema has them.
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    /// Where it comes from: `hub` for what was pushed, `file`, or `api` for the main account of an organisation the
    /// platform created.
    #[schema(example = "hub")]
    source: &'static str,
}

impl NodeBody {
    fn shown(record: EntityRecord, source: Source) -> Value {
        json!(Self {
            id: record.uid.to_string(),
            kind: record.uid.kind().to_owned(),
            parents: record.parents.iter().map(ToString::to_string).collect(),
            attributes: record.attributes,
            source: source.name(),
        })
    }
}

/// Where a node comes from: what is not kept stands in files, or is the root of an organisation that was `created`.
fn source_of(node: &EntityUid, kept: &BTreeMap<EntityUid, Source>, created: bool) -> Source {
    kept.get(node).copied().unwrap_or(if created { Source::Api } else { Source::File })
}
