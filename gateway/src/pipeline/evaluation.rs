//! Questions that services ask the decision point about others: answered like requests, recorded like requests.

use std::net::IpAddr;
use std::sync::Arc;

use super::admission::{DECISION_TIME_MAX, timed};
use super::operation::Admitted;
use crate::audit::{DecisionRecord, Effect, Source, Verdict, What, Who};
use crate::authz::{Decision, Facts, PreparedPrincipal, Question};
use crate::model::{
    ActionId, AuthMethod, ConnectionId, DecisionId, Dependency, EntityUid, KeyId, MemberId,
    Refusal, Scopes,
};

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

impl Admitted {
    /// Decides a question under the snapshot that admitted this operation, as a request of the subject's own
    /// would be. Whoever is not known, or is disabled, may do nothing.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when it cannot be decided or recorded: then there is no answer, and who asks
    /// must refuse.
    pub async fn evaluate(&self, asked: &Evaluation<'_>) -> Result<Evaluated, Refusal> {
        let (method, prepared) = self.subject(asked.subject).await?;
        let peer = self.arrival().peer;
        let context = Facts {
            method,
            connection: asked.connection,
            scopes: asked.scopes,
            source: asked.source.unwrap_or_else(|| peer.ip()),
            now: self.arrival().at,
        };
        let decide = || match prepared.as_deref() {
            None => Decision::without_principal(),
            Some(principal) => {
                let (action, resource) = (asked.action, asked.resource);
                let question = Question { principal, action, resource, context };
                self.snapshot().pdp().decide(Some(self.tenant()), self.partition(), &question)
            }
        };
        let (decision, took) = timed(decide);
        if took > DECISION_TIME_MAX {
            return Err(Refusal::Unavailable(Dependency::DecisionPoint));
        }
        let pipeline = self.pipeline();
        let now = pipeline.now();
        let id = pipeline.next_id(now);
        let identity = &pipeline.parts.identity;
        let record = DecisionRecord {
            id,
            ts: now,
            node: &identity.node,
            build: &identity.build,
            snapshot: Some(self.snapshot().id()),
            traceparent: None,
            who: Who {
                tenant: Some(self.tenant()),
                principal: Some(asked.subject),
                person: None,
                // Whose word it is that the subject asked.
                credential: Some(self.credential()),
                method,
            },
            from: Source { peer: Some(peer), ..Source::default() },
            what: What {
                method: Some("POST"),
                path: Some(asked.path),
                action: Some(asked.action),
                resource: Some(asked.resource),
                ..What::default()
            },
            decision: Verdict {
                effect: if decision.allowed() { Effect::Allow } else { Effect::Deny },
                reason: decision.reason_code(),
                determining: decision.determining(),
                erring: decision.erring(),
                quota: decision.quota(),
                cached: decision.cached(),
                evaluation_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            },
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
        let reason = decision.reason().map(str::to_owned);
        Ok(Evaluated { id, allowed: decision.allowed(), code: decision.reason_code(), reason })
    }

    /// Whom a question is about, as the directory and the keys have them.
    async fn subject(
        &self,
        subject: &EntityUid,
    ) -> Result<(AuthMethod, Option<Arc<PreparedPrincipal>>), Refusal> {
        let (snapshot, now) = (self.snapshot(), self.arrival().at);
        match subject.kind() {
            "User" => {
                let content = snapshot.content(self.tenant(), now).await?;
                // Read anew since: roles of one moment must not meet resources of another.
                if content.partition.identity() != self.partition().identity() {
                    return Err(Refusal::Unavailable(Dependency::DecisionPoint));
                }
                let member = MemberId::parse(subject.id()).ok();
                let member = member.and_then(|id| content.members.member(&id));
                let member = member.filter(|member| !member.disabled);
                let prepared = member.and_then(|member| {
                    let (roles, attributes) = (&member.roles, Some(&member.attributes));
                    snapshot.prepared(subject, self.partition(), (roles, None, attributes))
                });
                Ok((AuthMethod::Session, prepared))
            }
            "ApiClient" => {
                let authenticator = &self.pipeline().parts.authenticator;
                let key = match KeyId::parse(subject.id()) {
                    Ok(id) => authenticator.key_in_force(self.tenant(), &id, now).await?,
                    Err(_) => None,
                };
                let prepared = key.and_then(|key| {
                    let own = (&key.roles[..], Some(&key.scopes[..]), None);
                    snapshot.prepared(subject, self.partition(), own)
                });
                Ok((AuthMethod::ApiKey, prepared))
            }
            "Anonymous" if subject.id() == "anonymous" => {
                let prepared = snapshot.prepared(subject, self.partition(), (&[], None, None));
                Ok((AuthMethod::None, prepared))
            }
            _ => Ok((AuthMethod::None, None)),
        }
    }
}
