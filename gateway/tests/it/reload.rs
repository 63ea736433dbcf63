//! Changed files: taken over whole while serving, or not at all, and nobody is hurt meanwhile.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

mod under_load;

use std::collections::BTreeSet;

use crate::support::{Gateway, HOST};

const OWN_POLICY: &str = "tenants/nordvolt/policies/own.cedar";
const FORBID_LISTING: &str = "@id(\"no-listing\")\n@reason(\"not today\")\nforbid (principal, \
                              action == Action::\"teams:list\", resource);\n";

fn allow_own_policies(gateway: &Gateway) {
    std::fs::create_dir_all(gateway.folder().join("tenants/nordvolt/policies")).unwrap();
}

/// The broken state is told three ways, and what was in force stays so.
async fn assert_rejected(gateway: &Gateway, words: &[&str], rejected: f64) {
    gateway.wait_for_stderr(words).await;
    let line = gateway
        .wait_for_line(|line| {
            let detail = line["detail"].as_str().unwrap_or_default();
            line["event"] == "config_rejected" && words.iter().all(|word| detail.contains(word))
        })
        .await;
    assert!(line["snapshot"].is_string(), "it names the snapshot that stays: {line}");
    crate::support::wait_until("the metrics count it", async || {
        gateway.metric("hubgate_reloads_total{result=\"rejected\"}").await >= rejected
    })
    .await;
    assert_eq!(gateway.get("/echo/a", gateway.api_key()).await.status, 200);
}

#[tokio::test]
async fn a_new_route_is_served_without_a_restart() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.get("/new", gateway.api_key()).await.status, 404);
    let before = gateway.metric("hubgate_reloads_total{result=\"taken\"}").await;
    let route = format!(
        "\n[[route]]\nid = \"new\"\nhost = \"{HOST}\"\nmethods = [\"GET\"]\npath = \"/new\"\n\
         action = \"teams:list\"\nresource = {{ fixed = \"Operator::nordvolt\" }}\n\
         service = \"hub\"\nscopes = [\"all:delete\"]\n"
    );
    gateway.write("gateway.toml", &(gateway.read("gateway.toml") + &route));
    gateway.wait_for_status("/new", 200).await;
    assert_eq!(gateway.last_upstream_request().request_line(), "GET /new HTTP/1.1");
    crate::support::wait_until("the metrics count it", async || {
        gateway.metric("hubgate_reloads_total{result=\"taken\"}").await > before
    })
    .await;
    let loaded = gateway.log_lines();
    let loaded: Vec<_> = loaded.iter().filter(|line| line["event"] == "config_loaded").collect();
    assert_eq!(loaded.len(), 2);
    assert_ne!(loaded[0]["snapshot"], loaded[1]["snapshot"]);
}

#[tokio::test]
async fn a_policy_comes_into_force_and_goes_again() {
    let gateway = Gateway::start().await;
    allow_own_policies(&gateway);
    gateway.write(OWN_POLICY, FORBID_LISTING);
    gateway.wait_for_status("/echo/a", 403).await;
    std::fs::remove_file(gateway.folder().join(OWN_POLICY)).unwrap();
    gateway.wait_for_status("/echo/a", 200).await;
}

#[tokio::test]
async fn a_resource_and_an_organisation_change() {
    let gateway = Gateway::start().await;
    let path = "/teams/team-new";
    let status = gateway.get(path, gateway.api_key()).await.status;
    assert!(status == 403 || status == 404, "{status}");
    let team = "{\"uid\": \"Team::team-new\", \"parents\": [\"Operator::nordvolt-east\"], \
                \"attributes\": {\"operator\": {\"__entity\": {\"type\": \"Operator\", \
                \"id\": \"nordvolt-east\"}}, \"kind\": \"professional\", \"frozen\": false, \
                \"billing\": \"pay_as_you_go\", \"country\": \"SE\", \"kyb\": \"approved\", \
                \"vat_registered\": true, \"payment_card\": false}}\n";
    let file = "tenants/nordvolt/resources.ndjson";
    gateway.write(file, &(gateway.read(file).trim_end().to_owned() + "\n" + team));
    gateway.wait_for_status(path, 200).await;
    gateway.edit("tenants/nordvolt/organisation.toml", "id = ", "suspended = true\nid = ");
    gateway.wait_for_status(path, 403).await;
}

#[tokio::test]
async fn a_member_and_the_schema_change() {
    let gateway = Gateway::start().await;
    let snapshot = async |path: &str| {
        gateway.get(path, gateway.api_key()).await;
        let line = gateway.wait_for_line(|line| line["what"]["path"] == path).await;
        line["snapshot"].as_str().unwrap().to_owned()
    };
    let mut seen = vec![snapshot("/echo/0").await];
    let member = "tenants/nordvolt/members.toml";
    let edits = [
        (member, "role = \"bookkeeper\"", "role = \"support_agent\""),
        ("schemas/hub.cedarschema", "entity Anonymous", "// Nobody known.\nentity Anonymous"),
    ];
    for (number, (file, piece, other)) in edits.into_iter().enumerate() {
        gateway.edit(file, piece, other);
        let taken = number + 2;
        crate::support::wait_until("it is taken over", async || {
            let lines = gateway.log_lines();
            lines.iter().filter(|line| line["event"] == "config_loaded").count() >= taken
        })
        .await;
        seen.push(snapshot(&format!("/echo/{taken}")).await);
    }
    assert_ne!(seen[0], seen[1], "a changed member is another snapshot");
}

#[tokio::test]
async fn broken_files_change_nothing_and_are_named() {
    let gateway = Gateway::start().await;
    allow_own_policies(&gateway);
    let good = gateway.read("gateway.toml");
    gateway.write("gateway.toml", &good.replace("path = \"/events\"", "path = \"events\""));
    assert_rejected(&gateway, &["gateway.toml", "path"], 1.0).await;
    gateway.write("gateway.toml", &(good.clone() + "\n[nonsense\n"));
    assert_rejected(&gateway, &["gateway.toml"], 2.0).await;
    gateway.write("gateway.toml", &good);
    gateway.wait_for_stderr(&["configuration reloaded"]).await;

    gateway.write(OWN_POLICY, "forbid (principal, action, resource) when { principal.nmae };\n");
    assert_rejected(&gateway, &["own.cedar"], 3.0).await;
    gateway.write(OWN_POLICY, "permit (principal\n");
    assert_rejected(&gateway, &["own.cedar"], 4.0).await;
    std::fs::remove_file(gateway.folder().join(OWN_POLICY)).unwrap();

    let resources = gateway.read("tenants/nordvolt/resources.ndjson");
    let broken = resources.clone() + "{\"uid\": \"Team::lost\", \"parents\": [\n";
    gateway.write("tenants/nordvolt/resources.ndjson", &broken);
    assert_rejected(&gateway, &["nordvolt/resources.ndjson"], 5.0).await;
    gateway.write("tenants/nordvolt/resources.ndjson", &resources);

    gateway.edit("tenants/nordvolt/members.toml", "role = \"bookkeeper\"", "role = \"king\"");
    assert_rejected(&gateway, &["members.toml", "king"], 6.0).await;
    gateway.edit("tenants/nordvolt/members.toml", "role = \"king\"", "role = \"bookkeeper\"");

    let schema = gateway.read("schemas/hub.cedarschema");
    gateway.write("schemas/hub.cedarschema", &(schema.clone() + "\nentity {\n"));
    assert_rejected(&gateway, &["hub.cedarschema"], 7.0).await;
    gateway.write("schemas/hub.cedarschema", &schema);

    // Good again: the next change is taken.
    gateway.write(OWN_POLICY, FORBID_LISTING);
    gateway.wait_for_status("/echo/a", 403).await;
}

#[tokio::test]
async fn a_broken_key_names_its_line() {
    let gateway = Gateway::start().await;
    let good = gateway.read("gateway.toml");
    let line = good.lines().position(|line| line.starts_with("grace_seconds")).unwrap() + 1;
    gateway.write("gateway.toml", &good.replace("grace_seconds = 1", "grace_secs = 1"));
    let number = format!("line={line}");
    gateway.wait_for_stderr(&["gateway.toml", "grace_secs", &number]).await;
}

#[tokio::test]
async fn what_needs_a_restart_is_refused_by_name() {
    let gateway = Gateway::start().await;
    let good = gateway.read("gateway.toml");
    let observe = gateway.observe_addr().to_string();
    for (piece, other, key) in [
        (observe.as_str(), "127.0.0.1:1", "listen.observe"),
        ("[listen]\n", "[listen]\nthreads = 7\n", "listen.threads"),
        ("[listen]\n", "[log]\ndirectory = \"elsewhere\"\n[listen]\n", "log.directory"),
        ("[listen]\n", "[state]\nfile = \"other.sqlite\"\n[listen]\n", "state.file"),
    ] {
        assert!(good.contains(piece));
        gateway.write("gateway.toml", &good.replacen(piece, other, 1));
        gateway.wait_for_stderr(&[key]).await;
        let rejected = |line: &serde_json::Value| {
            line["event"] == "config_rejected"
                && line["detail"].as_str().is_some_and(|detail| detail.contains(key))
        };
        gateway.wait_for_line(rejected).await;
        assert_eq!(gateway.get("/echo/a", gateway.api_key()).await.status, 200);
    }
}

#[tokio::test]
async fn a_hangup_reloads_by_hand() {
    let gateway = Gateway::start().await;
    let before = gateway.stderr().matches("configuration reloaded").count();
    gateway.signal("HUP");
    crate::support::wait_until("it is reloaded", async || {
        gateway.stderr().matches("configuration reloaded").count() > before
    })
    .await;
}

/// Nobody asked about the organisation before, so it is not in memory: it has to be read as it was.
#[tokio::test]
async fn an_organisation_not_in_memory_is_served_as_it_was() {
    let members = "tenants/nordvolt/members.toml";
    let faulty = Gateway::start().await;
    faulty.write(members, "no settings at all");
    assert_rejected(&faulty, &["members.toml"], 1.0).await;
    // Without a fault of its own, while another file has one.
    let sound = Gateway::start().await;
    sound.write("policies/broken.cedar", "permit (");
    sound.write(members, &(sound.read(members) + "\n# Changed.\n"));
    assert_rejected(&sound, &["broken.cedar"], 1.0).await;
}

/// Another process may serve on the same state meanwhile, and need what is kept.
#[tokio::test]
async fn a_start_that_fails_lets_go_of_nothing_that_is_kept() {
    let members = "tenants/nordvolt/members.toml";
    let mut gateway = Gateway::start().await;
    let folder = gateway.folder().join("state/hubgate.kept");
    let kept = || {
        let entries = std::fs::read_dir(&folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>()
    };
    gateway.kill();
    let before = kept();
    let good = gateway.read("gateway.toml");
    gateway.write(members, &(gateway.read(members) + "\n# Changed.\n"));
    // It is found out after the files were taken over.
    std::fs::write(gateway.folder().join("ca.pem"), b"\xff").unwrap();
    gateway.write("gateway.toml", &(good.clone() + "\n[outbound]\nca_file = \"ca.pem\"\n"));
    let output = gateway.run(&["serve"]);
    assert!(!output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("ca.pem"), "{output:?}");
    let after = kept();
    assert!(after.is_superset(&before) && after.len() == before.len() + 1, "{after:?}");
    gateway.write("gateway.toml", &good);
    gateway.restart().await;
    assert_eq!(kept().len(), before.len());
    assert_ne!(kept(), before, "the earlier state is let go of");
}
