//! Questions that services ask the decision point about others: answered like requests, recorded like requests.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::admission::{DECISION_TIME_MAX, timed};
use super::operation::Admitted;
use super::outcome::Enforcement;
use super::recording::verdict_of;
use super::snapshot::Snapshot;
use crate::audit::{AskedFacts, DecisionRecord, Source, What, Who};
use crate::authz::{Decision, Facts, Partition, Pdp, PreparedPrincipal, Question, Standing};
use crate::directory::{Identity, Member, Members, Organisation, person};
use crate::model::{
    ActionId, AuthMethod, ConnectionId, DecisionId, Dependency, EntityUid, KeyId, MemberId,
    Refusal, Scopes, TenantId, UnixNanos,
};

/// Members asked about before it is taken that nobody may: a tenth of a second of decisions. Who holds a role on
/// the very node is asked first.
const CANDIDATES_MAX: usize = 10_000;

/// One question about somebody of the organisation.
#[derive(Clone, Copy, Debug)]
pub struct Evaluation<'a> {
    /// About whom: a member, an API client, or nobody known.
    pub subject: &'a EntityUid,
    /// What they would do.
    pub action: &'a ActionId,
    /// To what.
    pub resource: &'a EntityUid,
    /// The connection they signed in by.
    pub connection: Option<&'a ConnectionId>,
    /// The API scopes of which the operation wants one.
    pub scopes: &'a Scopes,
    /// Where their request came from; the asker's own address, unless it says.
    pub source: Option<IpAddr>,
    /// The path the question came to, for the record.
    pub path: &'a str,
}

/// The answer to it, recorded.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The decision in the log.
    pub id: DecisionId,
    /// Whether the policies allow it.
    pub allowed: bool,
    /// Why, for programs.
    pub code: &'static str,
    /// Why not, for people, where a policy says.
    pub reason: Option<String>,
}

/// What questions are answered by: everything in force when they had been read.
#[derive(Debug)]
pub struct Ground<'a> {
    admitted: &'a Admitted,
    snapshot: Arc<Snapshot>,
    partition: Arc<Partition>,
    now: UnixNanos,
}

/// The members to be asked about, those with a role on `resource` first.
fn candidates<'m>(
    members: &'m Members,
    resource: &EntityUid,
) -> impl Iterator<Item = &'m Member> + use<'m> {
    let holds = |member: &&Member| member.roles.iter().any(|role| role.on == *resource);
    let (likely, others): (Vec<&Member>, Vec<&Member>) = members.iter().partition(holds);
    likely.into_iter().chain(others).take(CANDIDATES_MAX)
}

impl Admitted {
    /// What is in force now, for the questions that were read; nothing, if who asks may not ask any more
    /// (promise P8).
    pub async fn ground(&self) -> Option<Ground<'_>> {
        let (snapshot, partition, now) = self.still().await?;
        Some(Ground { admitted: self, snapshot, partition, now })
    }
}

impl Ground<'_> {
    /// Decides a question as a request of the subject's own would be. Whoever is not known, is disabled, or
    /// cannot sign in, may do nothing.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when it cannot be decided or recorded: then there is no answer, and who asks
    /// must refuse.
    pub async fn evaluate(&self, asked: &Evaluation<'_>) -> Result<Evaluated, Refusal> {
        let (method, prepared) = self.subject(asked).await?;
        let context = Facts {
            method,
            connection: asked.connection,
            scopes: asked.scopes,
            source: self.source(asked),
            now: self.now,
        };
        let tenant = self.admitted.tenant();
        let decide = || match prepared.as_deref() {
            None => Decision::without_principal(),
            Some(principal) => {
                let (action, resource) = (asked.action, asked.resource);
                let question = Question { principal, action, resource, context };
                self.snapshot.pdp().decide(Some(tenant), &self.partition, &question)
            }
        };
        let (decision, took) = timed(decide);
        if took > DECISION_TIME_MAX {
            return Err(Refusal::Unavailable(Dependency::DecisionPoint));
        }
        let id = self.recorded(asked, method, (&decision, took)).await?;
        if decision.allowed() {
            // Every allow in the log has an outcome; this one was told to who asked, and nothing was forwarded.
            let tenant = Some(tenant.clone());
            let enforcement = Enforcement { tenant, status: Some(200), ..Enforcement::default() };
            self.admitted.pipeline().complete(id, &enforcement);
        }
        let reason = decision.reason().map(str::to_owned);
        Ok(Evaluated { id, allowed: decision.allowed(), code: decision.reason_code(), reason })
    }

    /// Whether anybody of `members` could sign in to `organisation` and do `action` to `resource`: somebody must be
    /// left who can put right what a change made wrong. It is asked before the change, and nothing is recorded.
    pub fn somebody_may(
        &self,
        (organisation, members): (&Organisation, &Members),
        action: &ActionId,
        resource: &EntityUid,
    ) -> bool {
        let mut likely = candidates(members, resource);
        let pdp = self.snapshot.pdp();
        likely
            .any(|member| self.member_may((pdp, organisation, members), member, (action, resource)))
    }

    /// The members who could sign in and do `action` to the organisation as a whole if `pdp` decided; each is asked about
    /// when the one before is not enough.
    pub fn people_who_may<'a>(
        &'a self,
        pdp: &'a Pdp,
        members: &'a Members,
        action: &'a ActionId,
    ) -> impl Iterator<Item = &'a MemberId> {
        let of = move |organisation: &'a Arc<Organisation>| {
            let question = (action, organisation.root());
            let may = move |member: &&Member| {
                self.member_may((pdp, organisation, members), member, question)
            };
            candidates(members, organisation.root()).filter(may)
        };
        self.organisation().into_iter().flat_map(of).map(|member| &member.id)
    }

    fn member_may(
        &self,
        (pdp, organisation, members): (&Pdp, &Organisation, &Members),
        member: &Member,
        (action, resource): (&ActionId, &EntityUid),
    ) -> bool {
        let open = |id: &ConnectionId| organisation.connection(id).is_some_and(|it| it.enabled);
        let Ok(subject) = EntityUid::new("User", member.id.as_str()) else { return false };
        let standing =
            Standing { roles: &member.roles, scopes: &[], attributes: Some(&member.attributes) };
        let prepared = self.snapshot.prepared(&subject, &self.partition, standing);
        let Some(principal) = prepared.filter(|_| !member.disabled) else { return false };
        let own = |it: &&Identity| {
            person(organisation, it).is_some_and(|it| members.holder(&it) == Some(&member.id))
        };
        let ways = member.identities.iter().filter(|it| open(&it.connection));
        ways.filter(own).any(|identity| {
            let context = Facts {
                method: AuthMethod::Session,
                connection: Some(&identity.connection),
                scopes: &Scopes::none(),
                source: self.admitted.peer().ip(),
                now: self.now,
            };
            let question = Question { principal: &principal, action, resource, context };
            let tenant = Some(self.admitted.tenant());
            pdp.decide(tenant, &self.partition, &question).allowed()
        })
    }

    /// Whether who asks may do `action` to `resource`. It is not recorded: for showing what somebody may see, never for
    /// doing anything.
    pub fn may(&self, action: &ActionId, resource: &EntityUid) -> bool {
        self.admitted.may((&self.snapshot, &self.partition), action, resource, self.now)
    }

    /// The organisation, as it is administered.
    pub fn organisation(&self) -> Option<&Arc<Organisation>> {
        self.snapshot.directory().organisation(self.admitted.tenant())
    }

    /// The resources of an organisation that may be another than the asker's: only the platform asks.
    ///
    /// # Errors
    /// [`Refusal`] when they cannot be read.
    pub async fn partition_of(&self, tenant: &TenantId) -> Result<Arc<Partition>, Refusal> {
        let content = self.snapshot.content(tenant, self.now).await?;
        Ok(Arc::clone(&content.partition))
    }

    /// Everything in force.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The hosts its people come by: its own, or where it has none those that belong to nobody alone; and the one
    /// people administer on.
    pub fn sign_in_hosts(&self) -> Vec<String> {
        let directory = self.snapshot.directory();
        let administration = self.admitted.pipeline().admin_host().map(str::to_owned);
        let mut own = self.organisation().map(|it| it.hosts().to_vec()).unwrap_or_default();
        if !own.is_empty() {
            own.extend(administration);
            return own;
        }
        let hosts = self.snapshot.routes().hosts();
        let mut shared: Vec<String> = hosts
            .filter(|host| directory.organisation_for_host(host).is_none())
            .map(str::to_owned)
            .collect();
        shared.sort_unstable();
        shared.extend(administration);
        shared
    }

    /// Who asks, as the organisation knows them: the member's name, or what the API client is called. What an identity
    /// provider says of a name counts for nothing here.
    pub async fn name_of_asker(&self) -> String {
        if let Some(name) = self.admitted.key_name() {
            return name.to_owned();
        }
        let Some(person) = self.admitted.person() else { return String::new() };
        let members = self.members().await.ok();
        let member = members.as_ref().and_then(|members| members.member(person));
        member.map_or_else(|| person.to_string(), |member| member.name.clone())
    }

    /// Whether another organisation signs its people in by this client of this issuer.
    pub fn registered_elsewhere(&self, issuer: &str, client_id: &str) -> bool {
        let tenant = self.admitted.tenant();
        let others = self.snapshot.directory().organisations().filter(|it| it.id() != tenant);
        let mut connections = others.flat_map(|it| it.connections());
        connections.any(|it| it.issuer == issuer && it.client_id == client_id)
    }

    /// Whether an e-mail domain leads to another organisation.
    pub fn domain_leads_elsewhere(&self, domain: &str) -> bool {
        let found = self.snapshot.directory().connection_for_domain(domain);
        found.is_some_and(|connection| connection.key.tenant != *self.admitted.tenant())
    }

    /// Its resources.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// Its members.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when they cannot be read.
    pub async fn members(&self) -> Result<Arc<Members>, Refusal> {
        let content = self.snapshot.content(self.admitted.tenant(), self.now).await?;
        Ok(Arc::clone(&content.members))
    }

    /// Where the subject's request came from: from who asks, unless they say.
    fn source(&self, asked: &Evaluation<'_>) -> IpAddr {
        asked.source.unwrap_or_else(|| self.admitted.peer().ip())
    }

    /// Writes the decision on a question into the log, with whose word it is that the subject asked.
    async fn recorded(
        &self,
        asked: &Evaluation<'_>,
        method: AuthMethod,
        (decision, took): (&Decision, Duration),
    ) -> Result<DecisionId, Refusal> {
        let pipeline = self.admitted.pipeline();
        let now = pipeline.now();
        let id = pipeline.next_id(now);
        let identity = &pipeline.parts.identity;
        let record = DecisionRecord {
            id,
            ts: now,
            node: &identity.node,
            build: &identity.build,
            snapshot: Some(self.snapshot.id()),
            traceparent: None,
            who: Who {
                tenant: Some(self.admitted.tenant()),
                principal: Some(asked.subject),
                person: None,
                credential: Some(self.admitted.credential()),
                method,
            },
            from: Source { peer: Some(self.admitted.peer()), ..Source::default() },
            what: What {
                method: Some("POST"),
                path: Some(asked.path),
                action: Some(asked.action),
                resource: Some(asked.resource),
                asked: Some(AskedFacts {
                    connection: asked.connection,
                    scopes: asked.scopes,
                    source: self.source(asked),
                }),
                ..What::default()
            },
            decision: verdict_of(decision, took),
        };
        let sink = &pipeline.parts.sink;
        let written = if decision.log_strict() {
            sink.append_strict(record.encode()).await.map(drop)
        } else {
            sink.append(record.encode()).map(drop)
        };
        written.map_err(|error| {
            pipeline.unrecorded(&error);
            Refusal::Unavailable(Dependency::Journal)
        })?;
        Ok(id)
    }

    /// Whom a question is about, as the directory and the keys have them.
    async fn subject(
        &self,
        asked: &Evaluation<'_>,
    ) -> Result<(AuthMethod, Option<Arc<PreparedPrincipal>>), Refusal> {
        let subject = asked.subject;
        let nothing = Standing { roles: &[], scopes: &[], attributes: None };
        let prepared =
            |standing: Standing<'_>| self.snapshot.prepared(subject, &self.partition, standing);
        match subject.kind() {
            "User" => {
                let content = self.snapshot.content(self.admitted.tenant(), self.now).await?;
                // Read anew since: roles of one moment must not meet resources of another.
                if content.partition.identity() != self.partition.identity() {
                    return Err(Refusal::Unavailable(Dependency::DecisionPoint));
                }
                let member = self.member(subject, asked.connection, &content.members);
                let prepared = member.and_then(|member| {
                    let (roles, attributes) = (&member.roles[..], Some(&member.attributes));
                    prepared(Standing { roles, attributes, ..nothing })
                });
                Ok((AuthMethod::Session, prepared))
            }
            "ApiClient" => {
                let authenticator = &self.admitted.pipeline().parts.authenticator;
                let tenant = self.admitted.tenant();
                let key = match KeyId::parse(subject.id()) {
                    Ok(id) => authenticator.key_in_force(tenant, &id, self.now).await?,
                    Err(_) => None,
                };
                // A bootstrap key may do nothing that could be asked about.
                let prepared = key.filter(|key| !key.bootstrap).and_then(|key| {
                    prepared(Standing { roles: &key.roles, scopes: &key.scopes, ..nothing })
                });
                Ok((AuthMethod::ApiKey, prepared))
            }
            "Anonymous" if subject.id() == "anonymous" => Ok((AuthMethod::None, prepared(nothing))),
            _ => Ok((AuthMethod::None, None)),
        }
    }

    /// The member, if they could sign in: by the connection asked about, or else by any of theirs.
    fn member<'m>(
        &self,
        subject: &EntityUid,
        asked: Option<&ConnectionId>,
        members: &'m Members,
    ) -> Option<&'m Member> {
        let organisation = self.snapshot.directory().organisation(self.admitted.tenant())?;
        let member = members.member(&MemberId::parse(subject.id()).ok()?)?;
        let is_open = |id: &ConnectionId| {
            organisation.connection(id).is_some_and(|connection| connection.enabled)
        };
        let signs_in = member.identities.iter().any(|identity| {
            asked.is_none_or(|asked| *asked == identity.connection) && is_open(&identity.connection)
        });
        Some(member).filter(|member| !member.disabled && signs_in)
    }
}
