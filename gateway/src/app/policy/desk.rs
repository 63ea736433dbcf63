//! What every question on the command line needs: the organisation, who asks, and the facts of the request.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use clap::Args;

use crate::app::keys::{KeyError, open_keys, read_content, with_added};
use crate::app::moment;
use crate::authn::ApiKeys as _;
use crate::authz::{
    Decision, EntityError, Facts, Partition, Pdp, PreparedPrincipal, Question, Records,
    at_and_above,
};
use crate::config::{self, Loaded, Places, nearest_name};
use crate::directory::{Member, Members, Organisation, principal_entity};
use crate::model::{
    ActionId, AuthMethod, Clock as _, ConnectionId, EntityRecord, EntityUid, MemberId,
    RoleAssignment, Scopes, SystemClock, TenantId, UnixNanos,
};
use crate::pipeline::Content;

use super::{CommandError, PolicyCommandError};

/// The types the gateway itself knows.
const MEMBER: &str = "User";
const API_CLIENT: &str = "ApiClient";
const ANONYMOUS: &str = "Anonymous";

/// The facts of the request that is asked about.
#[derive(Debug, Args)]
pub(super) struct FactArguments {
    /// An API scope of which the operation wants one; may come several times.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// The connection the person signed in by; the member's first one unless said.
    #[arg(long, value_name = "CONNECTION")]
    connection: Option<String>,
    /// The address the request comes from.
    // RFC 5737 §3: an address for documentation; no policy knows it.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)))]
    source: IpAddr,
    /// The time of the request, as `2026-11-22` or `2026-11-22T17:00:00Z`; now unless said.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

/// Facts, read.
#[derive(Debug)]
pub(super) struct ReadFacts {
    pub(super) scopes: Scopes,
    pub(super) connection: Option<ConnectionId>,
    pub(super) source: IpAddr,
    pub(super) now: UnixNanos,
}

impl FactArguments {
    pub(super) fn read(&self) -> Result<ReadFacts, PolicyCommandError> {
        let connection = self.connection.as_deref().map(ConnectionId::parse).transpose();
        let now = self.at.as_deref().map(moment::at).transpose();
        Ok(ReadFacts {
            scopes: Scopes::new(self.scopes.iter().map(String::as_str)).map_err(usage)?,
            connection: connection.map_err(usage)?,
            source: self.source,
            now: now.map_err(usage)?.unwrap_or_else(|| SystemClock.now()),
        })
    }
}

impl ReadFacts {
    /// The facts of a request by `who`.
    pub(super) fn of<'a>(&'a self, who: &'a Who) -> Facts<'a> {
        let (method, own) = match who.record.uid.kind() {
            MEMBER => (AuthMethod::Session, who.connection.as_ref()),
            API_CLIENT => (AuthMethod::ApiKey, None),
            _ => (AuthMethod::None, None),
        };
        let session = method == AuthMethod::Session;
        let connection = self.connection.as_ref().filter(|_| session).or(own);
        let Self { scopes, source, now, .. } = self;
        Facts { method, connection, scopes, source: *source, now: *now }
    }
}

pub(super) fn usage(error: impl std::fmt::Display) -> PolicyCommandError {
    PolicyCommandError::Usage(error.to_string())
}

/// Somebody who asks.
#[derive(Debug)]
pub(super) struct Who {
    pub(super) record: EntityRecord,
    /// The connection they sign in by.
    connection: Option<ConnectionId>,
    /// What a reader must know about them besides the answer.
    pub(super) remark: Option<String>,
}

/// One organisation, ready to be asked about.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) loaded: Loaded,
    pub(super) organisation: Arc<Organisation>,
    members: Arc<Members>,
    pub(super) partition: Arc<Partition>,
    places: Places,
}

impl Records for Desk {
    fn record(&self, uid: &EntityUid) -> Option<EntityRecord> {
        self.partition.record(uid)
    }
}

impl Desk {
    pub(super) fn open(file: &Path, tenant: &str) -> Result<Self, CommandError> {
        let loaded = with_added(config::load(file)?)?;
        let places = config::places(file)?;
        let directory = &loaded.organisations.directory;
        let id = TenantId::parse(tenant).map_err(usage)?;
        let Some(organisation) = directory.organisation(&id).cloned() else {
            let known: Vec<&str> = directory.organisations().map(|it| it.id().as_str()).collect();
            return Err(unknown("organisation", tenant, &known).into());
        };
        let Content { members, partition, .. } = read_content(&loaded, &organisation)?;
        Ok(Self { loaded, organisation, members, partition, places })
    }

    pub(super) fn pdp(&self) -> &Pdp {
        &self.loaded.organisations.pdp
    }

    pub(super) fn tenant(&self) -> &TenantId {
        self.organisation.id()
    }

    /// An action the schema knows.
    pub(super) fn action(&self, text: &str) -> Result<ActionId, PolicyCommandError> {
        let action = ActionId::parse(text).map_err(usage)?;
        if self.pdp().schema().knows_action(&action) {
            return Ok(action);
        }
        Err(unknown("action", text, &self.pdp().actions().collect::<Vec<_>>()))
    }

    /// A resource, there or not.
    pub(super) fn resource(text: &str) -> Result<EntityUid, PolicyCommandError> {
        EntityUid::parse(text).map_err(usage)
    }

    /// Somebody by name: `User::<member>`, `ApiClient::<key id>` or `Anonymous::anonymous`.
    pub(super) fn who(&self, text: &str) -> Result<Who, CommandError> {
        let uid = EntityUid::parse(text).map_err(usage)?;
        match uid.kind() {
            MEMBER => {
                let id = MemberId::parse(uid.id()).map_err(usage)?;
                let Some(member) = self.members.member(&id) else {
                    let known: Vec<&str> =
                        self.members.iter().map(|member| member.id.as_str()).collect();
                    return Err(unknown("member", uid.id(), &known).into());
                };
                Ok(self.member(member)?)
            }
            API_CLIENT => self.api_client(uid),
            ANONYMOUS => {
                let attributes = serde_json::Map::new();
                let record = EntityRecord { uid, parents: Vec::new(), attributes };
                Ok(Who { record, connection: None, remark: None })
            }
            kind => {
                let known = [MEMBER, API_CLIENT, ANONYMOUS];
                Err(unknown("type of principal", kind, &known).into())
            }
        }
    }

    /// A member as the policies see them.
    pub(super) fn member(&self, member: &Member) -> Result<Who, PolicyCommandError> {
        let uid = EntityUid::new(MEMBER, member.id.as_str()).map_err(usage)?;
        let names = self.pdp().schema().role_names(MEMBER);
        let record = principal_entity(uid, &member.roles, names, member.attributes.clone());
        let connection = member.identities.first().map(|identity| identity.connection.clone());
        let remark = member.disabled.then(|| {
            format!("`{}` is disabled: they can ask for nothing until that is undone", member.id)
        });
        Ok(Who { record, connection, remark })
    }

    /// Somebody with one role and nothing else.
    pub(super) fn holder(&self, role: &str, on: &EntityUid) -> Option<Who> {
        let uid = EntityUid::new(MEMBER, "somebody").ok()?;
        let roles = [RoleAssignment { role: role.to_owned(), on: on.clone() }];
        let names = self.pdp().schema().role_names(MEMBER);
        let record = principal_entity(uid, &roles, names, serde_json::Map::new());
        Some(Who { record, connection: None, remark: None })
    }

    fn api_client(&self, uid: EntityUid) -> Result<Who, CommandError> {
        // Opening a store that is not there would make one.
        let known = if self.places.state_file.exists() {
            let (keys, runtime) = open_keys(&self.places)?;
            runtime.block_on(keys.list(self.tenant())).map_err(KeyError::from)?
        } else {
            Vec::new()
        };
        let Some(key) = known.iter().find(|key| key.id.as_str() == uid.id()) else {
            let known: Vec<&str> = known.iter().map(|key| key.id.as_str()).collect();
            return Err(unknown("API key", uid.id(), &known).into());
        };
        let scopes = key.scopes.clone().into();
        let extra = serde_json::Map::from_iter([("scopes".to_owned(), scopes)]);
        let names = self.pdp().schema().role_names(API_CLIENT);
        let remark = (!key.in_force(SystemClock.now()))
            .then(|| format!("the API key `{}` is revoked or has ended", key.id));
        let record = principal_entity(uid, &key.roles, names, extra);
        Ok(Who { record, connection: None, remark })
    }

    /// Decides one question.
    pub(super) fn decide(
        &self,
        who: &Who,
        facts: &ReadFacts,
        action: &ActionId,
        resource: &EntityUid,
    ) -> Result<Decision, EntityError> {
        let principal = &self.partition.principal(&who.record)?;
        Ok(self.decide_as(principal, facts.of(who), action, resource))
    }

    fn decide_as(
        &self,
        principal: &PreparedPrincipal,
        context: Facts<'_>,
        action: &ActionId,
        resource: &EntityUid,
    ) -> Decision {
        let question = Question { principal, action, resource, context };
        self.pdp().decide(Some(self.tenant()), &self.partition, &question)
    }

    /// The members, sorted, who may do `action` on `resource`, each with the decision.
    pub(super) fn allowed(
        &self,
        facts: &ReadFacts,
        action: &ActionId,
        resource: &EntityUid,
    ) -> Result<Vec<(&Member, Decision)>, PolicyCommandError> {
        let mut members: Vec<&Member> =
            self.members.iter().filter(|member| !member.disabled).collect();
        members.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let mut allowed = Vec::new();
        for member in members {
            let decision = self.decide(&self.member(member)?, facts, action, resource)?;
            if decision.allowed() {
                allowed.push((member, decision));
            }
        }
        Ok(allowed)
    }

    /// `start` and everything above it, nearest first.
    pub(super) fn at_and_above(&self, start: &EntityUid) -> Vec<EntityUid> {
        at_and_above(self, start)
    }
}

/// A name that is not the one that was asked for, with what was most likely meant.
pub(super) fn unknown(what: &str, written: &str, known: &[&str]) -> PolicyCommandError {
    let advice = match nearest_name(written, known) {
        Some(near) => format!(": did you mean `{near}`?"),
        None => String::new(),
    };
    PolicyCommandError::Usage(format!("there is no {what} `{written}`{advice}"))
}
