//! Mistakes in policies small enough to count them by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::{CaseFile, PolicySchema};
use super::*;

const SCHEMA: &str = r#"
type C = { authentication: { method: String, connection: String }, network: { source: ipaddr },
           operation: { scopes: Set<String> }, now: datetime };
entity User = { roles: { admin: Set<Team> } };
entity Team = { open: Bool, known: Bool };
action "teams:read";
action "teams:view" in ["teams:read"] appliesTo { principal: [User], resource: [Team], context: C };
action "teams:edit" appliesTo { principal: [User], resource: [Team], context: C };
"#;

const POLICIES: &str = r#"
@id("p")
permit (principal is User, action in [Action::"teams:read", Action::"teams:edit"], resource)
when { resource.open && resource.known };
@id("f") @reason("Closed.")
forbid (principal, action == Action::"teams:edit", resource) unless { resource.open };
"#;

fn source() -> Vec<PolicySource> {
    vec![PolicySource { name: "p.cedar".to_owned(), text: POLICIES.to_owned() }]
}

fn pdp() -> Pdp {
    let schema = Arc::new(PolicySchema::parse("s", SCHEMA).unwrap());
    Pdp::load(schema, &source(), &BTreeMap::new()).unwrap()
}

fn cases(cases: &str) -> Vec<CaseFile> {
    let file = format!(
        r#"{{"entities": [{{"uid": "Team::t", "attributes": {{"open": true, "known": true}}}}],
            "principals": [{{"uid": "User::u", "attributes": {{"roles": {{"admin": []}}}}}}],
            "cases": [{cases}]}}"#
    );
    vec![serde_json::from_str(&file).unwrap()]
}

fn case(action: &str, given: &str, expect: &str) -> String {
    format!(
        r#"{{"name": "{action} {expect}", "about": [], "principal": "User::u", "action": "{action}",
            "resource": "Team::t", "given": {{{given}}}, "expect": "{expect}"}}"#
    )
}

fn fates(files: &[CaseFile]) -> Vec<(String, Fate)> {
    let pdp = pdp();
    let trial = Trial::prepare(pdp.schema(), files);
    let prepared = MutantTrial::prepare(&pdp, &trial).unwrap();
    let told = |mutant: &Mutant| format!("{}: {}", mutant.policy, mutant.change);
    mutants(&source()).iter().map(|mutant| (told(mutant), prepared.fate(mutant))).collect()
}

#[test]
fn every_kind_of_mistake_is_made_once() {
    let all = mutants(&source());
    let told: Vec<String> =
        all.iter().map(|m| format!("{}: {}: {}", m.policy, m.mutation, m.change)).collect();
    assert_eq!(
        told,
        [
            "p: effect flipped: the policy is a forbid",
            "p: condition dropped: without `when { resource.open && resource.known }`",
            "p: condition dropped: without `resource.open`",
            "p: condition negated: the opposite of `resource.open`",
            "p: condition dropped: without `resource.known`",
            "p: condition negated: the opposite of `resource.known`",
            "p: scope widened: any principal",
            "p: scope widened: any action",
            "p: action left out: without the action `teams:read`",
            "p: action left out: without the action `teams:edit`",
            "f: forbid removed: the forbid is not there",
            "f: effect flipped: the policy is a permit",
            "f: condition dropped: without `unless { resource.open }`",
            "f: condition negated: the opposite of `resource.open`",
            "f: scope widened: any action",
        ]
    );
}

#[test]
fn a_mistake_survives_until_a_case_is_about_it() {
    let one = case("teams:view", "", "allow");
    let survives = |fates: &[(String, Fate)], what: &str| {
        fates.iter().any(|(told, fate)| told.ends_with(what) && *fate == Fate::Survived)
    };
    let few = fates(&cases(&one));
    assert!(survives(&few, "p: without `resource.known`"), "{few:?}");
    assert!(!survives(&few, "p: the policy is a forbid"), "{few:?}");
    let two = case("teams:view", r#""Team::t": {"known": false}"#, "deny");
    let more = fates(&cases(&format!("{one}, {two}")));
    assert!(!survives(&more, "p: without `resource.known`"), "{more:?}");
}

#[test]
fn what_means_the_same_by_the_schema_is_told_apart_from_what_survives() {
    let fates = fates(&cases(&case("teams:view", "", "allow")));
    let fate = |what: &str| &fates.iter().find(|(told, _)| told == what).unwrap().1;
    // There are users only, and two actions that are both in the list.
    assert_eq!(*fate("p: any principal"), Fate::Same);
    assert_eq!(*fate("p: any action"), Fate::Same);
    assert_eq!(*fate("f: any action"), Fate::Survived);
}

#[test]
fn cases_that_fail_without_a_mistake_notice_none() {
    let pdp = pdp();
    let trial = Trial::prepare(pdp.schema(), &cases(&case("teams:view", "", "deny")));
    assert_eq!(MutantTrial::prepare(&pdp, &trial).unwrap_err().len(), 1);
}
