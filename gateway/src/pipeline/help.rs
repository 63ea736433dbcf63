//! Whom a person denied can turn to: the members whom the policies let make the smallest change that would allow
//! it. Worked out for pages only, beside the threads that serve, and bounded. It decides nothing about the
//! request, and where it does not come to an end in time the page says it in general.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::asker::Asker;
use super::outcome::{Help, Refused};
use super::recording::Trail;
use super::snapshot::Snapshot;
use super::{Content, Pipeline};
use crate::authz::{Change, Facts, Inquiry, Partition, PreparedPrincipal, Question, Records};
use crate::directory::{Member, Organisation, principal_entity};
use crate::model::{
    ActionId, AuthMethod, EntityRecord, EntityUid, Principal, Refusal, Scopes, UnixNanos,
};
use crate::routing::Route;

/// One at a time: a page that names nobody is as good, and denials must not take the machine from requests that
/// are allowed.
pub(super) const HELPED_AT_ONCE: usize = 1;

/// What somebody who waits for a page does not notice; it takes some milliseconds.
const TIME_MAX: Duration = Duration::from_millis(250);

/// Most people named: one of them will be at work.
const PEOPLE_MAX: usize = 3;

/// Most members decided on for one change, some thirty microseconds each.
const MEMBERS_MAX: usize = 500;

/// The type of members.
const MEMBER: &str = "User";

/// A denial, with all that is needed to look for help off the way of requests.
struct Plea {
    snapshot: Arc<Snapshot>,
    content: Arc<Content>,
    organisation: Arc<Organisation>,
    asker: Asker,
    route: Arc<Route>,
    resource: EntityUid,
    source: IpAddr,
    now: UnixNanos,
    until: Instant,
}

impl Pipeline {
    /// Whom the person denied can turn to; nothing where the refusal tells no more than that nothing is there.
    pub(super) async fn help(&self, trail: &Trail<'_>, refused: &Refused) -> Option<Help> {
        let shown = matches!(refused.refusal, Refusal::Denied { hidden: false, .. });
        if !refused.html || !shown {
            return None;
        }
        let decision = trail.decision.as_ref()?;
        let plea = Plea::of(trail).await?;
        let organisation = plea.organisation.name().to_owned();
        let general = Help { organisation, ..Help::default() };
        // A further question was denied: another object is in the way, and whose it is is not told.
        let is_other = trail.also_denied.is_some();
        if is_other || (!plea.is_inside() && !decision.otherwise_permitted()) {
            return Some(general);
        }
        let Ok(turn) = Arc::clone(&self.helping).try_acquire_owned() else { return Some(general) };
        let looking = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            plea.look()
        });
        match tokio::time::timeout(TIME_MAX, looking).await {
            Ok(Ok(Some(help))) => Some(help),
            _ => Some(general),
        }
    }
}

impl Plea {
    /// Of a member of the organisation it was decided in.
    async fn of(trail: &Trail<'_>) -> Option<Self> {
        let asker = trail.asker.clone()?;
        let Principal::User { member: Some(_), .. } = asker.principal() else { return None };
        let (tenant, now) = (asker.tenant()?, trail.arrival.at);
        let organisation = Arc::clone(trail.snapshot.directory().organisation(tenant)?);
        let content = trail.snapshot.content(tenant, now).await.ok()?;
        Some(Self {
            snapshot: Arc::clone(&trail.snapshot),
            content,
            organisation,
            route: Arc::clone(trail.route.as_ref()?),
            resource: trail.resource.clone()?,
            source: trail.arrival.peer.ip(),
            now,
            until: Instant::now() + TIME_MAX,
            asker,
        })
    }

    /// Whether a role of theirs reaches the resource. Elsewhere a name would tell what is there from what is not.
    fn is_inside(&self) -> bool {
        let nodes = self.asker.roles().iter().map(|role| &role.on);
        self.partition().stands_under(&self.resource, nodes)
    }

    /// The people behind the first change that anybody may make.
    fn look(&self) -> Option<Help> {
        let Principal::User { member: Some(own), .. } = self.asker.principal() else { return None };
        let own = self.content.members.member(own)?;
        let principal = self.record(own)?;
        let inquiry = Inquiry {
            tenant: Some(self.organisation.id()),
            principal: &principal,
            action: self.route.action(),
            resource: &self.resource,
            context: self.asker.facts(self.route.scopes(), self.source, self.now),
            records: self,
        };
        let go_on = || Instant::now() < self.until;
        let remedies = self.snapshot.pdp().remedies(&inquiry, &go_on).ok()?;
        let changes = remedies.iter().flat_map(|remedy| &remedy.changes);
        let mut makers = changes.map(|change| self.makers(change)).find(|them| !them.is_empty())?;
        let others = makers.len();
        makers.retain(|member| member.id != own.id);
        let yourself = makers.len() < others;
        let people = makers.iter().take(PEOPLE_MAX).map(|member| member.name.clone()).collect();
        Some(Help { organisation: self.organisation.name().to_owned(), people, yourself })
    }

    /// Members who may make a change, sorted, as many as are named and one more; none when time runs out.
    fn makers(&self, change: &Change) -> Vec<&Member> {
        let (schema, root) = (self.snapshot.pdp().schema(), self.organisation.root());
        let making = self.snapshot.changes().making(change, root, (schema, self));
        let Some((action, Some(on))) = making else { return Vec::new() };
        let partition = self.partition();
        // Only a guess at whom to ask about: the policies decide.
        let near = |member: &&Member| {
            !member.disabled
                && partition.stands_under(&on, member.roles.iter().map(|role| &role.on))
        };
        let mut members: Vec<&Member> = self.content.members.iter().filter(near).collect();
        members.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let mut found = Vec::new();
        for member in members.into_iter().take(MEMBERS_MAX) {
            if Instant::now() >= self.until {
                return Vec::new();
            }
            if found.len() <= PEOPLE_MAX && self.may(member, action, &on) {
                found.push(member);
            }
        }
        found
    }

    /// Whether a member may, signed in by the first of their ways that is open.
    fn may(&self, member: &Member, action: &ActionId, resource: &EntityUid) -> bool {
        let ways = member.identities.iter().map(|identity| &identity.connection);
        let connection = ways.into_iter().find(|id| {
            self.organisation.connection(id).is_some_and(|connection| connection.enabled)
        });
        if connection.is_none() {
            return false;
        }
        let record = self.record(member);
        let Some(principal) = record.and_then(|record| self.partition().principal(&record).ok())
        else {
            return false;
        };
        let principal: &PreparedPrincipal = &principal;
        let (scopes, method) = (&Scopes::none(), AuthMethod::Session);
        let context = Facts { method, connection, scopes, source: self.source, now: self.now };
        let question = Question { principal, action, resource, context };
        let tenant = Some(self.organisation.id());
        self.snapshot.pdp().decide(tenant, self.partition(), &question).allowed()
    }

    fn record(&self, member: &Member) -> Option<EntityRecord> {
        let uid = EntityUid::new(MEMBER, member.id.as_str()).ok()?;
        let names = self.snapshot.pdp().schema().role_names(MEMBER);
        Some(principal_entity(uid, &member.roles, names, member.attributes.clone()))
    }

    fn partition(&self) -> &Partition {
        &self.content.partition
    }
}

impl std::fmt::Debug for Plea {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plea").field("resource", &self.resource).finish_non_exhaustive()
    }
}

impl Records for Plea {
    fn record(&self, uid: &EntityUid) -> Option<EntityRecord> {
        self.partition().record(uid)
    }
}
