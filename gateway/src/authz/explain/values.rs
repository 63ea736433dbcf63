//! Cedar values as people read them.

use cedar_policy_core::ast::{EntityUID, Literal, Value, ValueKind};

use crate::authz::entity::model_uid;

/// Most members of a set that are told; the rest is counted.
const MEMBERS_MAX: usize = 12;

/// A value in one line: entities as `Type::id`, text in quotes, sets in braces.
pub(super) fn shown(value: &Value) -> String {
    match value.value_kind() {
        ValueKind::Lit(Literal::EntityUID(uid)) => name(uid),
        ValueKind::Lit(Literal::String(text)) => format!("{text:?}"),
        ValueKind::Lit(literal) => literal.to_string(),
        ValueKind::Set(set) => {
            let mut members: Vec<String> = set.iter().map(shown).collect();
            members.sort_unstable();
            let more = members.len().saturating_sub(MEMBERS_MAX);
            members.truncate(MEMBERS_MAX);
            if more > 0 {
                members.push(format!("and {more} more"));
            }
            format!("{{{}}}", members.join(", "))
        }
        ValueKind::Record(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name}: {}", shown(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        ValueKind::ExtensionValue(_) => value.to_string(),
    }
}

/// An entity as we write it.
pub(super) fn name(uid: &EntityUID) -> String {
    model_uid(uid).map_or_else(|| uid.to_string(), |uid| uid.to_string())
}
