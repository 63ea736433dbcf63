//! The policies, schema and demo organisations of this repository, as they are in its folders.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may panic")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hubgate::authz::{
    Decision, Facts, Partition, Pdp, PolicySchema, PreparedPrincipal, Question, run_cases,
};
use hubgate::config::{read_cases, read_policies, read_tenants};
use hubgate::directory::{Directory, Organisation, principal_entity};
use hubgate::model::{ActionId, AuthMethod, EntityRecord, EntityUid, Scopes, UnixNanos};
use serde_json::{Map, json};

struct Hub {
    pdp: Pdp,
    organisations: BTreeMap<String, (Arc<Organisation>, Partition)>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn hub() -> Hub {
    let root = root();
    let file = root.join("schemas/hub.cedarschema");
    let text = std::fs::read_to_string(file).unwrap();
    let schema = Arc::new(PolicySchema::parse("schemas/hub.cedarschema", &text).unwrap());
    let base = read_policies(&root.join("policies"), &root).unwrap();
    let variables = |_: &str| Some("demo".to_owned());
    let tenants = read_tenants(&root.join("tenants"), &root, &variables).unwrap();
    let organisations: Vec<_> =
        tenants.into_iter().map(|data| Arc::new(Organisation::build(data).unwrap())).collect();
    let own = organisations.iter().map(|o| (o.id().clone(), o.policies().to_vec())).collect();
    let pdp = Pdp::load(schema, &base, &own).unwrap();
    Directory::build(organisations.clone()).unwrap();
    let organisations = organisations
        .into_iter()
        .map(|organisation| {
            let partition = Partition::build(pdp.schema(), organisation.resources()).unwrap();
            (organisation.id().to_string(), (organisation, partition))
        })
        .collect();
    Hub { pdp, organisations }
}

impl Hub {
    fn ask(&self, tenant: &str, who: &PreparedPrincipal, action: &str, on: &str) -> Decision {
        let (organisation, partition) = &self.organisations[tenant];
        let (action, resource) = (ActionId::parse(action).unwrap(), uid(on));
        let accepted = Scopes::none();
        let context = Facts {
            method: AuthMethod::Session,
            connection: None,
            scopes: &accepted,
            source: Ipv4Addr::new(192, 0, 2, 1).into(),
            now: UnixNanos::from_seconds(1_767_225_600),
        };
        let question = Question { principal: who, action: &action, resource: &resource, context };
        self.pdp.decide(Some(organisation.id()), partition, &question)
    }

    fn member(&self, tenant: &str, id: &str) -> PreparedPrincipal {
        let (organisation, partition) = &self.organisations[tenant];
        let id = hubgate::model::MemberId::parse(id).unwrap();
        let roles = &organisation.member(&id).unwrap().roles;
        let uid = EntityUid::new("User", id.as_str()).unwrap();
        let names = self.pdp.schema().role_names("User");
        partition.principal(&principal_entity(uid, roles, names, Map::new())).unwrap()
    }

    fn key(&self, tenant: &str, id: &str, scopes: &[&str], role_of: &str) -> PreparedPrincipal {
        let (organisation, partition) = &self.organisations[tenant];
        let member = hubgate::model::MemberId::parse(role_of).unwrap();
        let roles = &organisation.member(&member).unwrap().roles;
        let extra = Map::from_iter([("scopes".to_owned(), json!(scopes))]);
        let uid = EntityUid::new("ApiClient", id).unwrap();
        let names = self.pdp.schema().role_names("ApiClient");
        partition.principal(&principal_entity(uid, roles, names, extra)).unwrap()
    }
}

fn uid(text: &str) -> EntityUid {
    EntityUid::parse(text).unwrap()
}

#[test]
fn every_case_gets_its_answer_and_every_policy_has_cases() {
    let root = root();
    let cases = read_cases(&root.join("policies/tests"), &root).unwrap();
    assert!(cases.len() >= 4);
    let failures = run_cases(&hub().pdp, &cases);
    let shown: Vec<_> = failures.iter().map(ToString::to_string).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

#[test]
fn a_missing_case_and_a_wrong_answer_are_told() {
    let root = root();
    let mut cases = read_cases(&root.join("policies/tests"), &root).unwrap();
    cases.retain(|file| !file.name.contains("public"));
    let failures = run_cases(&hub().pdp, &cases);
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert!(failures[0].to_string().contains("no case about the policy `public-status` allows"));
    for file in &mut cases {
        file.cases
            .iter_mut()
            .for_each(|case| case.action = ActionId::parse("status:view").unwrap());
    }
    let failures = run_cases(&hub().pdp, &cases);
    assert!(failures.len() > 10 && failures[0].to_string().contains("expected allow, got deny"));
}

/// Role by action, on resources of a sub-account while the roles are on the main account: what the
/// file shows is inherited. A change of policies shows as a change of this file, and is reviewed as one.
#[test]
fn the_matrix_of_roles_and_actions_is_the_reviewed_one() {
    let hub = hub();
    let columns = ["ada", "oskar", "bea", "sam", "nils", "anonymous"];
    let roles =
        ["admin", "operations_manager", "bookkeeper", "support_agent", "no role", "anonymous"];
    let anonymous = EntityRecord {
        uid: uid("Anonymous::anonymous"),
        parents: Vec::new(),
        attributes: Map::new(),
    };
    let partition = &hub.organisations["nordvolt"].1;
    let people: Vec<PreparedPrincipal> = columns
        .iter()
        .map(|id| match *id {
            "anonymous" => partition.principal(&anonymous).unwrap(),
            id => hub.member("nordvolt", id),
        })
        .collect();
    let samples = [
        "Operator::nordvolt-west",
        "Team::team-airport",
        "Site::site-terminal",
        "ChargePoint::cp-0003",
        "Wallet::wallet-airport",
    ];
    let mut matrix = format!("{:<24} {:<12}", "action", "resource");
    for role in roles {
        write!(matrix, " {role:<18}").unwrap();
    }
    matrix.truncate(matrix.trim_end().len());
    matrix.push('\n');
    for action in hub.pdp.actions() {
        let id = ActionId::parse(action).unwrap();
        for on in samples.iter().filter(|on| hub.pdp.schema().action_accepts(&id, uid(on).kind())) {
            write!(matrix, "{action:<24} {:<12}", uid(on).kind()).unwrap();
            for person in &people {
                let word =
                    if hub.ask("nordvolt", person, action, on).allowed() { "yes" } else { "-" };
                write!(matrix, " {word:<18}").unwrap();
            }
            matrix.truncate(matrix.trim_end().len());
            matrix.push('\n');
        }
    }
    let reviewed = std::fs::read_to_string(root().join("policies/tests/matrix.txt")).unwrap();
    assert_eq!(
        matrix, reviewed,
        "policies/tests/matrix.txt differs from what the policies say:\n{matrix}"
    );
}

#[test]
fn a_role_on_one_sub_account_reaches_neither_the_other_nor_the_main_account() {
    let hub = hub();
    let edda = hub.member("nordvolt", "edda");
    for (action, on, wanted) in [
        ("teams:view", "Team::team-harbour", "permitted"),
        ("charge-points:delete", "ChargePoint::cp-0001", "permitted"),
        ("teams:view", "Team::team-airport", "no_permit"),
        ("wallets:view", "Wallet::wallet-nordvolt", "no_permit"),
        ("teams:list", "Operator::nordvolt", "no_permit"),
        ("teams:list", "Operator::nordvolt-east", "permitted"),
    ] {
        assert_eq!(hub.ask("nordvolt", &edda, action, on).reason_code(), wanted, "{action} {on}");
    }
}

#[test]
fn nothing_of_another_organisation_can_be_reached() {
    let hub = hub();
    let ada = hub.member("nordvolt", "ada");
    // In her own partition, the other's resources do not exist; in the other's, she does not.
    let decision = hub.ask("nordvolt", &ada, "teams:view", "Team::team-meadow");
    assert_eq!(decision.reason_code(), "unknown_resource");
    let decision = hub.ask("solarpark", &ada, "teams:view", "Team::team-meadow");
    assert_eq!(decision.reason_code(), "invalid_request");
    let sol = hub.member("solarpark", "sol");
    assert!(hub.ask("solarpark", &sol, "teams:view", "Team::team-meadow").allowed());
}

#[test]
fn an_organisations_own_rule_binds_that_organisation_only() {
    let hub = hub();
    let scopes = ["all:delete"];
    let sun = hub.key("solarpark", "key-1", &scopes, "sol");
    let decision = hub.ask("solarpark", &sun, "wallets:withdraw", "Wallet::wallet-meadow");
    assert_eq!(&*decision.determining()[0], "solarpark/withdraw-by-people-only");
    assert!(decision.reason().unwrap().contains("signed-in people"));
    assert!(hub.ask("solarpark", &sun, "wallets:deposit", "Wallet::wallet-meadow").allowed());
    let north = hub.key("nordvolt", "key-1", &scopes, "ada");
    assert!(hub.ask("nordvolt", &north, "wallets:withdraw", "Wallet::wallet-airport").allowed());
}
