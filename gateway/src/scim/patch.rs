//! Changes a resource as a PATCH says (RFC 7644 §3.5.2), all of it or nothing, in Entra ID's and Okta's dialects too.

use serde_json::{Map, Value};

use super::document::Document;
use super::document::read::{keyed, says_schema};
use super::error::{ScimError, quoted};
use super::filter::Chosen;
use super::kind::{ENTERPRISE_SCHEMA, Kind};
use super::path::Path;

mod apply;
mod chosen;
mod list;
#[cfg(test)]
mod tests;

/// The schema of a patch.
pub(super) const PATCH_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// Most operations of a patch: identity providers send ten or twenty at once.
pub(super) const OPERATIONS_MAX: usize = 100;

/// Most comparisons the filters of one patch may cost: a hundred members looked up in the largest group. At some 100 ns
/// each the patch still ends within a fraction of a second.
pub(super) const COMPARISONS_MAX: usize = 1_000_000;

/// A resource while it is changed.
#[derive(Debug)]
struct Work {
    kind: Kind,
    resource: Map<String, Value>,
    comparisons_left: usize,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Add,
    Replace,
    Remove,
}

/// What is done at a path.
#[derive(Clone, Copy, Debug)]
struct Change<'a> {
    verb: Verb,
    /// With what. Null is nothing (RFC 7643 §2.5), and still is not the same as nothing said.
    value: Option<&'a Value>,
}

/// The resource as the patch makes it. It was read again as a whole, as [`Document::read`] does.
///
/// Attributes that are not known, `password` among them, are dropped, as they are when a resource is made. A user who may
/// not sign in still may not when `active` is removed: only `true` lets somebody in again.
///
/// # Errors
/// 400 with the kind of RFC 7644 table 9: `invalidSyntax` if it is not a patch, or not of 1 to `OPERATIONS_MAX`
/// operations; `invalidPath` and `invalidFilter` for a path; `tooMany` if the filters cost more than `COMPARISONS_MAX`;
/// `noTarget` if there is nothing to work on; `mutability` for what only the server changes, and for a required
/// attribute removed; and what [`Document::read`] says.
pub fn patch(kind: Kind, document: &Document, body: &Value) -> Result<Document, ScimError> {
    let resource = document.attributes().clone();
    let mut work = Work { kind, resource, comparisons_left: COMPARISONS_MAX };
    for (index, operation) in operations(body)?.iter().enumerate() {
        work.apply(operation).map_err(|error| error.of_operation(index + 1))?;
    }
    if !document.active() {
        work.resource.entry("active").or_insert(Value::Bool(false));
    }
    Document::read(kind, &Value::Object(work.resource))
}

fn operations(body: &Value) -> Result<&[Value], ScimError> {
    let Some(body) = body.as_object() else {
        return Err(ScimError::invalid_syntax("the body is an object"));
    };
    // RFC 7644 §3.5.2: the body MUST contain `schemas` with the PatchOp URI, and MUST contain `Operations`.
    says_schema(body, PATCH_SCHEMA)?;
    let operations = keyed(body, "Operations").and_then(Value::as_array);
    let wanted = 1..=OPERATIONS_MAX;
    operations.filter(|given| wanted.contains(&given.len())).map(Vec::as_slice).ok_or_else(|| {
        let detail = format!("`Operations` is a list of 1 to {OPERATIONS_MAX} operations");
        ScimError::invalid_syntax(detail)
    })
}

impl Work {
    fn apply(&mut self, operation: &Value) -> Result<(), ScimError> {
        let Some(operation) = operation.as_object() else {
            return Err(ScimError::invalid_syntax("an operation is an object"));
        };
        let verb = Verb::read(keyed(operation, "op"))?;
        let change = Change { verb, value: keyed(operation, "value") };
        match keyed(operation, "path") {
            None | Some(Value::Null) => self.without_path(change),
            Some(Value::String(path)) if path.trim().is_empty() => self.without_path(change),
            Some(Value::String(path)) => self.at_path(Path::parse(self.kind, path)?, change),
            Some(_) => Err(ScimError::invalid_syntax("`path` is a text")),
        }
    }

    /// The value is an object, its keys are paths.
    fn without_path(&mut self, change: Change<'_>) -> Result<(), ScimError> {
        if change.verb == Verb::Remove {
            // RFC 7644 §3.5.2.2: without a path a remove fails with noTarget.
            return Err(ScimError::no_target("a remove has a `path`"));
        }
        let Some(values) = change.value.and_then(Value::as_object) else {
            return Err(ScimError::invalid_value("without a `path` the `value` is an object"));
        };
        for (key, value) in values {
            let path = Path::of_key(self.kind, key)?;
            // Okta sends the id of a group along.
            if matches!(&path, Path::Place(place) if place.attribute.name == "id") {
                continue;
            }
            self.at_path(path, Change { value: Some(value), ..change })?;
        }
        Ok(())
    }

    fn at_path(&mut self, path: Path, change: Change<'_>) -> Result<(), ScimError> {
        match path {
            Path::Place(place) => apply::at_place(&mut self.resource, place, change),
            Path::Chosen(chosen) => {
                self.charge(&chosen)?;
                chosen::at_chosen(&mut self.resource, &chosen, change)
            }
            Path::Extension => self.at_extension(change),
            Path::Unknown => Ok(()),
        }
    }

    /// The value is an object, its keys are attributes of the extension.
    fn at_extension(&mut self, change: Change<'_>) -> Result<(), ScimError> {
        match (change.verb, change.value) {
            (Verb::Remove, _) | (Verb::Replace, Some(Value::Null)) => {
                self.resource.remove(ENTERPRISE_SCHEMA);
            }
            (Verb::Add, Some(Value::Null)) => {}
            (_, Some(Value::Object(values))) => {
                for (key, value) in values {
                    let path = Path::of_key(self.kind, &format!("{ENTERPRISE_SCHEMA}:{key}"))?;
                    if let Path::Place(place) = path {
                        let change = Change { value: Some(value), ..change };
                        apply::at_place(&mut self.resource, place, change)?;
                    }
                }
            }
            _ => {
                let detail = format!("`{ENTERPRISE_SCHEMA}` is an object");
                return Err(ScimError::invalid_value(detail));
            }
        }
        Ok(())
    }

    /// Counts what a filter costs, before it is used.
    fn charge(&mut self, chosen: &Chosen) -> Result<(), ScimError> {
        let container = chosen.place.container(&self.resource);
        let held = container.and_then(|object| object.get(chosen.place.attribute.name));
        let values = held.and_then(Value::as_array).map_or(0, Vec::len);
        let cost = values.saturating_mul(chosen.elements.conditions());
        match self.comparisons_left.checked_sub(cost) {
            Some(left) => self.comparisons_left = left,
            None => return Err(ScimError::too_many("the filters of the patch compare too much")),
        }
        Ok(())
    }
}

impl Verb {
    fn read(given: Option<&Value>) -> Result<Self, ScimError> {
        let text = given.and_then(Value::as_str).unwrap_or_default();
        // Entra ID writes `Add`, `Replace` and `Remove`.
        match text.to_ascii_lowercase().as_str() {
            "add" => Ok(Self::Add),
            "replace" => Ok(Self::Replace),
            "remove" => Ok(Self::Remove),
            _ => {
                let detail = format!("`op` is add, replace or remove, not {}", quoted(text));
                Err(ScimError::invalid_syntax(detail))
            }
        }
    }
}

impl<'a> Change<'a> {
    /// The value of an add or a replace.
    fn wanted(self) -> Result<&'a Value, ScimError> {
        self.value.ok_or_else(|| ScimError::invalid_value("`value` is missing"))
    }
}
