//! API clients as the administration API shows and takes them, and who may change what of them.
//!
//! A key reaches the nodes its roles are on, so whoever makes or changes it is asked about each of them, and about each
//! role. A scope for the gateway's own operations is given by whoever may do themselves what it opens, so the scopes of
//! the hub's own services are nobody's to give here. A key gives no scope it does not have.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::event::timestamp;
use super::guard::Questions;
use super::member::{RoleBody, role_errors};
use super::operation::{OPERATIONS, Operation};
use super::problem::{FieldError, Problem};
use crate::audit::Item;
use crate::authn::{ApiKey, NewApiKey};
use crate::model::{
    ActionId, EntityUid, IdError, KeyId, RoleAssignment, TenantId, UnixNanos, network,
};
use crate::pipeline::{Entered, Ground};

/// The type of API clients in the schema.
const API_CLIENT: &str = "ApiClient";

/// What can be written of an API client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiClientWritten {
    /// What people call it.
    #[schema(example = "billing export")]
    pub(super) name: String,
    /// What it reaches: roles of API clients, as `client`.
    #[serde(default)]
    pub(super) roles: Vec<RoleBody>,
    /// What it may be used for; without one it can do what needs none.
    #[serde(default)]
    pub(super) scopes: Vec<String>,
    /// When it ends by itself (RFC 3339); never, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<String>,
    /// Where it may be used from, as `192.0.2.0/24`, at most 32 networks; everywhere, unless given.
    #[serde(default)]
    pub(super) networks: Vec<String>,
    /// A disabled client is refused until it is enabled.
    #[serde(default)]
    pub(super) disabled: bool,
}

/// What changes of an API client: what is left out stays, `null` takes away.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes what a merge patch of `ApiClientWritten` may say")]
pub(super) struct ApiClientPatch {
    /// What people call it.
    name: Option<String>,
    /// What it reaches; the list is replaced whole.
    roles: Option<Vec<RoleBody>>,
    /// What it may be used for; the list is replaced whole.
    scopes: Option<Vec<String>>,
    /// When it ends by itself (RFC 3339).
    expires: Option<String>,
    /// Where it may be used from; the list is replaced whole.
    networks: Option<Vec<String>>,
    /// A disabled client is refused until it is enabled.
    disabled: Option<bool>,
}

/// An API client.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiClientBody {
    /// The public half of its key, which records name.
    #[schema(example = "dechzjbaaqzx")]
    id: String,
    /// What people call it.
    #[schema(example = "billing export")]
    name: String,
    /// `active`, `disabled`, `expired` or `revoked`.
    status: &'static str,
    /// What it reaches.
    roles: Vec<RoleBody>,
    /// What it may be used for.
    scopes: Vec<String>,
    /// When it was made.
    created: String,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// Where it may be used from; everywhere, where none is named.
    networks: Vec<String>,
    /// A disabled client is refused until it is enabled.
    disabled: bool,
    /// Until when the secret before the present one counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_secret_until: Option<String>,
    /// When it was last used, to the minute; not there if it never was. It is no part of what
    /// `ETag` names, and only lists and `showApiClient` tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<String>,
}

/// An API client, with the secret that is shown this once.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes what an answer adds to `ApiClientBody`")]
pub(super) struct IssuedApiClientBody {
    #[serde(flatten)]
    client: ApiClientBody,
    /// The key to send as `Authorization: Bearer`; it cannot be shown again.
    token: String,
}

impl ApiClientBody {
    /// An API client as it is at `now`, as JSON.
    pub(super) fn shown(key: &ApiKey, now: UnixNanos) -> Value {
        let ApiClientWritten { name, roles, scopes, expires, networks, disabled } =
            ApiClientWritten::of(key);
        let previous = key.previous.filter(|previous| now < previous.until);
        serde_json::json!(Self {
            id: key.id.to_string(),
            name,
            status: status(key, now),
            roles,
            scopes,
            created: timestamp(key.created),
            expires,
            networks,
            disabled,
            previous_secret_until: previous.map(|previous| timestamp(previous.until)),
            last_used: None,
        })
    }

    /// The same, with its last use where that is known.
    pub(super) fn used(mut shown: Value, last: Option<&UnixNanos>) -> Value {
        if let (Some(body), Some(last)) = (shown.as_object_mut(), last) {
            body.insert("last_used".to_owned(), timestamp(*last).into());
        }
        shown
    }
}

/// What a key can do at `now`, in a word.
pub(super) fn status(key: &ApiKey, now: UnixNanos) -> &'static str {
    match (key.revoked, key.expires) {
        (Some(_), _) => "revoked",
        (None, Some(end)) if end <= now => "expired",
        _ if key.disabled => "disabled",
        _ => "active",
    }
}

impl ApiClientWritten {
    /// What a key would be written as.
    pub(super) fn of(key: &ApiKey) -> Self {
        Self {
            name: key.name.clone(),
            roles: key.roles.iter().map(RoleBody::of).collect(),
            scopes: key.scopes.clone(),
            expires: key.expires.map(timestamp),
            networks: key.networks.iter().map(ToString::to_string).collect(),
            disabled: key.disabled,
        }
    }

    /// The key it describes, as far as that can be told from it alone.
    pub(super) fn wish(&self, tenant: &TenantId, now: UnixNanos) -> Result<NewApiKey, Problem> {
        let mut errors = Vec::new();
        let mut roles = BTreeSet::new();
        for (number, role) in self.roles.iter().enumerate() {
            match role.read() {
                Ok(role) => drop(roles.insert(role)),
                Err((part, reason)) => {
                    errors.push(FieldError::new(format!("roles[{number}].{part}"), reason));
                }
            }
        }
        for (number, scope) in self.scopes.iter().enumerate() {
            let allowed =
                |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':' | b'.');
            if !(1..=64).contains(&scope.len()) || !scope.bytes().all(allowed) {
                let reason = "a scope is 1 to 64 letters, digits, `-`, `_`, `.` and `:`";
                errors.push(FieldError::new(format!("scopes[{number}]"), reason));
            }
        }
        let expires = self.expires.as_deref().map(moment).transpose().unwrap_or_else(|reason| {
            errors.push(FieldError::new("expires", reason));
            None
        });
        let mut networks = BTreeSet::new();
        for (number, text) in self.networks.iter().enumerate() {
            match network(text) {
                Ok(network) => drop(networks.insert(network)),
                Err(error) => {
                    errors.push(FieldError::new(format!("networks[{number}]"), error.to_string()));
                }
            }
        }
        let scopes: BTreeSet<_> = self.scopes.iter().cloned().collect();
        let (roles, scopes) = (roles.into_iter().collect(), scopes.into_iter().collect());
        let (tenant, name, networks) =
            (tenant.clone(), self.name.clone(), networks.into_iter().collect());
        let wish = NewApiKey { tenant, name, roles, scopes, expires, networks };
        if let Err(error) = wish.check(now) {
            errors.push(FieldError::new("", error.to_string()));
        }
        if errors.is_empty() { Ok(wish) } else { Err(Problem::invalid(&errors)) }
    }
}

fn moment(text: &str) -> Result<UnixNanos, &'static str> {
    const WRONG: &str = "a time is written as `2026-11-22T10:15:30Z`";
    let at: Timestamp = text.parse().map_err(|_| WRONG)?;
    let seconds = u64::try_from(at.as_second()).map_err(|_| WRONG)?;
    Ok(UnixNanos::from_seconds(seconds))
}

/// Checks what a key reaches against what is in force; roles it had `before` may have lost their node since.
pub(super) fn check(
    ground: &Ground<'_>,
    roles: &[RoleAssignment],
    before: &[RoleAssignment],
) -> Result<(), Problem> {
    let errors = role_errors(ground.partition(), API_CLIENT, roles, before);
    if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(&errors)) }
}

/// The questions about keys with these roles: one for each node, and one for the main account where there is none, or
/// where a node cannot be asked about.
pub(super) fn about<'k>(
    entered: &Entered,
    action: &ActionId,
    roles: impl IntoIterator<Item = &'k RoleAssignment>,
) -> Questions {
    let mut roles = roles.into_iter().peekable();
    let whole = || entered.root().map(|root| (action.clone(), root.clone()));
    if roles.peek().is_none() {
        return whole().into_iter().collect();
    }
    let asked = |role: &RoleAssignment| at(entered, action, role).or_else(whole);
    let questions: BTreeSet<_> = roles.filter_map(asked).collect();
    questions.into_iter().collect()
}

/// An action at the node of a role, where it can be asked about.
fn at(
    entered: &Entered,
    action: &ActionId,
    role: &RoleAssignment,
) -> Option<(ActionId, EntityUid)> {
    let partition = entered.partition();
    let can_be =
        partition.contains(&role.on) && partition.schema().action_accepts(action, role.on.kind());
    can_be.then(|| (action.clone(), role.on.clone()))
}

/// The questions about giving a key these roles and scopes, or seeing the secret of one that has them. Besides those of
/// [`about`]: whether each role may be given, and whether who asks may do themselves what each of the gateway's own
/// scopes opens.
///
/// # Errors
/// [`Problem`] when a key would give a scope that it does not have.
pub(super) fn about_giving(
    entered: &Entered,
    manage: &ActionId,
    (roles, scopes): (&[RoleAssignment], &[String]),
) -> Result<Questions, Problem> {
    let has = |own: &[String], scope: &String| own.contains(scope);
    let foreign = entered.own_scopes().and_then(|own| scopes.iter().find(|it| !has(own, it)));
    if let Some(scope) = foreign {
        return Err(Problem::gives_too_much(scope));
    }
    let of_the_platform = scopes.iter().position(|it| platform_scope(it));
    if let Some(index) = of_the_platform.filter(|_| !entered.runs_the_platform()) {
        let reason = "only the organisation that runs the platform has it to give";
        return Err(Problem::invalid(&[FieldError::new(format!("scopes[{index}]"), reason)]));
    }
    let mut questions: BTreeSet<_> = about(entered, manage, roles).into_iter().collect();
    let schema = entered.partition().schema();
    let given = |role: &RoleAssignment| {
        // Whoever may manage the key is told that there is no such role.
        schema.role_node(API_CLIENT, &role.role)?;
        at(entered, entered.giving(&role.role)?, role)
    };
    questions.extend(roles.iter().filter_map(given));
    if let Some(root) = entered.root() {
        let whole = |action: ActionId| (action, root.clone());
        let opened = opened_by(scopes).map_err(|_| Problem::not_done())?;
        if !opened.is_empty() {
            questions.insert(whole(manage.clone()));
        }
        questions.extend(opened.into_iter().map(whole));
    }
    Ok(questions.into_iter().collect())
}

/// The actions of the gateway's own operations that these scopes open, and the hub's own with them.
fn opened_by(scopes: &[String]) -> Result<BTreeSet<ActionId>, IdError> {
    let opens = |operation: &&&Operation| {
        // What the hub's own scopes open, too, is the hub's to give.
        operation.scopes.iter().any(|scope| scopes.iter().any(|given| given == scope))
            && operation.action != super::operation::OF_THE_HUB
    };
    let decided = |operation: &&Operation| match operation.action {
        // Whoever settles what a provider gives may give the provider its key.
        "provisioning:sync" => ActionId::parse("provisioning:manage"),
        action => ActionId::parse(action),
    };
    OPERATIONS.iter().filter(opens).map(decided).collect()
}

/// Whether a scope opens what is the platform's alone.
fn platform_scope(scope: &str) -> bool {
    let mut own = OPERATIONS.iter().filter(|it| it.is_of_the_platform());
    own.any(|it| it.scopes.contains(&scope))
}

/// The id in a path; nobody's, where it can be none.
pub(super) fn key_id(text: &str) -> Option<KeyId> {
    KeyId::parse(text).ok()
}

/// An API client, as events tell of it.
pub(super) fn item(key: &ApiKey) -> Item {
    Item { kind: "api_client".to_owned(), id: key.id.to_string(), name: key.name.clone() }
}

/// The node events about it belong to: where its first role is.
pub(super) fn parent(key: &ApiKey) -> Option<EntityUid> {
    key.roles.first().map(|role| role.on.clone())
}
