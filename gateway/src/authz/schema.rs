//! The schema: which principals, actions, resources and facts policies may speak of.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use cedar_policy::Schema;
use cedar_policy_core::ast::{Eid, Entity, EntityType, EntityUID, RequestSchema};
use cedar_policy_core::entities::Dereference;
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::validator::types::{EntityKind, RequestEnv, Type};
use cedar_policy_core::validator::{ValidationMode, ValidatorEntityTypeKind, ValidatorSchema};
use sha2::{Digest, Sha256};

use super::context::{Facts, Reads, context};
use super::error::{PolicyError, Source};
use super::forms::EntityForm;
use crate::model::{ActionId, AuthMethod, EntityUid, Scopes, UnixNanos};

/// An entity type by number: the same text gives the same numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Kind(u32);

/// An action by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ActionNumber(u32);

/// One shape a request can have: the schema says this action is for such a principal and resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Environment {
    pub(super) principal: Kind,
    pub(super) action: ActionNumber,
    pub(super) resource: Kind,
}

/// An action that requests can ask for.
#[derive(Debug)]
pub(super) struct Action {
    pub(super) number: ActionNumber,
    pub(super) uid: Arc<EntityUID>,
    pub(super) entity: Arc<Entity>,
    /// Itself and every group it is in.
    pub(super) closure: HashSet<EntityUID>,
}

/// A parsed schema, with what the gateway asks of it worked out.
#[derive(Debug)]
pub struct PolicySchema {
    cedar: Schema,
    digest: [u8; 32],
    roles: BTreeMap<String, BTreeMap<String, String>>,
    kinds: HashMap<String, (Kind, EntityType)>,
    forms: HashMap<Kind, EntityForm>,
    principal_kinds: HashSet<Kind>,
    actions: BTreeMap<String, Action>,
    environments: HashSet<Environment>,
}

impl PolicySchema {
    /// Reads a schema in Cedar's own notation.
    ///
    /// # Errors
    /// [`PolicyError`] when the text is no schema, Cedar warns about it, or an action's context cannot
    /// hold what the gateway says about a request ([`Facts`]).
    pub fn parse(name: &str, text: &str) -> Result<Self, PolicyError> {
        let source = Source::new(name, text);
        let (cedar, warnings) = Schema::from_cedarschema_str(text)
            .map_err(|error| PolicyError::from_cedar(&source, &error))?;
        if let Some(warning) = warnings.into_iter().next() {
            return Err(PolicyError::from_cedar(&source, &warning));
        }
        let kinds = kinds_of(cedar.as_ref());
        let actions = actions_of(&cedar, &source)?;
        check_contexts(cedar.as_ref(), &actions, &source)?;
        let environments = environments_of(cedar.as_ref(), &kinds, &actions);
        Ok(Self {
            digest: Sha256::digest(text.as_bytes()).into(),
            roles: roles_of(cedar.as_ref()),
            principal_kinds: environments.iter().map(|e| e.principal).collect(),
            forms: forms_of(cedar.as_ref(), &kinds),
            cedar,
            kinds,
            actions,
            environments,
        })
    }

    /// The roles a principal of type `principal` can be given: the keys of its `roles` record, in order.
    pub fn role_names(&self, principal: &str) -> impl Iterator<Item = &str> {
        self.roles.get(principal).into_iter().flatten().map(|(role, _)| role.as_str())
    }

    /// The type of the nodes such a role is given on; `None` for a role there is not.
    pub fn role_node(&self, principal: &str, role: &str) -> Option<&str> {
        self.roles.get(principal)?.get(role).map(String::as_str)
    }

    /// Whether a principal of some type can be given this role.
    pub fn knows_role(&self, role: &str) -> bool {
        self.roles.values().any(|roles| roles.contains_key(role))
    }

    /// Whether entities of type `kind` can have this attribute.
    pub fn knows_attribute(&self, kind: &str, attribute: &str) -> bool {
        let core: &ValidatorSchema = self.cedar.as_ref();
        let kind = self.kinds.get(kind).and_then(|(_, kind)| core.get_entity_type(kind));
        kind.is_some_and(|kind| kind.attr(attribute).is_some())
    }

    /// The types of entities, in order.
    pub fn types(&self) -> Vec<&str> {
        let mut types: Vec<&str> = self.kinds.keys().map(String::as_str).collect();
        types.sort_unstable();
        types
    }

    /// SHA-256 of the text.
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The actions a request can ask for, in order of their names.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        self.actions.keys().map(String::as_str)
    }

    /// Whether a request can ask for `action` at all. Groups cannot be asked for.
    pub fn knows_action(&self, action: &ActionId) -> bool {
        self.action(action).is_some()
    }

    /// Whether `action` can be asked for on a resource of type `kind`, by any principal.
    pub fn action_accepts(&self, action: &ActionId, kind: &str) -> bool {
        let (Some(action), Some(kind)) = (self.action(action), self.kind(kind)) else {
            return false;
        };
        self.environments.iter().any(|e| e.action == action.number && e.resource == kind)
    }

    pub(super) fn cedar(&self) -> &Schema {
        &self.cedar
    }

    pub(super) fn kind(&self, name: &str) -> Option<Kind> {
        self.kinds.get(name).map(|(kind, _)| *kind)
    }

    /// The types of entities, in no order.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }

    /// The entity's name as Cedar holds it; `None` when the schema has no such type.
    pub(super) fn cedar_uid(&self, uid: &EntityUid) -> Option<EntityUID> {
        let (_, kind) = self.kinds.get(uid.kind())?;
        Some(EntityUID::from_components(kind.clone(), Eid::new(uid.id()), None))
    }

    /// Whether the schema lists the ids that entities of this type may have.
    pub(super) fn is_enumerated(&self, kind: &str) -> bool {
        let named = self.kinds.get(kind);
        named.is_some_and(|(_, name)| {
            let described = self.cedar.as_ref().get_entity_type(name);
            described.is_some_and(|it| matches!(it.kind, ValidatorEntityTypeKind::Enum(_)))
        })
    }

    /// How entities of this type are plainly written, if there is a plain way.
    pub(super) fn form(&self, kind: Kind) -> Option<&EntityForm> {
        self.forms.get(&kind)
    }

    pub(super) fn is_principal(&self, kind: Kind) -> bool {
        self.principal_kinds.contains(&kind)
    }

    pub(super) fn action(&self, action: &ActionId) -> Option<&Action> {
        self.actions.get(action.as_str())
    }

    pub(super) fn all_actions(&self) -> impl Iterator<Item = &Action> {
        self.actions.values()
    }

    pub(super) fn kind_names(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.kinds.iter().map(|(name, kind)| (name.as_str(), kind.0))
    }

    pub(super) const fn environments(&self) -> &HashSet<Environment> {
        &self.environments
    }
}

fn kinds_of(schema: &ValidatorSchema) -> HashMap<String, (Kind, EntityType)> {
    let mut types: Vec<&EntityType> = schema.entity_type_names().collect();
    types.sort_unstable();
    (0..).zip(types).map(|(n, kind)| (kind.to_string(), (Kind(n), kind.clone()))).collect()
}

fn forms_of(
    schema: &ValidatorSchema,
    kinds: &HashMap<String, (Kind, EntityType)>,
) -> HashMap<Kind, EntityForm> {
    let forms =
        kinds.values().filter_map(|(kind, name)| Some((*kind, EntityForm::of(schema, name)?)));
    forms.collect()
}

/// The actions with a principal and a resource; groups have neither.
fn actions_of(schema: &Schema, source: &Source) -> Result<BTreeMap<String, Action>, PolicyError> {
    let core: &ValidatorSchema = schema.as_ref();
    let entities = core
        .action_entities()
        .map_err(|error| PolicyError::new(source, format!("its actions do not fit: {error}")))?;
    let applicable: HashSet<EntityUID> = core
        .unlinked_request_envs(ValidationMode::Strict)
        .filter_map(|environment| environment.action_entity_uid().cloned())
        .collect();
    let mut sorted: Vec<EntityUID> = applicable.into_iter().collect();
    sorted.sort_unstable();
    let mut actions = BTreeMap::new();
    for (number, uid) in (0..).zip(sorted) {
        let Dereference::Data(entity) = entities.entity(&uid) else {
            continue;
        };
        let mut closure: HashSet<EntityUID> = entity.ancestors().cloned().collect();
        closure.insert(uid.clone());
        let name: &str = uid.eid().as_ref();
        let action = Action {
            number: ActionNumber(number),
            entity: Arc::new(entity.clone()),
            closure,
            uid: Arc::new(uid.clone()),
        };
        if actions.insert(name.to_owned(), action).is_some() {
            let message = format!("the action `{name}` is there in two namespaces");
            return Err(PolicyError::new(source, message));
        }
    }
    Ok(actions)
}

fn environments_of(
    schema: &ValidatorSchema,
    kinds: &HashMap<String, (Kind, EntityType)>,
    actions: &BTreeMap<String, Action>,
) -> HashSet<Environment> {
    let kind = |name: Option<&EntityType>| {
        name.and_then(|name| kinds.get(&name.to_string())).map(|(kind, _)| *kind)
    };
    let environment = |env: RequestEnv<'_>| {
        let name: &str = env.action_entity_uid()?.eid().as_ref();
        Some(Environment {
            principal: kind(env.principal_entity_type())?,
            action: actions.get(name)?.number,
            resource: kind(env.resource_entity_type())?,
        })
    };
    schema.unlinked_request_envs(ValidationMode::Strict).filter_map(environment).collect()
}

/// Types do not depend on values, so one sample per action stands for every request.
fn check_contexts(
    schema: &ValidatorSchema,
    actions: &BTreeMap<String, Action>,
    source: &Source,
) -> Result<(), PolicyError> {
    // One scope: an empty set would pass for a set of anything.
    let scopes = Scopes::new(["sample"])
        .map_err(|error| PolicyError::new(source, format!("its sample does not fit: {error}")))?;
    let sample = Facts {
        method: AuthMethod::None,
        connection: None,
        scopes: &scopes,
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        now: UnixNanos::default(),
    };
    let Some(context) = context(&sample, Reads::everything()) else {
        return Err(PolicyError::new(source, "the facts of a request cannot be expressed"));
    };
    for (name, action) in actions {
        schema.validate_context(&context, &action.uid, Extensions::all_available()).map_err(
            |error| {
                let wanted =
                    "{authentication: {method: String, connection: String}, network: {source: ipaddr}, \
                     operation: {scopes: Set<String>}, now: datetime}";
                let message = format!("the context of action `{name}` must be `{wanted}`: {error}");
                PolicyError::new(source, message)
            },
        )?;
    }
    Ok(())
}

/// The roles of each type that has some: an attribute `roles`, a record whose every field is a set of
/// entities of one type.
fn roles_of(schema: &ValidatorSchema) -> BTreeMap<String, BTreeMap<String, String>> {
    let node = |field: &Type| match field {
        Type::Set { element_type: Some(element) } => match &**element {
            Type::Entity(EntityKind::Entity(kind)) => {
                kind.get_single_entity().map(ToString::to_string)
            }
            _ => None,
        },
        _ => None,
    };
    let roles = |attribute: &Type| match attribute {
        Type::Record { attrs, .. } => attrs
            .iter()
            .filter_map(|(name, field)| Some((name.to_string(), node(&field.attr_type)?)))
            .collect(),
        _ => BTreeMap::new(),
    };
    schema
        .entity_types()
        .filter_map(|kind| Some((kind.name().to_string(), roles(&kind.attr("roles")?.attr_type))))
        .collect()
}
