//! The policies, schema and demo organisations of this repository, as they are in its folders.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may panic")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hubgate::authz::{
    Decision, Facts, Fate, Matrix, Mutant, MutantTrial, Partition, Pdp, PolicySchema,
    PreparedPrincipal, Question, ReviewFormat, Trial, changes, mutants, run_cases,
};
use hubgate::config::{
    PROBE_FILE, REVIEWED_FILE, TenantData, read_cases, read_policies, read_probe, read_tenants,
};
use hubgate::directory::{Directory, Members, Organisation, principal_entity};
use hubgate::model::{ActionId, AuthMethod, EntityUid, Scopes, UnixNanos};
use serde_json::{Map, json};

struct Hub {
    pdp: Pdp,
    organisations: BTreeMap<String, (Arc<Organisation>, Partition, Members)>,
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
    let own = tenants
        .iter()
        .map(|read| (read.organisation.id.clone(), read.organisation.policies.clone()));
    let pdp = Pdp::load(schema, &base, &own.collect()).unwrap();
    let read = |read: TenantData| {
        let organisation = Arc::new(Organisation::build(read.organisation).unwrap());
        let partition = Partition::build(pdp.schema(), read.resources.iter()).unwrap();
        let exists = |uid: &EntityUid| partition.contains(uid);
        let members = Members::build(&organisation, read.members, &exists).unwrap();
        (organisation.id().to_string(), (organisation, partition, members))
    };
    let organisations: BTreeMap<_, _> = tenants.into_iter().map(read).collect();
    Directory::build(organisations.values().map(|(it, ..)| Arc::clone(it)).collect()).unwrap();
    Hub { pdp, organisations }
}

impl Hub {
    fn ask(&self, tenant: &str, who: &PreparedPrincipal, action: &str, on: &str) -> Decision {
        let (organisation, partition, _) = &self.organisations[tenant];
        let (action, resource) = (ActionId::parse(action).unwrap(), uid(on));
        let accepted = Scopes::new(["all:delete"]).unwrap();
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
        let (_, partition, members) = &self.organisations[tenant];
        let id = hubgate::model::MemberId::parse(id).unwrap();
        let roles = &members.member(&id).unwrap().roles;
        let uid = EntityUid::new("User", id.as_str()).unwrap();
        let names = self.pdp.schema().role_names("User");
        partition.principal(&principal_entity(uid, roles, names, Map::new())).unwrap()
    }

    fn key(&self, tenant: &str, id: &str, scopes: &[&str], role_of: &str) -> PreparedPrincipal {
        let (_, partition, members) = &self.organisations[tenant];
        let member = hubgate::model::MemberId::parse(role_of).unwrap();
        let roles = &members.member(&member).unwrap().roles;
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
    let told: Vec<String> = failures.iter().map(ToString::to_string).collect();
    assert!(told.iter().all(|it| it.contains("no case about the policy")), "{told:?}");
    for word in ["allows", "denies"] {
        let wanted = format!("no case about the policy `public-status` {word}");
        assert!(told.iter().any(|it| it.contains(&wanted)), "{told:?}");
    }
    for file in &mut cases {
        file.cases
            .iter_mut()
            .for_each(|case| case.action = ActionId::parse("status:view").unwrap());
    }
    let failures = run_cases(&hub().pdp, &cases);
    let told: Vec<String> = failures.iter().map(ToString::to_string).collect();
    let wrong = |told: &&String| told.contains("expected allow, got deny");
    assert!(told.iter().filter(wrong).count() > 10, "{told:?}");
}

fn matrix() -> Matrix {
    let root = root();
    let probe = read_probe(&root.join("policies").join(PROBE_FILE), &root).unwrap().unwrap();
    Matrix::compute(&hub().pdp, &probe).unwrap()
}

fn reviewed() -> String {
    std::fs::read_to_string(root().join("policies").join(REVIEWED_FILE)).unwrap()
}

/// A change of policies shows as a change of this file, and is reviewed as one.
#[test]
fn the_matrix_is_the_reviewed_one_and_shows_every_policy() {
    let (matrix, reviewed) = (matrix(), reviewed());
    let changes: Vec<String> = changes(&matrix, &reviewed, ReviewFormat::Markdown)
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(changes.is_empty(), "not as reviewed:\n{}", changes.join("\n"));
    assert!(matrix.to_markdown() == reviewed, "the cells are the same, the text is not");
    assert!(matrix.silent().is_empty(), "decide nothing on the probe: {:?}", matrix.silent());
    assert!(matrix.idle().is_empty(), "change nothing on the probe: {:?}", matrix.idle());
    assert!(matrix.cell_count() > 5_000);
}

#[test]
fn a_changed_policy_shows_as_cells() {
    let root = root();
    let mut base = read_policies(&root.join("policies"), &root).unwrap();
    let from = "resource in principal.roles.support_agent";
    let role = base.iter_mut().find(|source| source.name.ends_with("support-agent.cedar")).unwrap();
    assert!(role.text.contains(from));
    role.text = role.text.replacen(from, &format!("{from} && !(resource is Site)"), 1);
    let schema = Arc::clone(hub().pdp.schema());
    let probe = read_probe(&root.join("policies").join(PROBE_FILE), &root).unwrap().unwrap();
    let pdp = Pdp::load(schema, &base, &BTreeMap::new()).unwrap();
    let narrowed = Matrix::compute(&pdp, &probe).unwrap();
    let changes = changes(&narrowed, &reviewed(), ReviewFormat::Markdown).unwrap();
    let shown: Vec<String> = changes.iter().map(ToString::to_string).collect();
    assert!(shown.contains(&"sites:view on Site: Support agent: yes → -".to_owned()), "{shown:?}");
    assert!(changes.iter().all(|change| change.column == "Support agent"), "{shown:?}");
}

/// Mistakes in the policies that the cases beside them notice, in percent.
const NOTICED_MINIMUM: usize = 90;

#[test]
fn the_cases_notice_most_mistakes_in_the_policies() {
    let root = root();
    let base = read_policies(&root.join("policies"), &root).unwrap();
    let cases = read_cases(&root.join("policies/tests"), &root).unwrap();
    let pdp = hub().pdp;
    let trial = Trial::prepare(pdp.schema(), &cases);
    let prepared = MutantTrial::prepare(&pdp, &trial).unwrap();
    let all = mutants(&base);
    let (left, right) = all.split_at(all.len() / 2);
    let fates = |part: &[Mutant]| part.iter().map(|one| prepared.fate(one)).collect::<Vec<_>>();
    let fates: Vec<Fate> = std::thread::scope(|scope| {
        let other = scope.spawn(|| fates(right));
        [fates(left), other.join().unwrap()].concat()
    });
    let killed = fates.iter().filter(|fate| matches!(fate, Fate::Killed { .. })).count();
    let survivors: Vec<String> = all
        .iter()
        .zip(&fates)
        .filter(|(_, fate)| **fate == Fate::Survived)
        .map(|(mutant, _)| format!("{}: {}", mutant.policy, mutant.change))
        .collect();
    let counted = killed + survivors.len();
    assert!(counted > 100, "{counted} mutants are too few to say anything");
    assert!(
        killed * 100 >= counted * NOTICED_MINIMUM,
        "{killed} of {counted} noticed; not noticed:\n{}",
        survivors.join("\n")
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
