//! Reads attributes along the schema: the plain ways to write a value, as the value Cedar makes of it.
//!
//! What is not plain, and above all what is wrong, is for Cedar's own parser to judge, which costs more.
//! This must never read anything otherwise than Cedar does: a property test holds the two together.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use cedar_policy_core::ast::{Eid, EntityType, EntityUID, Name, PartialValue, Value};
use cedar_policy_core::entities::{EntityTypeDescription, Schema as _, SchemaType};
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::validator::{CoreSchema, ValidatorSchema};
use serde_json::{Map, Value as Json};

/// How entities of one type are written.
#[derive(Debug)]
pub(super) struct EntityForm {
    attributes: BTreeMap<String, Field>,
    required: usize,
    /// The types of entities it may stand below.
    parents: HashSet<String>,
}

#[derive(Debug)]
struct Field {
    form: Form,
    is_required: bool,
}

/// How a value of one type is written.
#[derive(Debug)]
enum Form {
    Bool,
    Long,
    String,
    Entity {
        kind: EntityType,
        name: String,
        /// The ids there are, where the schema lists them.
        ids: Option<BTreeSet<String>>,
    },
    Set(Box<Form>),
    Record {
        fields: BTreeMap<String, Field>,
        required: usize,
    },
    /// A value of an extension, by its constructor.
    Extension(Name, &'static str),
}

impl EntityForm {
    /// `None` when entities of the type are for Cedar alone to judge.
    pub(super) fn of(schema: &ValidatorSchema, kind: &EntityType) -> Option<Self> {
        let core = CoreSchema::new(schema);
        let described = core.entity_type(kind)?;
        if ids(&core, kind)?.is_some() || described.open_attributes() {
            return None;
        }
        let mut attributes = BTreeMap::new();
        for (name, attribute) in schema.get_entity_type(kind)?.attributes().iter() {
            let form = Form::of(&core, &described.attr_type(name)?)?;
            let is_required = attribute.is_required();
            attributes.insert(name.to_string(), Field { form, is_required });
        }
        let parents = described.allowed_parent_types();
        let parents = parents.iter().filter(|parent| matches!(ids(&core, parent), Some(None)));
        Some(Self {
            required: attributes.values().filter(|field| field.is_required).count(),
            attributes,
            parents: parents.map(ToString::to_string).collect(),
        })
    }

    /// Whether an entity may stand below one of type `kind`; when not, Cedar is to judge.
    pub(super) fn may_stand_below(&self, kind: &str) -> bool {
        self.parents.contains(kind)
    }

    /// The values of the attributes; `None` when Cedar is to judge.
    pub(super) fn read<'j>(
        &self,
        attributes: &'j Map<String, Json>,
    ) -> Option<Vec<(&'j str, PartialValue)>> {
        let values = fields(&self.attributes, self.required, attributes)?.into_iter();
        Some(values.map(|(name, value)| (name, PartialValue::Value(value))).collect())
    }
}

impl Form {
    fn of(core: &CoreSchema<'_>, kind: &SchemaType) -> Option<Self> {
        Some(match kind {
            SchemaType::Bool => Self::Bool,
            SchemaType::Long => Self::Long,
            SchemaType::String => Self::String,
            SchemaType::Entity { ty } => {
                Self::Entity { kind: ty.clone(), name: ty.to_string(), ids: ids(core, ty)? }
            }
            SchemaType::Set { element_ty } => Self::Set(Box::new(Self::of(core, element_ty)?)),
            SchemaType::EmptySet | SchemaType::Record { open_attrs: true, .. } => return None,
            SchemaType::Record { attrs, open_attrs: false } => {
                let mut fields = BTreeMap::new();
                for (name, kind) in attrs {
                    // Such a name would be taken for an escape.
                    if name.starts_with("__") {
                        return None;
                    }
                    let form = Self::of(core, kind.schema_type())?;
                    fields
                        .insert(name.to_string(), Field { form, is_required: kind.is_required() });
                }
                let required = fields.values().filter(|field| field.is_required).count();
                Self::Record { fields, required }
            }
            SchemaType::Extension { name } => {
                let constructor = constructor(&name.to_string())?;
                Self::Extension(Name::parse_unqualified_name(constructor).ok()?, constructor)
            }
        })
    }

    fn read(&self, json: &Json) -> Option<Value> {
        match (self, json) {
            (Self::Bool, Json::Bool(value)) => Some(Value::from(*value)),
            (Self::Long, Json::Number(number)) => number.as_i64().map(Value::from),
            (Self::String, Json::String(text)) => Some(Value::from(text.as_str())),
            (Self::Entity { kind, name, ids }, Json::Object(written)) => {
                let id = reference(written, name)?;
                let there_is = ids.as_ref().is_none_or(|ids| ids.contains(id));
                let uid = || EntityUID::from_components(kind.clone(), Eid::new(id), None);
                there_is.then(|| Value::from(uid()))
            }
            (Self::Set(form), Json::Array(members)) => {
                let members: Option<Vec<Value>> = members.iter().map(|it| form.read(it)).collect();
                Some(Value::set(members?, None))
            }
            (Self::Record { fields: known, required }, Json::Object(written)) => {
                Some(Value::record(fields(known, *required, written)?, None))
            }
            (Self::Extension(name, constructor), json) => {
                let argument = Value::from(argument(json, constructor)?);
                let function = Extensions::all_available().func(name).ok()?;
                match function.call(&[argument]).ok()? {
                    PartialValue::Value(value) => Some(value),
                    PartialValue::Residual(_) => None,
                }
            }
            _ => None,
        }
    }
}

/// Every field there is, each known, and every one that must be there.
fn fields<'j>(
    known: &BTreeMap<String, Field>,
    required: usize,
    written: &'j Map<String, Json>,
) -> Option<Vec<(&'j str, Value)>> {
    let mut read = Vec::with_capacity(written.len());
    let mut found = 0;
    for (name, json) in written {
        let field = known.get(name)?;
        found += usize::from(field.is_required);
        read.push((name.as_str(), field.form.read(json)?));
    }
    (found == required).then_some(read)
}

/// The id in `{"__entity": {"type", "id"}}` or `{"type", "id"}`, if it is of type `kind`.
fn reference<'j>(written: &'j Map<String, Json>, kind: &str) -> Option<&'j str> {
    let named = match written.get("__entity") {
        Some(Json::Object(named)) if written.len() == 1 => named,
        Some(_) => return None,
        None => written,
    };
    let is_kind = named.len() == 2 && named.get("type").and_then(Json::as_str) == Some(kind);
    if is_kind { named.get("id").and_then(Json::as_str) } else { None }
}

/// The argument in `{"__extn": {"fn", "arg"}}`, or the text that stands for it.
fn argument<'j>(json: &'j Json, constructor: &str) -> Option<&'j str> {
    let Json::Object(written) = json else { return json.as_str() };
    let call = written.get("__extn").and_then(Json::as_object)?;
    let is_call = written.len() == 1
        && call.len() == 2
        && call.get("fn").and_then(Json::as_str) == Some(constructor);
    if is_call { call.get("arg").and_then(Json::as_str) } else { None }
}

/// The function that makes a value of an extension's type from text.
fn constructor(kind: &str) -> Option<&'static str> {
    match kind {
        "ipaddr" => Some("ip"),
        "decimal" => Some("decimal"),
        "datetime" => Some("datetime"),
        "duration" => Some("duration"),
        _ => None,
    }
}

/// The ids that entities of this type may have, where the schema lists them; `None` for a type that is judged
/// otherwise.
#[expect(clippy::option_option, reason = "one says whether there is a list, one whether to look")]
fn ids(core: &CoreSchema<'_>, kind: &EntityType) -> Option<Option<BTreeSet<String>>> {
    let described = core.entity_type(kind)?;
    if described.is_external() || kind.is_action() {
        return None;
    }
    let text = |id: &Eid| AsRef::<str>::as_ref(id).to_owned();
    Some(described.enum_entity_eids().map(|ids| ids.iter().map(text).collect()))
}

#[cfg(test)]
mod tests;
