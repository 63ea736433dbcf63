//! A second opinion on operator roles and inheritance, written from the roles' descriptions and apart from the
//! policies: both must agree on random organisations. And relations that hold whatever the policies say.
//!
//! 100,000 cases; `HUBGATE_ORACLE_CASES=1000000` for more.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

mod relations;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use hubgate::authz::{Decision, Facts, Partition, Pdp, PolicySchema, PreparedPrincipal, Question};
use hubgate::config::read_policies;
use hubgate::directory::principal_entity;
use hubgate::model::{
    ActionId, AuthMethod, EntityUid, PolicySource, RoleAssignment, Scopes, TenantId, UnixNanos,
};
use serde_json::Map;

use self::world::{Dice, World};

/// Questions about one organisation; building one costs as much as a hundred of them.
const QUESTIONS: usize = 250;

// ---- the oracle ----

/// The columns of the table below.
const ROLES: [&str; 4] = ["admin", "operations_manager", "bookkeeper", "support_agent"];

/// What each operator role may do, in the order of [`ROLES`]: views, changes, what moves money.
/// Admin: everything. Operations manager: all teams, views, creates, updates, refunds; no deletion, no money in
/// or out. Bookkeeper: finance, and what it needs to see. Support agent: views, changes nothing.
const TABLE: [(&str, [bool; 4]); 20] = [
    ("teams:list", [true, true, true, true]),
    ("teams:view", [true, true, true, true]),
    ("teams:create", [true, true, false, false]),
    ("teams:update", [true, true, false, false]),
    ("teams:freeze", [true, true, false, false]),
    ("teams:unfreeze", [true, true, false, false]),
    ("teams:delete", [true, false, false, false]),
    ("charge-points:list", [true, true, false, true]),
    ("charge-points:view", [true, true, false, true]),
    ("charge-points:create", [true, true, false, false]),
    ("charge-points:update", [true, true, false, false]),
    ("charge-points:reboot", [true, true, false, false]),
    ("charge-points:unlock", [true, true, false, false]),
    ("charge-points:delete", [true, false, false, false]),
    ("charges:list", [true, true, true, true]),
    ("charges:start", [true, true, false, false]),
    ("wallets:view", [true, true, true, true]),
    ("wallets:withdraw", [true, false, true, false]),
    ("wallets:deposit", [true, false, true, false]),
    ("wallets:refund", [true, true, true, false]),
];

/// Whether somebody with `roles` (role and account, by number) may do the action of row `row` on `place`.
fn oracle(world: &World, roles: &[(usize, usize)], row: usize, place: usize) -> bool {
    let (action, columns) = TABLE[row];
    // A frozen team can neither charge nor pay; where the operator settles, the team holds no money.
    if let Some(team) = world.places[place].team {
        let team = &world.places[team];
        let pays = action == "wallets:withdraw";
        let moves = pays || action == "wallets:deposit";
        if team.frozen && (pays || action == "charges:start") || team.settled && moves {
            return false;
        }
    }
    // A role counts on its account and on everything below it.
    let mut at = Some(place);
    while let Some(here) = at {
        if roles.iter().any(|(role, on)| *on == here && columns[*role]) {
            return true;
        }
        at = world.places[here].parent;
    }
    false
}

// ---- the policies ----

/// The policies of this repository.
fn base() -> Vec<PolicySource> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    read_policies(&root.join("policies"), root).unwrap()
}

fn schema() -> Arc<PolicySchema> {
    let text = include_str!("../../../schemas/hub.cedarschema");
    Arc::new(PolicySchema::parse("hub.cedarschema", text).unwrap())
}

fn pdp(base: &[PolicySource], own: &BTreeMap<TenantId, Vec<PolicySource>>) -> Pdp {
    Pdp::load(schema(), base, own).unwrap()
}

fn accepts(pdp: &Pdp, action: &str, resource: &EntityUid) -> bool {
    pdp.schema().action_accepts(&ActionId::parse(action).unwrap(), resource.kind())
}

/// A member of `world` with these roles.
fn member(
    world: &World,
    partition: &Partition,
    pdp: &Pdp,
    roles: &[(usize, usize)],
) -> PreparedPrincipal {
    let given = roles
        .iter()
        .map(|(role, on)| RoleAssignment { role: ROLES[*role].to_owned(), on: world.uid(*on) });
    let uid = EntityUid::new("User", "somebody").unwrap();
    let names = pdp.schema().role_names("User");
    let record = principal_entity(uid, &given.collect::<Vec<_>>(), names, Map::new());
    partition.principal(&record).unwrap()
}

fn ask(
    pdp: &Pdp,
    tenant: Option<&TenantId>,
    partition: &Partition,
    principal: &PreparedPrincipal,
    (action, resource): (&str, &EntityUid),
) -> Decision {
    let (action, scopes) = (ActionId::parse(action).unwrap(), Scopes::none());
    let context = Facts {
        method: AuthMethod::Session,
        connection: None,
        scopes: &scopes,
        source: Ipv4Addr::new(192, 0, 2, 1).into(),
        now: UnixNanos::from_seconds(1_767_225_600),
    };
    let question = Question { principal, action: &action, resource, context };
    pdp.decide(tenant, partition, &question)
}

#[test]
fn policies_and_oracle_agree_on_random_organisations() {
    let cases = std::env::var("HUBGATE_ORACLE_CASES").ok().map(|text| text.parse().unwrap());
    let cases: usize = cases.unwrap_or(100_000);
    let pdp = pdp(&base(), &BTreeMap::new());
    let known: BTreeSet<&str> = pdp.actions().collect();
    assert!(TABLE.iter().all(|(action, _)| known.contains(action)), "an action has gone");
    let mut dice = Dice::new(1);
    let mut seen: BTreeMap<(usize, bool), usize> = BTreeMap::new();
    let mut asked = 0;
    while asked < cases {
        let world = World::random(&mut dice);
        let partition = Partition::build(pdp.schema(), world.records(&pdp).iter()).unwrap();
        let roles = world.random_roles(&mut dice);
        let principal = member(&world, &partition, &pdp, &roles);
        for _ in 0..QUESTIONS.min(cases - asked) {
            let (row, place) = (dice.below(TABLE.len()), dice.below(world.places.len()));
            let (action, resource) = (TABLE[row].0, world.uid(place));
            // What an action is for, the schema says; what is asked about anything else is denied.
            let meant = accepts(&pdp, action, &resource);
            let expected = meant && oracle(&world, &roles, row, place);
            let decision = ask(&pdp, None, &partition, &principal, (action, &resource));
            assert_eq!(
                decision.allowed(),
                expected,
                "case {asked}: {action} on {resource} with {roles:?} in {world:?}: {:?}",
                decision.determining()
            );
            *seen.entry((row, expected)).or_default() += 1;
            asked += 1;
        }
    }
    for (row, (action, _)) in TABLE.iter().enumerate() {
        for expected in [true, false] {
            let count = seen.get(&(row, expected)).copied().unwrap_or_default();
            assert!(count >= cases / 2_000, "`{action}` was {expected} in {count} cases only");
        }
    }
}
