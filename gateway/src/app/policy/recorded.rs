//! A question as a decision record tells it.

use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

use super::desk::{Desk, ReadFacts};
use super::{CommandError, PolicyCommandError};
use crate::admin::scopes_of;
use crate::app::LogError;
use crate::app::keys::snapshot_now;
use crate::authz::Explanation;
use crate::config::{self, Loaded};
use crate::journal::{Filter, Line, Tail};
use crate::model::{ConnectionId, Scopes};
use crate::routing::FURTHER_MAX;

/// A decision of the log.
#[derive(Debug)]
pub(super) struct Recorded(Line);

/// How a decision came out, and whether it would again.
#[derive(Debug, Serialize)]
pub(super) struct Then {
    /// Its id, whole.
    pub(super) decision: String,
    /// `allow` or `deny` by the policies; `refuse` or `error` where it was refused for something else.
    pub(super) effect: String,
    /// The reason code.
    pub(super) code: String,
    /// The policies that decided.
    pub(super) policies: Vec<String>,
    /// What is the same now; nothing where the policies did not decide it.
    #[serde(flatten)]
    pub(super) same: Option<Same>,
}

/// What is the same now as it was then.
#[derive(Debug, Serialize)]
pub(super) struct Same {
    /// Whether policies, settings and resources are those it was decided under.
    #[serde(rename = "same_snapshot")]
    pub(super) snapshot: bool,
    /// Whether the answer is the same now, by the same policies.
    #[serde(rename = "same_answer")]
    pub(super) answer: bool,
}

impl Recorded {
    /// The newest decision with this id; its beginning or its end is enough.
    pub(super) fn find(file: &Path, id: &str) -> Result<Self, CommandError> {
        let filter = Filter {
            decision: Some(id.to_owned()),
            kind: Some("decision".to_owned()),
            ..Filter::default()
        };
        let places = config::places(file)?;
        let found = Tail::new(&places.log_directory, filter, 1).lines().map_err(LogError::from)?;
        let Some(line) = found.into_iter().next_back() else {
            let message = format!("the log has no decision `{id}`");
            return Err(PolicyCommandError::Usage(message).into());
        };
        Ok(Self(line))
    }

    /// Who asked, in which organisation, for what and on what.
    ///
    /// # Errors
    /// A refusal before the policies were asked has no such question.
    pub(super) fn text(&self, pointer: &str) -> Result<&str, PolicyCommandError> {
        self.0.text(pointer).ok_or_else(|| {
            let reason = self.0.reason().unwrap_or("no reason");
            let message =
                format!("no policy was asked in that decision ({reason}): nothing to explain");
            PolicyCommandError::Usage(message)
        })
    }

    /// What was asked for and on what: of a request that named more than one object, the one denied.
    ///
    /// # Errors
    /// As [`Recorded::text`].
    pub(super) fn question(&self) -> Result<(&str, &str), PolicyCommandError> {
        let place = self.denied().unwrap_or_else(|| "/what".to_owned());
        Ok((self.text(&format!("{place}/action"))?, self.text(&format!("{place}/resource"))?))
    }

    /// Where the record tells of the further question that was denied.
    fn denied(&self) -> Option<String> {
        let places = (0..FURTHER_MAX).map(|number| format!("/what/also/{number}"));
        let mut told = places.map_while(|place| {
            let effect = self.0.text(&format!("{place}/effect"))?;
            Some((effect == "deny", place))
        });
        told.find_map(|(denied, place)| denied.then_some(place))
    }

    /// How it came out, beside `now`.
    ///
    /// # Errors
    /// What the present snapshot is named by cannot be read.
    pub(super) fn then(&self, desk: &Desk, now: &Explanation) -> Result<Then, CommandError> {
        let text = |pointer: &str| self.0.text(pointer).unwrap_or_default().to_owned();
        let policies = self.0.list("/decision/determining").map(ToOwned::to_owned).collect();
        Ok(Then {
            decision: self.0.decision().unwrap_or_default().to_owned(),
            effect: text("/decision/effect"),
            code: text("/decision/reason"),
            policies,
            same: self.same(desk, now)?,
        })
    }

    /// What is the same `now`. What was refused for something else than the policies' answer, also after they had
    /// allowed it, cannot be compared with an answer of theirs.
    fn same(&self, desk: &Desk, now: &Explanation) -> Result<Option<Same>, CommandError> {
        let allowed = match self.0.effect() {
            Some("allow") => true,
            Some("deny") => false,
            _ => return Ok(None),
        };
        let deciding = now.policies.iter().filter(|policy| policy.decides);
        let same_policies =
            deciding.map(|policy| &*policy.id).eq(self.0.list("/decision/determining"));
        let snapshot = snapshot_now(&desk.loaded)?.map(|now| now.to_string());
        Ok(Some(Same {
            snapshot: snapshot.is_some_and(|now| self.0.text("/snapshot") == Some(&*now)),
            answer: allowed == now.allowed && self.0.reason() == Some(now.code) && same_policies,
        }))
    }

    /// The facts of the request. The scopes are those its route has now, or the operation of the gateway's own.
    pub(super) fn facts(&self, loaded: &Loaded) -> Result<ReadFacts, PolicyCommandError> {
        if self.0.text("/what/asked/source").is_some() {
            return self.asked();
        }
        let scopes = self.scopes(loaded)?;
        let peer = self.text("/from/peer")?.parse::<SocketAddr>();
        let source = peer.map_err(super::desk::usage)?.ip();
        // A person is written as `<connection>:<hash>`.
        let person = self.0.text("/who/person").and_then(|person| person.split_once(':'));
        let connection = person.and_then(|(connection, _)| ConnectionId::parse(connection).ok());
        Ok(ReadFacts { scopes, connection, source, now: self.0.time() })
    }

    fn scopes(&self, loaded: &Loaded) -> Result<Scopes, PolicyCommandError> {
        let Some(route) = self.0.text("/what/route") else {
            // What has no route is an operation of the gateway's own.
            let scopes = self.0.text("/what/action").and_then(scopes_of).unwrap_or_default();
            return Scopes::new(scopes.iter().copied()).map_err(super::desk::usage);
        };
        let route = loaded.settings.routes.iter().find(|it| it.id.as_str() == route);
        Ok(route.map_or_else(Scopes::none, |route| route.scopes.clone()))
    }

    /// The facts that a service told of the request it asked about.
    fn asked(&self) -> Result<ReadFacts, PolicyCommandError> {
        let scopes = Scopes::new(self.0.list("/what/asked/scopes")).map_err(super::desk::usage)?;
        let source = self.text("/what/asked/source")?.parse().map_err(super::desk::usage)?;
        let connection = self.0.text("/what/asked/connection");
        let connection = connection.and_then(|id| ConnectionId::parse(id).ok());
        Ok(ReadFacts { scopes, connection, source, now: self.0.time() })
    }
}
