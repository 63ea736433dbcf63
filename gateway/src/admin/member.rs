//! Members as the administration API shows and takes them, and who may change what of them.
//!
//! Whoever changes a member must be allowed to give every role that the change touches; whoever changes who a member
//! *is* (the name, how they sign in, whether they may at all) must be allowed to give every role they have. So nobody
//! reaches further by a member than they reach by themselves.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::guard::Questions;
use super::problem::{FieldError, Problem};
use crate::authz::Partition;
use crate::directory::{Identity, Member, Members, person, principal_entity};
use crate::model::{ActionId, ConnectionId, EntityUid, MemberId, RoleAssignment, Source};
use crate::pipeline::{Entered, Ground, QUESTIONS_MAX};

/// The type of members in the schema.
pub(super) const MEMBER: &str = "User";

/// Most roles of a member: all of them travel into each decision.
const ROLES_MAX: usize = QUESTIONS_MAX / 2;

/// Most ways to sign in: one a connection, and few organisations have more than two.
const IDENTITIES_MAX: usize = 16;

/// Longest name and address (RFC 5321 §4.5.3.1.3).
const TEXT_BYTES_MAX: usize = 254;

/// Longest attributes of a member, in bytes of JSON.
const ATTRIBUTES_BYTES_MAX: usize = 4 * 1024;

/// A role on a node; it reaches everything below.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleBody {
    /// The role, as the schema of the policies spells it.
    #[schema(example = "support_agent")]
    role: String,
    /// The node.
    #[schema(example = "Operator::nordvolt")]
    on: String,
}

/// One way a member signs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentityBody {
    /// The connection to the identity provider.
    #[schema(example = "entra")]
    connection: String,
    /// The subject there (`sub`), byte for byte.
    #[schema(example = "248289761001")]
    subject: String,
}

/// What can be written of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MemberWritten {
    /// Shown to people.
    #[schema(example = "Ada Admin")]
    pub(super) name: String,
    /// Shown to people; it never identifies anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "ada@nordvolt.example")]
    pub(super) email: Option<String>,
    /// A disabled member may do nothing.
    #[serde(default)]
    pub(super) disabled: bool,
    /// What they may be, and where.
    #[serde(default)]
    pub(super) roles: Vec<RoleBody>,
    /// How they sign in; nobody without one can.
    #[serde(default)]
    pub(super) identities: Vec<IdentityBody>,
    /// Further attributes policies read, in Cedar's entity JSON.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(super) attributes: Map<String, Value>,
}

/// What changes of a member: what is left out stays, `null` takes away.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes what a merge patch of `MemberWritten` may say")]
pub(super) struct MemberPatch {
    /// Shown to people.
    name: Option<String>,
    /// Shown to people; it never identifies anybody.
    email: Option<String>,
    /// A disabled member may do nothing.
    disabled: Option<bool>,
    /// What they may be, and where; the list is replaced whole.
    roles: Option<Vec<RoleBody>>,
    /// How they sign in; the list is replaced whole.
    identities: Option<Vec<IdentityBody>>,
    /// Further attributes policies read, in Cedar's entity JSON.
    #[schema(value_type = Option<Object>)]
    attributes: Option<Map<String, Value>>,
}

/// A member.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct MemberBody {
    /// The name policies and records use.
    #[schema(example = "ada")]
    id: String,
    /// Shown to people.
    #[schema(example = "Ada Admin")]
    name: String,
    /// Shown to people; it never identifies anybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// `active`, `disabled`, or `invited`: without a way to sign in.
    status: &'static str,
    /// What they may be, and where.
    roles: Vec<RoleBody>,
    /// How they sign in.
    identities: Vec<IdentityBody>,
    /// A disabled member may do nothing.
    disabled: bool,
    /// Further attributes policies read, in Cedar's entity JSON.
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    /// Where the member comes from, and is changed: `file`, `api` or `scim`.
    #[schema(example = "api")]
    source: &'static str,
}

impl MemberBody {
    pub(super) fn of(member: &Member) -> Self {
        let MemberWritten { name, email, disabled, roles, identities, attributes } =
            MemberWritten::of(member);
        let (id, status) = (member.id.to_string(), status(member));
        let source = member.source.name();
        Self { id, name, email, status, roles, identities, disabled, attributes, source }
    }

    /// As JSON.
    pub(super) fn shown(member: &Member) -> Value {
        serde_json::json!(Self::of(member))
    }
}

/// What a member can do for now, in a word.
pub(super) const fn status(member: &Member) -> &'static str {
    match (member.disabled, member.identities.is_empty()) {
        (true, _) => "disabled",
        (false, true) => "invited",
        (false, false) => "active",
    }
}

impl MemberWritten {
    /// What nobody in particular would be written as.
    pub(super) fn nobody() -> Self {
        Self { name: "nobody".to_owned(), ..Self::default() }
    }

    /// What a member would be written as.
    pub(super) fn of(member: &Member) -> Self {
        let identity = |it: &Identity| IdentityBody {
            connection: it.connection.to_string(),
            subject: it.subject.clone(),
        };
        Self {
            name: member.name.clone(),
            email: member.email.clone(),
            disabled: member.disabled,
            roles: member.roles.iter().map(RoleBody::of).collect(),
            identities: member.identities.iter().map(identity).collect(),
            attributes: member.attributes.clone(),
        }
    }

    /// The member it describes, as far as that can be told from it alone.
    pub(super) fn member(&self, id: MemberId, source: Source) -> Result<Member, Problem> {
        let mut errors = Vec::new();
        check_text(&mut errors, "name", &self.name);
        if let Some(email) = &self.email {
            check_text(&mut errors, "email", email);
            let one_at = email.split('@').filter(|part| !part.is_empty()).count() == 2
                && email.matches('@').count() == 1;
            if !one_at || email.contains(char::is_whitespace) {
                errors.push(FieldError::new("email", "an address is `name@domain`"));
            }
        }
        if self.roles.len() > ROLES_MAX {
            errors.push(FieldError::new("roles", format!("at most {ROLES_MAX} roles")));
        }
        if self.identities.len() > IDENTITIES_MAX {
            errors.push(FieldError::new("identities", format!("at most {IDENTITIES_MAX}")));
        }
        let roles: BTreeSet<_> = read_all(&mut errors, "roles", &self.roles, RoleBody::read);
        let read = IdentityBody::read;
        let identities: BTreeSet<_> = read_all(&mut errors, "identities", &self.identities, read);
        if self.attributes.contains_key("roles") {
            errors.push(FieldError::new("attributes", "roles are given under `roles`"));
        }
        if serde_json::json!(self.attributes).to_string().len() > ATTRIBUTES_BYTES_MAX {
            let reason = format!("at most {ATTRIBUTES_BYTES_MAX} bytes");
            errors.push(FieldError::new("attributes", reason));
        }
        if !errors.is_empty() {
            return Err(Problem::invalid(&errors));
        }
        Ok(Member {
            id,
            name: self.name.clone(),
            email: self.email.clone(),
            identities: identities.into_iter().collect(),
            roles: roles.into_iter().collect(),
            attributes: self.attributes.clone(),
            disabled: self.disabled,
            source,
        })
    }
}

fn check_text(errors: &mut Vec<FieldError>, field: &str, text: &str) {
    let fits = (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    if !fits {
        let reason = format!("1 to {TEXT_BYTES_MAX} bytes without control characters");
        errors.push(FieldError::new(field, reason));
    }
}

fn read_all<T, B>(
    errors: &mut Vec<FieldError>,
    field: &str,
    bodies: &[B],
    read: impl Fn(&B) -> Result<T, (&'static str, String)>,
) -> BTreeSet<T>
where
    T: Ord,
{
    let mut all = BTreeSet::new();
    for (number, body) in bodies.iter().enumerate() {
        match read(body) {
            Ok(read) => drop(all.insert(read)),
            Err((part, reason)) => {
                errors.push(FieldError::new(format!("{field}[{number}].{part}"), reason));
            }
        }
    }
    all
}

impl RoleBody {
    pub(super) fn of(role: &RoleAssignment) -> Self {
        Self { role: role.role.clone(), on: role.on.to_string() }
    }

    pub(super) fn read(&self) -> Result<RoleAssignment, (&'static str, String)> {
        let on = EntityUid::parse(&self.on).map_err(|error| ("on", error.to_string()))?;
        Ok(RoleAssignment { role: self.role.clone(), on })
    }
}

impl IdentityBody {
    fn read(&self) -> Result<Identity, (&'static str, String)> {
        let connection = ConnectionId::parse(&self.connection);
        let connection = connection.map_err(|error| ("connection", error.to_string()))?;
        // OpenID Connect Core 1.0 §2: `sub` must not exceed 255 ASCII characters.
        let fits = (1..=255).contains(&self.subject.len()) && self.subject.is_ascii();
        if !fits {
            return Err(("subject", "a subject has 1 to 255 ASCII characters".to_owned()));
        }
        Ok(Identity { connection, subject: self.subject.clone() })
    }
}

/// Checks a member against what is in force: its roles, its connections, its attributes, and who has its identities.
pub(super) fn check(
    ground: &Ground<'_>,
    members: &Members,
    (member, before): (&Member, Option<&Member>),
) -> Result<(), Problem> {
    let (partition, schema) = (ground.partition(), ground.partition().schema());
    let kept = before.map(|before| &before.roles[..]).unwrap_or_default();
    let mut errors = role_errors(partition, MEMBER, &member.roles, kept);
    for (number, identity) in member.identities.iter().enumerate() {
        let field = |part: &str| format!("identities[{number}].{part}");
        // What stays may have lost its connection since.
        if before.is_some_and(|before| before.identities.contains(identity)) {
            continue;
        }
        let found = ground.organisation().and_then(|it| person(it, identity));
        let Some(person) = found else {
            errors.push(FieldError::new(field("connection"), "there is no such connection"));
            continue;
        };
        if members.holder(&person).is_some_and(|holder| *holder != member.id) {
            errors.push(FieldError::new(field("subject"), "somebody else signs in as this"));
        }
    }
    if errors.is_empty()
        && let Ok(uid) = EntityUid::new(MEMBER, member.id.as_str())
    {
        let names = schema.role_names(MEMBER);
        let record = principal_entity(uid, &member.roles, names, member.attributes.clone());
        if let Err(error) = partition.principal(&record) {
            errors.push(FieldError::new("attributes", error.to_string()));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(&errors)) }
}

/// What is wrong with roles of a principal of type `kind`, in a list called `roles`; those in `kept` may have lost their
/// node since.
pub(super) fn role_errors(
    partition: &Partition,
    kind: &str,
    roles: &[RoleAssignment],
    kept: &[RoleAssignment],
) -> Vec<FieldError> {
    let wrong = |role: &RoleAssignment| match partition.schema().role_node(kind, &role.role) {
        None => Some(("role", format!("a `{kind}` has no such role"))),
        Some(node) if node != role.on.kind() => {
            Some(("on", format!("this role is given on a `{node}`")))
        }
        Some(_) if !partition.contains(&role.on) => {
            Some(("on", "there is no such node".to_owned()))
        }
        Some(_) => None,
    };
    let new = roles.iter().enumerate().filter(|(_, role)| !kept.contains(role));
    let told = new.filter_map(|(number, role)| {
        let (part, reason) = wrong(role)?;
        Some(FieldError::new(format!("roles[{number}].{part}"), reason))
    });
    told.collect()
}

/// The questions about giving or taking `roles`; about the whole organisation, where there are none or one cannot be
/// asked about.
pub(super) fn about_roles<'r>(
    entered: &Entered,
    manage: &ActionId,
    roles: impl IntoIterator<Item = &'r RoleAssignment>,
) -> Questions {
    let mut roles = roles.into_iter().peekable();
    let whole = || entered.root().map(|root| (manage.clone(), root.clone()));
    if roles.peek().is_none() {
        return whole().into_iter().collect();
    }
    let partition = entered.partition();
    let about = |role: &RoleAssignment| {
        // A role nobody could give is taken back by whoever may do everything here.
        let asked = entered.giving(&role.role).filter(|action| {
            partition.contains(&role.on)
                && partition.schema().action_accepts(action, role.on.kind())
        });
        asked.map(|action| (action.clone(), role.on.clone())).or_else(whole)
    };
    let questions: BTreeSet<_> = roles.filter_map(about).collect();
    questions.into_iter().collect()
}

/// The questions about a change of a member.
pub(super) fn about_change(
    entered: &Entered,
    manage: &ActionId,
    (before, after): (&Member, &Member),
) -> Questions {
    let given = after.roles.iter().filter(|role| !before.roles.contains(role));
    let taken = before.roles.iter().filter(|role| !after.roles.contains(role));
    let moved = given.chain(taken);
    let same = same_person(before, after);
    let mut moved = moved.peekable();
    // What was sent again, and is so already, is asked about as a change of who the member is.
    let mut questions = if same && moved.peek().is_some() {
        about_roles(entered, manage, moved)
    } else {
        about_roles(entered, manage, before.roles.iter().chain(moved))
    };
    // What a member reaches without a role, by attributes for one, no role's own action decides.
    let reaches_further = before.roles.is_empty() || !before.attributes.is_empty();
    if before.attributes != after.attributes || (!same && reaches_further) {
        questions.extend(entered.root().map(|root| (manage.clone(), root.clone())));
    }
    questions
}

/// Whether nothing differs but roles and attributes.
fn same_person(before: &Member, after: &Member) -> bool {
    let told = |member: &Member| {
        (member.name.clone(), member.email.clone(), member.disabled, member.identities.clone())
    };
    told(before) == told(after)
}

/// Where somebody may see a member: at one of the nodes they have a role on, or from the root.
pub(super) fn seen_at(entered: &Entered, view: &ActionId, member: &Member) -> Option<EntityUid> {
    let root = entered.root()?;
    let mut nodes = std::iter::once(root).chain(member.roles.iter().map(|role| &role.on));
    nodes.find(|node| may_at(entered, view, node)).cloned()
}

/// Whether who asks may do `action` at `node`, where that can be asked.
pub(super) fn may_at(entered: &Entered, action: &ActionId, node: &EntityUid) -> bool {
    let partition = entered.partition();
    partition.schema().action_accepts(action, node.kind()) && entered.may(action, node)
}
