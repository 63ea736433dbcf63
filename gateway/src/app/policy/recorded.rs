//! A question as a decision record tells it.

use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

use super::desk::{Desk, ReadFacts};
use super::{CommandError, PolicyCommandError};
use crate::app::LogError;
use crate::app::keys::snapshot_now;
use crate::authz::Explanation;
use crate::config::{self, Loaded};
use crate::journal::{Filter, Line, Tail};
use crate::model::{ConnectionId, Scopes};

/// Most further questions a record tells of.
const FURTHER_MAX: usize = 64;

/// A decision of the log.
#[derive(Debug)]
pub(super) struct Recorded(Line);

/// How a decision came out, and whether it would again.
#[derive(Debug, Serialize)]
pub(super) struct Then {
    /// Its id, whole.
    pub(super) decision: String,
    /// `allow` or `deny`.
    pub(super) effect: String,
    /// The reason code.
    pub(super) code: String,
    /// The policies that decided.
    pub(super) policies: Vec<String>,
    /// Whether policies, settings and resources are those it was decided under.
    pub(super) same_snapshot: bool,
    /// Whether the answer is the same now, by the same policies.
    pub(super) same_answer: bool,
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
        let policies: Vec<String> =
            self.0.list("/decision/determining").map(ToOwned::to_owned).collect();
        let deciding = now.policies.iter().filter(|policy| policy.decides);
        let same_policies = deciding.map(|policy| &*policy.id).eq(policies.iter());
        let effect = text("/decision/effect");
        let same_answer = (effect == "allow") == now.allowed
            && text("/decision/reason") == now.code
            && same_policies;
        Ok(Then {
            decision: self.0.decision().unwrap_or_default().to_owned(),
            effect,
            code: text("/decision/reason"),
            policies,
            same_snapshot: snapshot_now(&desk.loaded)?
                .is_some_and(|now| text("/snapshot") == now.to_string()),
            same_answer,
        })
    }

    /// The facts of the request. The scopes are those its route has now.
    pub(super) fn facts(&self, loaded: &Loaded) -> Result<ReadFacts, PolicyCommandError> {
        if self.0.text("/what/asked/source").is_some() {
            return self.asked();
        }
        let route = self.0.text("/what/route");
        let route = loaded.settings.routes.iter().find(|it| Some(it.id.as_str()) == route);
        let scopes = route.map_or_else(Scopes::none, |route| route.scopes.clone());
        let peer = self.text("/from/peer")?.parse::<SocketAddr>();
        let source = peer.map_err(super::desk::usage)?.ip();
        // A person is written as `<connection>:<hash>`.
        let person = self.0.text("/who/person").and_then(|person| person.split_once(':'));
        let connection = person.and_then(|(connection, _)| ConnectionId::parse(connection).ok());
        Ok(ReadFacts { scopes, connection, source, now: self.0.time() })
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
