//! `hubgate policy who-can`: the members who may do something, and the roles that would let somebody.
//!
//! API clients are kept in the store, not in the directory: ask about one of them with `explain`.

use std::io::Write;
use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::desk::{Desk, FactArguments};
use super::{CommandError, PolicyCommandError};
use crate::model::{ActionId, EntityUid};

/// What somebody wants to do.
#[derive(Debug, Args)]
pub(in crate::app) struct WhoCanArguments {
    /// The action.
    action: String,
    /// The resource, as `Type::id`.
    resource: String,
    /// The organisation.
    #[arg(long, alias = "organisation", value_name = "ORGANISATION")]
    tenant: String,
    #[command(flatten)]
    facts: FactArguments,
    /// The answer as JSON, for tools.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Answer {
    action: String,
    resource: EntityUid,
    members: Vec<Allowed>,
    roles: Vec<Role>,
}

/// A member who may.
#[derive(Debug, Serialize)]
struct Allowed {
    member: String,
    name: String,
    policies: Vec<String>,
}

/// A role that, alone, lets somebody.
#[derive(Debug, Serialize)]
struct Role {
    role: String,
    /// The nodes on which it does, nearest first.
    on: Vec<EntityUid>,
}

impl WhoCanArguments {
    pub(in crate::app) fn run(&self, file: &Path, out: &mut dyn Write) -> Result<(), CommandError> {
        let desk = Desk::open(file, &self.tenant)?;
        let facts = self.facts.read()?;
        let (action, resource) = (desk.action(&self.action)?, Desk::resource(&self.resource)?);
        if !desk.partition.contains(&resource) {
            let message = format!("there is no `{resource}` in `{}`", desk.tenant());
            return Err(PolicyCommandError::Usage(message).into());
        }
        let members = desk.allowed(&facts, &action, &resource)?;
        let members = members.into_iter().map(|(member, decision)| Allowed {
            member: member.id.to_string(),
            name: member.name.clone(),
            policies: decision.determining().iter().map(ToString::to_string).collect(),
        });
        let answer = Answer {
            members: members.collect(),
            roles: self.roles(&desk, &action, &resource)?,
            action: action.to_string(),
            resource,
        };
        if self.json {
            let text = serde_json::to_string_pretty(&answer).map_err(PolicyCommandError::from)?;
            return Ok(writeln!(out, "{text}")?);
        }
        Ok(answer.tell(out)?)
    }

    /// The roles that, alone, let somebody, each with the nodes at or above the resource on which it does.
    fn roles(
        &self,
        desk: &Desk,
        action: &ActionId,
        resource: &EntityUid,
    ) -> Result<Vec<Role>, PolicyCommandError> {
        let facts = self.facts.read()?;
        let schema = desk.pdp().schema();
        let nodes = desk.at_and_above(resource);
        let mut roles = Vec::new();
        for role in schema.role_names("User") {
            let kind = schema.role_node("User", role);
            let mut on = Vec::new();
            for node in nodes.iter().filter(|node| kind == Some(node.kind())) {
                if let Some(who) = desk.holder(role, node)
                    && desk.decide(&who, &facts, action, resource)?.allowed()
                {
                    on.push(node.clone());
                }
            }
            if !on.is_empty() {
                roles.push(Role { role: role.to_owned(), on });
            }
        }
        Ok(roles)
    }
}

impl Answer {
    fn tell(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let Self { action, resource, members, roles } = self;
        match members.len() {
            0 => writeln!(out, "No member may {action} on {resource}.")?,
            1 => writeln!(out, "1 member may {action} on {resource}:")?,
            count => writeln!(out, "{count} members may {action} on {resource}:")?,
        }
        let width = members.iter().map(|m| m.member.chars().count()).max().unwrap_or_default();
        let names = members.iter().map(|m| m.name.chars().count()).max().unwrap_or_default();
        for Allowed { member, name, policies } in members {
            writeln!(out, "  {member:<width$}  {name:<names$}  by {}", policies.join(", "))?;
        }
        if roles.is_empty() {
            writeln!(out, "\nNo role would, by itself.")?;
        } else {
            writeln!(out, "\nRoles that would, by themselves:")?;
        }
        let width = roles.iter().map(|role| role.role.len()).max().unwrap_or_default();
        for Role { role, on } in roles {
            let on: Vec<String> = on.iter().map(ToString::to_string).collect();
            writeln!(out, "  {role:<width$}  on {}", on.join(" or "))?;
        }
        writeln!(out, "\nAPI keys are not in the directory: see `hubgate key list`, and `explain`.")
    }
}
