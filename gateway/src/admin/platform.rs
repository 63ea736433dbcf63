//! What the platform's own administrators do: create organisations, see every one, suspend one, see what is in force on this node,
//! look into the decision log.
//!
//! The platform is an organisation like any other (`[platform] organisation`), and its administrators are members of it.
//! Nobody of another one is even asked about: to them there is nothing here.

pub(super) mod break_glass;
pub(super) mod change_organisation;
pub(super) mod create_organisation;
pub(super) mod issue_bootstrap_key;
pub(super) mod list_organisations;
pub(super) mod list_policies;
pub(super) mod list_routes;
pub(super) mod resume;
pub(super) mod search_decisions;
pub(super) mod show_organisation;
pub(super) mod show_snapshot;
pub(super) mod suspend;
mod written;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::event::timestamp;
use super::guard::Guarded;
use super::problem::Problem;
use crate::directory::Organisation;
use crate::model::{Source, TenantId};
use crate::pipeline::Ground;
use crate::store::{Kind, PROFILE, Profile};

/// An organisation, as the platform sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrganisationBody {
    /// Its id.
    #[schema(example = "nordvolt")]
    id: String,
    /// Its name.
    name: String,
    /// Its main account.
    #[schema(example = "Operator::nordvolt")]
    root: String,
    /// The host names that are its own.
    hosts: Vec<String>,
    /// Where it comes from: `file`, or `api` for one that was created with this API.
    source: &'static str,
    /// The attributes of its main account, if it was created with this API.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    attributes: Option<Map<String, Value>>,
    /// `active` or `suspended`.
    status: &'static str,
    /// Why it is suspended, where the platform said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// When that was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_changed: Option<String>,
    /// The connections its people sign in by.
    connections: Vec<String>,
}

impl OrganisationBody {
    /// An organisation in force, with what the platform keeps of it.
    pub(super) fn shown(organisation: &Organisation, profile: Option<&Profile>) -> Value {
        let changed = profile.map(|profile| timestamp(profile.changed));
        serde_json::json!(Self {
            id: organisation.id().to_string(),
            name: organisation.name().to_owned(),
            root: organisation.root().to_string(),
            hosts: organisation.hosts().to_vec(),
            source: organisation.created().map_or(Source::File, |_| Source::Api).name(),
            attributes: organisation.created().map(|root| root.attributes.clone()),
            status: if organisation.suspended() { "suspended" } else { "active" },
            reason: profile.and_then(|profile| profile.suspended.clone()),
            status_changed: changed,
            connections: organisation.connections().map(|it| it.key.id.to_string()).collect(),
        })
    }
}

/// An organisation of the path.
pub(super) fn found<'g>(
    ground: &'g Ground<'_>,
    text: &str,
) -> Result<(TenantId, &'g Organisation), Problem> {
    let id = TenantId::parse(text).map_err(|_| Problem::not_found())?;
    let organisation = ground.snapshot().directory().organisation(&id);
    let organisation = organisation.ok_or_else(Problem::not_found)?;
    Ok((id, organisation))
}

/// What the platform keeps of an organisation.
pub(super) async fn profile(
    guarded: &Guarded<'_>,
    tenant: &TenantId,
) -> Result<Option<Profile>, Problem> {
    Ok(guarded.desk.objects().find(tenant, Kind::Profile, PROFILE).await?)
}

/// Refuses an organisation that cannot add to what the files say, because another one did.
pub(super) async fn may_add(guarded: &Guarded<'_>) -> Result<(), Problem> {
    let tenant = guarded.admitted.tenant();
    match guarded.desk.objects().platform_keeper().await? {
        Some(keeper) if keeper != *tenant => {
            let detail = format!(
                "policies and organisations are added by `{keeper}`, which ran the platform before"
            );
            Err(Problem::not_now(detail))
        }
        _ => Ok(()),
    }
}
