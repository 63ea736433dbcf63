//! Where in its organisation somebody works, and what a menu may offer there. The policies say which nodes a
//! person may enter and which areas are open on a node; a choice among them is a wish and gives no authority.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use super::asker::Asker;
use super::sign_in::Places;
use super::snapshot::Snapshot;
use crate::authz::{Partition, Question};
use crate::directory::Organisation;
use crate::model::{ActionId, EntityUid, RoleAssignment, Scopes, UnixNanos};

/// What a menu is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Navigation {
    /// The Cedar type of the nodes people work in.
    pub kind: String,
    /// The action that says whether a node may be entered.
    pub enter: ActionId,
    /// The areas, in the order of the menu.
    pub areas: Vec<Area>,
}

/// One area of the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// Its name, for the hub.
    pub id: String,
    /// The action that says, asked about the active node, whether it is open.
    pub action: ActionId,
}

/// What the one who asks may be shown to choose from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Menu {
    /// The node worked in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<EntityUid>,
    /// The nodes that may be entered, at most a thousand.
    pub nodes: Vec<EntityUid>,
    /// Whether there are nodes that are not listed.
    pub more_nodes: bool,
    /// The areas that are open on the active node.
    pub areas: Vec<String>,
}

/// A menu of more is no menu.
const NODES_MAX: usize = 1_000;

/// Most nodes decided on for one menu, some ten microseconds each; what lies beyond counts as more.
const DECISIONS_MAX: usize = 5_000;

/// The node somebody works in: the one chosen, if a role of theirs reaches it; else the topmost, and among equals the first by
/// name, of the nodes their roles are on; else the root.
pub(super) fn active_node(
    navigation: Option<&Navigation>,
    organisation: &Organisation,
    partition: &Partition,
    roles: &[RoleAssignment],
    chosen: Option<&EntityUid>,
) -> EntityUid {
    let root = || organisation.root().clone();
    let Some(Navigation { kind, .. }) = navigation else { return root() };
    let fits = |uid: &&EntityUid| uid.kind() == kind && partition.contains(uid);
    let held: Vec<&EntityUid> = roles.iter().map(|role| &role.on).filter(fits).collect();
    // Who lost the role there works there no more.
    let still = |chosen: &&EntityUid| partition.stands_under(chosen, held.iter().copied());
    if let Some(chosen) = chosen.filter(fits).filter(still) {
        return chosen.clone();
    }
    let is_topmost = |uid: &&EntityUid| {
        let others = held.iter().copied().filter(|other| other != uid);
        !partition.stands_under(uid, others)
    };
    held.iter().copied().filter(is_topmost).min().cloned().unwrap_or_else(root)
}

/// Somebody and what they may choose from. Nothing is decided before it is asked.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) asker: &'a Asker,
    pub(super) partition: Arc<Partition>,
    pub(super) source: IpAddr,
    pub(super) now: UnixNanos,
}

impl Places for Surroundings<'_> {
    /// Empty for who belongs nowhere and where no menu is configured.
    fn menu(&self) -> Menu {
        let Some(navigation) = self.snapshot.navigation() else { return Menu::default() };
        if self.asker.tenant().is_none() || self.asker.prepared().is_none() {
            return Menu::default();
        }
        let mut known = self.partition.of_kind(&navigation.kind);
        let mut nodes: Vec<EntityUid> = known
            .by_ref()
            .take(DECISIONS_MAX)
            .filter(|node| self.allowed(&navigation.enter, node))
            .take(NODES_MAX + 1)
            .cloned()
            .collect();
        let more_nodes = nodes.len() > NODES_MAX || known.next().is_some();
        nodes.truncate(NODES_MAX);
        nodes.sort_unstable();
        let active = self.asker.active().cloned();
        let areas = active.iter().flat_map(|active| {
            let open = |area: &&Area| self.allowed(&area.action, active);
            navigation.areas.iter().filter(open).map(|area| area.id.clone())
        });
        Menu { areas: areas.collect(), active, nodes, more_nodes }
    }

    /// One decision, so a node beyond the end of the menu can be chosen too.
    fn may_enter(&self, node: &EntityUid) -> bool {
        let navigation = self.snapshot.navigation();
        navigation.is_some_and(|navigation| {
            node.kind() == navigation.kind && self.allowed(&navigation.enter, node)
        })
    }
}

impl Surroundings<'_> {
    fn allowed(&self, action: &ActionId, resource: &EntityUid) -> bool {
        let (Some(tenant), Some(principal)) = (self.asker.tenant(), self.asker.prepared()) else {
            return false;
        };
        let scopes = Scopes::none();
        let context = self.asker.facts(&scopes, self.source, self.now);
        let question = Question { principal, action, resource, context };
        self.snapshot.pdp().decide(Some(tenant), &self.partition, &question).allowed()
    }
}
