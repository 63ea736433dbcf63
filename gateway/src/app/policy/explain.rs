//! `hubgate policy explain`: why a request is allowed or denied, what would allow it, and who may bring that about.

use std::io::Write;
use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::desk::{Desk, FactArguments, ReadFacts};
use super::recorded::{Recorded, Then};
use super::story::Story;
use super::{CommandError, PolicyCommandError};
use crate::authz::{Change, Explanation, Inquiry};
use crate::model::EntityUid;

/// Most members named as those who may make a change; the rest is counted.
const NAMED_MAX: usize = 8;

/// What a decision of the log says by itself.
const QUESTION: [&str; 8] =
    ["tenant", "principal", "action", "resource", "scopes", "connection", "source", "at"];

/// The request that is asked about.
#[derive(Debug, Args)]
pub(in crate::app) struct ExplainArguments {
    /// Takes the question from this decision of the log; the beginning of the id is enough. It is answered by the
    /// files as they are now.
    #[arg(long, value_name = "ID", conflicts_with_all = QUESTION)]
    decision: Option<String>,
    /// The organisation.
    #[arg(
        long,
        alias = "organisation",
        value_name = "ORGANISATION",
        required_unless_present = "decision"
    )]
    tenant: Option<String>,
    /// Who asks: `User::<member>`, `ApiClient::<key id>` or `Anonymous::anonymous`.
    #[arg(long, value_name = "TYPE::ID", required_unless_present = "decision")]
    principal: Option<String>,
    /// What for.
    #[arg(long, value_name = "ACTION", required_unless_present = "decision")]
    action: Option<String>,
    /// On what.
    #[arg(long, value_name = "TYPE::ID", required_unless_present = "decision")]
    resource: Option<String>,
    #[command(flatten)]
    facts: FactArguments,
    /// The answer as JSON, for tools.
    #[arg(long)]
    json: bool,
}

/// A question and everything there is to say about its answer.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub(super) principal: EntityUid,
    pub(super) action: String,
    pub(super) resource: EntityUid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remark: Option<String>,
    /// How the log has it, where the question is from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recorded: Option<Then>,
    #[serde(flatten)]
    pub(super) explanation: Explanation,
    /// For each change of each remedy, who may make it.
    pub(super) who: Vec<Vec<Makers>>,
}

/// Who may make a change.
#[derive(Debug, Default, Serialize)]
pub(super) struct Makers {
    /// The action that makes it; left out where `changes.toml` does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) action: Option<String>,
    /// On what the action is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) on: Option<EntityUid>,
    /// The members who may, the first few.
    pub(super) members: Vec<String>,
    /// How many more there are.
    pub(super) more: usize,
}

impl ExplainArguments {
    pub(in crate::app) fn run(&self, file: &Path, out: &mut dyn Write) -> Result<(), CommandError> {
        let recorded = self.decision.as_deref().map(|id| Recorded::find(file, id)).transpose()?;
        // What is not taken from the log was demanded on the command line.
        let question = |written: &Option<String>, pointer: &str| match &recorded {
            Some(recorded) => recorded.text(pointer).map(ToOwned::to_owned),
            None => Ok(written.clone().unwrap_or_default()),
        };
        let desk = Desk::open(file, &question(&self.tenant, "/who/tenant")?)?;
        let facts = match &recorded {
            Some(recorded) => recorded.facts(&desk.loaded)?,
            None => self.facts.read()?,
        };
        let who = desk.who(&question(&self.principal, "/who/principal")?)?;
        let (action, resource) = (self.action.as_deref(), self.resource.as_deref());
        let written = (action.unwrap_or_default(), resource.unwrap_or_default());
        let asked = recorded.as_ref().map(Recorded::question).transpose()?;
        let (action, resource) = asked.unwrap_or(written);
        let (action, resource) = (desk.action(action)?, Desk::resource(resource)?);
        let inquiry = Inquiry {
            tenant: Some(desk.tenant()),
            principal: &who.record,
            action: &action,
            resource: &resource,
            context: facts.of(&who),
            records: &desk,
        };
        let explanation = desk.pdp().explain(&inquiry).map_err(PolicyCommandError::from)?;
        let mut makers = Vec::with_capacity(explanation.remedies.len());
        for remedy in &explanation.remedies {
            let each = remedy.changes.iter().map(|change| desk.makers(&facts, change));
            makers.push(each.collect::<Result<Vec<_>, _>>()?);
        }
        let answer = Answer {
            principal: who.record.uid,
            action: action.to_string(),
            resource,
            remark: who.remark,
            recorded: recorded.map(|it| it.then(&desk, &explanation)).transpose()?,
            explanation,
            who: makers,
        };
        if self.json {
            let text = serde_json::to_string_pretty(&answer).map_err(PolicyCommandError::from)?;
            return Ok(writeln!(out, "{text}")?);
        }
        Ok(Story::new(out).tell(&answer)?)
    }
}

impl Desk {
    /// Who may make a change: the members to whom the policies allow the action that makes it.
    fn makers(&self, facts: &ReadFacts, change: &Change) -> Result<Makers, PolicyCommandError> {
        let changes = &self.loaded.organisations.changes;
        let (root, where_from) = (self.organisation.root(), (&**self.pdp().schema(), self as _));
        let Some((action, on)) = changes.making(change, root, where_from) else {
            return Ok(Makers::default());
        };
        let Some(on) = on else {
            return Ok(Makers { action: Some(action.to_string()), ..Makers::default() });
        };
        let allowed = self.allowed(facts, action, &on)?;
        let more = allowed.len().saturating_sub(NAMED_MAX);
        let named = allowed.iter().take(NAMED_MAX);
        let members = named.map(|(member, _)| member.id.to_string()).collect();
        Ok(Makers { action: Some(action.to_string()), on: Some(on), members, more })
    }
}
