//! What the load gate must refuse, and how it says so.

use std::collections::BTreeMap;

use crate::authz::tests::{load, schema};
use crate::authz::{Pdp, PolicyError};
use crate::model::{PolicySource, TenantId};

/// A policy, and what the error says.
const REFUSED: [(&str, &str); 16] = [
    ("permit (principal is User, action, resource);", "a policy needs `@id"),
    ("@id(\"A B\") permit (principal is User, action, resource);", "is no policy id"),
    ("@id(\"a\") permit (principal, action, resource);", "permits everything to everybody"),
    ("@id(\"a\") permit (principal, action, resource) when { true };", "permits everything"),
    ("@id(\"a\") forbid (principal, action, resource);", "a forbid needs `@reason"),
    ("@id(\"a\") @reason(\" \") forbid (principal, action, resource);", "`@reason` is empty"),
    (
        "@id(\"a\") @resaon(\"x\") permit (principal is User, action, resource);",
        "`@resaon` is no annotation",
    ),
    (
        "@id(\"a\") @log(\"loud\") permit (principal is User, action, resource);",
        "`@log` knows `strict` only",
    ),
    ("@id(\"a\") permit (principal == ?principal, action, resource);", "is a template"),
    ("@id(\"a\") permit (principal is Usr, action, resource);", "Usr"),
    (
        "@id(\"a\") permit (principal is User, action, resource is Item) when { resource.colour == 1 };",
        "colour",
    ),
    (
        "@id(\"a\") permit (principal is User, action, resource is Item) when { resource.size == \"1\" };",
        "type",
    ),
    (
        "@id(\"a\") permit (principal is User, action == Action::\"items:view\", resource is Node);",
        "unable to find",
    ),
    (
        "@id(\"a\") permit (principal is User, action, resource is Item) when { resource has link && resource.link.owner.limit > 1 };",
        "level",
    ),
    ("@id(\"a\") permit (principal is User, action, resource) when { true ;", "unexpected"),
    (
        "@id(\"a\") permit (principal is User, action, resource); @id(\"a\") permit (principal is ApiClient, action, resource);",
        "is already used in policies/test.cedar",
    ),
];

#[test]
fn the_load_gate_refuses_with_file_and_place() {
    for (text, wanted) in REFUSED {
        let errors = load(&format!("// first line\n{text}")).unwrap_err();
        let shown: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert!(shown.iter().any(|error| error.contains(wanted)), "{wanted}: {shown:?}");
        assert!(errors.iter().all(|error| error.file() == "policies/test.cedar"), "{shown:?}");
        if !wanted.contains("template") {
            assert!(errors[0].line() == Some(2), "{shown:?}");
        }
    }
}

#[test]
fn the_load_gate_reports_every_file_at_once_and_draws_the_place() {
    let bad = |name: &str| {
        PolicySource {
        name: name.to_owned(),
        text: "@id(\"a\")\npermit (principal is User, action, resource is Item) when { resource.colour };".into(),
    }
    };
    let tenants =
        BTreeMap::from([(TenantId::parse("acme").unwrap(), vec![bad("tenants/acme/a.cedar")])]);
    let errors = Pdp::load(schema(), &[bad("policies/a.cedar")], &tenants).unwrap_err();
    let files: Vec<_> = errors.iter().map(PolicyError::file).collect();
    assert!(
        files.contains(&"policies/a.cedar") && files.contains(&"tenants/acme/a.cedar"),
        "{files:?}"
    );
    let drawn = format!("{:?}", miette::Report::new(errors[0].clone()));
    assert!(drawn.contains("policies/a.cedar:2") && drawn.contains("resource.colour"), "{drawn}");
}
