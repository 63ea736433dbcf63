//! `hubgate policy what-can`: what somebody may do, area by area, and on which nodes.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::desk::{Desk, FactArguments, ReadFacts, Who};
use super::{CommandError, PolicyCommandError};
use crate::authz::{AccessQuestion, AccessSet, AccessSetError};
use crate::model::{ActionId, EntityUid};

/// Most nodes named in one line; the rest is counted.
const NAMED_MAX: usize = 6;

/// Somebody, and where.
#[derive(Debug, Args)]
pub(in crate::app) struct WhatCanArguments {
    /// Who: `User::<member>`, `ApiClient::<key id>` or `Anonymous::anonymous`.
    principal: String,
    /// The organisation.
    #[arg(long, alias = "organisation", value_name = "ORGANISATION")]
    tenant: String,
    /// On this resource only.
    #[arg(long, value_name = "TYPE::ID")]
    on: Option<String>,
    #[command(flatten)]
    facts: FactArguments,
    /// The answer as JSON, for tools.
    #[arg(long)]
    json: bool,
}

/// What somebody may do with one action.
#[derive(Debug, Serialize)]
struct Allowed {
    action: String,
    /// Where; left out when one resource was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<Arc<AccessSet>>,
    /// Why it cannot be told where.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
}

impl WhatCanArguments {
    pub(in crate::app) fn run(&self, file: &Path, out: &mut dyn Write) -> Result<(), CommandError> {
        let desk = Desk::open(file, &self.tenant)?;
        let facts = self.facts.read()?;
        let who = desk.who(&self.principal)?;
        let allowed = match &self.on {
            Some(on) => on_one(&desk, &who, &facts, &Desk::resource(on)?)?,
            None => everywhere(&desk, &who, &facts)?,
        };
        if self.json {
            let text = serde_json::to_string_pretty(&allowed).map_err(PolicyCommandError::from)?;
            return Ok(writeln!(out, "{text}")?);
        }
        if let Some(remark) = &who.remark {
            writeln!(out, "{remark}")?;
        }
        if allowed.is_empty() {
            return Ok(writeln!(out, "{} may do nothing there.", who.record.uid)?);
        }
        Ok(tell(&allowed, out)?)
    }
}

fn actions(desk: &Desk) -> impl Iterator<Item = ActionId> {
    desk.pdp().actions().filter_map(|action| ActionId::parse(action).ok())
}

fn on_one(
    desk: &Desk,
    who: &Who,
    facts: &ReadFacts,
    resource: &EntityUid,
) -> Result<Vec<Allowed>, PolicyCommandError> {
    if !desk.partition.contains(resource) {
        let message = format!("there is no `{resource}` in `{}`", desk.tenant());
        return Err(PolicyCommandError::Usage(message));
    }
    let mut allowed = Vec::new();
    for action in actions(desk) {
        if desk.decide(who, facts, &action, resource)?.allowed() {
            allowed.push(Allowed { action: action.to_string(), access: None, unknown: None });
        }
    }
    Ok(allowed)
}

fn everywhere(
    desk: &Desk,
    who: &Who,
    facts: &ReadFacts,
) -> Result<Vec<Allowed>, PolicyCommandError> {
    let principal = desk.partition.principal(&who.record)?;
    // Every type: a node above may stand for those below it that the action is for.
    let types = desk.pdp().schema().types();
    let mut allowed = Vec::new();
    for action in actions(desk) {
        let context = facts.of(who);
        let question =
            AccessQuestion { principal: &principal, action: &action, context, types: &types };
        let (access, unknown) =
            match desk.pdp().access_set(Some(desk.tenant()), &desk.partition, &question) {
                Ok(set) if set.is_empty() => continue,
                Ok(set) => (Some(set), None),
                Err(error @ (AccessSetError::TooManyNodes | AccessSetError::TooManyEntries)) => {
                    (None, Some(error.to_string()))
                }
                Err(error) => return Err(error.into()),
            };
        allowed.push(Allowed { action: action.to_string(), access, unknown });
    }
    Ok(allowed)
}

/// Areas in order; within one, the actions that are allowed on the same nodes stand together.
fn tell(allowed: &[Allowed], out: &mut dyn Write) -> std::io::Result<()> {
    let mut areas: BTreeMap<&str, BTreeMap<String, Vec<&str>>> = BTreeMap::new();
    for Allowed { action, access, unknown } in allowed {
        let (area, verb) = action.split_once(':').unwrap_or(("", action));
        let place = match (access, unknown) {
            (Some(set), _) => place(set),
            (None, Some(unknown)) => format!("cannot be told: {unknown}; ask with `--on`"),
            (None, None) => String::new(),
        };
        areas.entry(area).or_default().entry(place).or_default().push(verb);
    }
    for (area, places) in areas {
        writeln!(out, "{area}")?;
        for (place, verbs) in places {
            writeln!(out, "  {}", verbs.join(", "))?;
            if !place.is_empty() {
                writeln!(out, "      {place}")?;
            }
        }
    }
    Ok(())
}

fn place(set: &AccessSet) -> String {
    let named = |nodes: &[EntityUid]| {
        let mut names: Vec<String> =
            nodes.iter().take(NAMED_MAX).map(ToString::to_string).collect();
        if nodes.len() > NAMED_MAX {
            names.push(format!("{} more", nodes.len() - NAMED_MAX));
        }
        names.join(", ")
    };
    let mut text = format!("{} at or below {}", set.types().join(", "), named(set.within()));
    if !set.without().is_empty() {
        text.push_str(", but not ");
        text.push_str(&named(set.without()));
    }
    text
}
