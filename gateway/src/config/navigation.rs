//! `[navigation]`: where people work in an organisation, and the areas a menu offers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{ActionId, EntityUid};

use super::section::Section;

/// Where people work in an organisation, and the areas a menu offers there; `/.hubgate/me` tells both, as the
/// policies allow.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "navigation")]
pub(super) struct NavigationFile {
    /// The Cedar type of the nodes people work in and switch between, as `Operator`. Without it there is no
    /// menu, and everybody works in the root of their organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// The action that says whether a node may be entered, as `operators:enter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    enter: Option<String>,
    /// The areas, in the order of the menu.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    areas: Vec<AreaFile>,
}

/// One area of the hub.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "navigation.area")]
struct AreaFile {
    /// Its name, for the hub.
    id: String,
    /// The action that says, asked about the node worked in, whether the area is open.
    action: String,
}

/// What a menu is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NavigationSettings {
    /// The Cedar type of the nodes.
    pub kind: String,
    /// The action that lets enter one.
    pub enter: ActionId,
    /// The areas: name, and the action that opens it.
    pub areas: Vec<(String, ActionId)>,
}

/// Most areas: each costs a decision when the menu is asked for, and no menu has more.
const AREAS_MAX: usize = 200;

impl NavigationFile {
    /// `None` when there is no menu, and when something is wrong, which is then told.
    pub(super) fn settings(&self, section: &mut Section<'_>) -> Option<NavigationSettings> {
        let Some(kind) = &self.kind else {
            if self.enter.is_some() || !self.areas.is_empty() {
                section.wrong("kind", "is missing: the type of the nodes people work in");
            }
            return None;
        };
        if EntityUid::new(kind, "x").is_err() {
            section.wrong("kind", format!("`{kind}` is no entity type"));
            return None;
        }
        if self.areas.len() > AREAS_MAX {
            section.wrong("areas", format!("more than {AREAS_MAX} areas"));
            return None;
        }
        let Some(enter) = &self.enter else {
            section.wrong("enter", "is missing: the action that lets enter a node");
            return None;
        };
        let enter = section.keep("enter", ActionId::parse(enter))?;
        let mut areas = Vec::with_capacity(self.areas.len());
        for (index, AreaFile { id, action }) in self.areas.iter().enumerate() {
            match ActionId::parse(action) {
                Ok(action) => areas.push((id.clone(), action)),
                Err(error) => section.wrong_item("areas", index, error.to_string()),
            }
        }
        (areas.len() == self.areas.len()).then(|| NavigationSettings {
            kind: kind.clone(),
            enter,
            areas,
        })
    }
}
