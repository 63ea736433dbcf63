//! Measures what size costs: organisations of 1,000 to 1,000,000 resources, and 10,000 organisations.
//!
//! `cargo bench --workspace --bench directory`. Each line is measured in a process of its own, so that its
//! memory is its own; memory is the peak of the whole process (`VmHWM`) unless it says otherwise.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring tool for people")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use hubgate::authz::{Facts, Partition, Pdp, Question};
use hubgate::config::{Loaded, load_with};
use hubgate::directory::principal_entity;
use hubgate::model::{
    ActionId, AuthMethod, Change, EntityRecord, EntityUid, Scopes, TenantId, UnixNanos,
};
use hubgate::pipeline::OrganisationSource as _;
use hubgate_testkit::population::{Likeness, POLICIES, SCHEMA, write_organisation};
use serde_json::{Map, json};

const SETTINGS: &str = r#"
[listen]
http = "127.0.0.1:8080"
observe = "127.0.0.1:9464"
"#;

/// Times a thing is done; the median counts.
const ROUNDS: usize = 51;

fn main() {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["one", size, likeness] => {
            let likeness = if *likeness == "alike" { Likeness::Alike } else { Likeness::Different };
            one_organisation(size.parse().unwrap(), likeness);
        }
        ["many", count] => many_organisations(count.parse().unwrap()),
        _ => {
            println!(
                "{:>9} {:<10} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9}",
                "resources", "devices", "file", "load", "memory", "put", "move", "new", "repeated"
            );
            for (size, likeness) in [
                ("1000", "alike"),
                ("100000", "alike"),
                ("1000000", "alike"),
                ("1000000", "different"),
            ] {
                again(&["one", size, likeness]);
            }
            for count in ["1000", "10000"] {
                again(&["many", count]);
            }
        }
    }
}

fn again(arguments: &[&str]) {
    let status = Command::new(std::env::current_exe().unwrap()).args(arguments).status().unwrap();
    assert!(status.success(), "{arguments:?} failed");
}

fn one_organisation(size: usize, likeness: Likeness) {
    let folder = tempfile::tempdir().unwrap();
    write_common(folder.path());
    // The first load is that of a small one, so that only the large one is measured.
    let tenants = folder.path().join("tenants");
    write_organisation(&tenants.join("large"), 10, likeness).unwrap();
    let loaded = read(folder.path());
    write_organisation(&tenants.join("large"), size, likeness).unwrap();
    let file = std::fs::metadata(tenants.join("large/resources.ndjson")).unwrap().len();
    drop(loaded);
    let checked = Instant::now();
    let loaded = read(folder.path());
    let checked = checked.elapsed();
    let organisations = &loaded.organisations;
    let tenant = TenantId::parse("large").unwrap();
    let organisation = organisations.directory.organisation(&tenant).unwrap();
    let started = Instant::now();
    let content = organisations.source.open(organisation, &organisations.schema).unwrap();
    let load = started.elapsed();
    let memory = status("VmHWM");
    assert_eq!(content.partition.len(), size);
    let (put, moved) = changes(&content.partition);
    let (new, repeated) = decisions(&organisations.pdp, &content.partition, size);
    println!(
        "{size:>9} {:<10} {:>5} MB {:>6.2} s {:>5} MB {:>6.2} ms {:>6.2} ms {:>6.2} µs {:>6.2} µs   \
         checked at start in {:.2} s",
        format!("{likeness:?}").to_lowercase(),
        file / 1_000_000,
        load.as_secs_f64(),
        memory / 1024,
        milliseconds(put),
        milliseconds(moved),
        new.as_secs_f64() * 1e6,
        repeated.as_secs_f64() * 1e6,
        checked.as_secs_f64(),
    );
}

/// Putting one device anew, and moving one team with all that is below it.
fn changes(partition: &Partition) -> (Duration, Duration) {
    let device = partition.record(&uid("Device::d7")).unwrap();
    let put = median(|round| {
        let mut device = device.clone();
        device.attributes.insert("model".to_owned(), json!(format!("other-{round}")));
        partition.apply(&[Change::Put(device)]).unwrap()
    });
    let mut team = partition.record(&uid("Team::t0")).unwrap();
    team.parents = vec![uid("Account::main")];
    let moved = median(|_| partition.apply(&[Change::Put(team.clone())]).unwrap());
    (put, moved)
}

/// A decision about a device nobody asked about before, and about one just asked about.
fn decisions(pdp: &Pdp, partition: &Partition, size: usize) -> (Duration, Duration) {
    let names = pdp.schema().role_names("User");
    let roles = [hubgate::model::RoleAssignment { role: "admin".into(), on: uid("Account::main") }];
    let record: EntityRecord = principal_entity(uid("User::ann"), &roles, names, Map::new());
    let principal = partition.principal(&record).unwrap();
    let (action, scopes) = (ActionId::parse("devices:view").unwrap(), Scopes::none());
    let devices = size * 2 / 3;
    let ask = |number: usize| {
        let resource = uid(&format!("Device::d{}", number % devices));
        let context = Facts {
            method: AuthMethod::Session,
            connection: None,
            scopes: &scopes,
            source: [192, 0, 2, 1].into(),
            now: UnixNanos::from_seconds(1_767_225_600),
        };
        let question =
            Question { principal: &principal, action: &action, resource: &resource, context };
        let started = Instant::now();
        let decision = pdp.decide(None, partition, &question);
        let took = started.elapsed();
        assert_ne!(decision.reason_code(), "unknown_resource");
        took
    };
    let middle = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    };
    // A step that visits devices all over the organisation.
    let new = middle((0..500).map(|n| ask(1 + n * (devices / 500).max(1))).collect());
    let repeated = middle((0..500).map(|_| ask(1)).collect());
    (new, repeated)
}

fn many_organisations(count: usize) {
    let folder = tempfile::tempdir().unwrap();
    write_common(folder.path());
    for number in 0..count {
        let place = folder.path().join(format!("tenants/org-{number:05}"));
        write_organisation(&place, 20, Likeness::Alike).unwrap();
    }
    let before = status("VmRSS");
    let started = Instant::now();
    let loaded = read(folder.path());
    let start = started.elapsed();
    let known = status("VmRSS");
    let organisations = &loaded.organisations;
    let started = Instant::now();
    let open: Vec<_> = organisations
        .directory
        .organisations()
        .take(100)
        .map(|it| organisations.source.open(it, &organisations.schema).unwrap())
        .collect();
    let opened = started.elapsed();
    let used = status("VmRSS");
    assert_eq!(open.len(), 100);
    println!(
        "{count} organisations of 20 resources: read and checked in {:.2} s; {:.1} KB each when not in use; \
         100 opened in {:.0} ms, {:.1} KB each",
        start.as_secs_f64(),
        kilobytes(before, known, count),
        milliseconds(opened),
        kilobytes(known, used, 100),
    );
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn kilobytes(before: u64, after: u64, count: usize) -> f64 {
    after.saturating_sub(before) as f64 / count as f64
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median(mut change: impl FnMut(usize) -> Partition) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|round| {
            let started = Instant::now();
            let changed = change(round);
            let took = started.elapsed();
            drop(changed);
            took
        })
        .collect();
    times.sort_unstable();
    times.get(ROUNDS / 2).copied().unwrap_or_default()
}

fn write_common(folder: &Path) {
    std::fs::create_dir_all(folder.join("policies")).unwrap();
    std::fs::create_dir_all(folder.join("schemas")).unwrap();
    std::fs::create_dir_all(folder.join("tenants")).unwrap();
    std::fs::write(folder.join("schemas/hub.cedarschema"), SCHEMA).unwrap();
    std::fs::write(folder.join("policies/all.cedar"), POLICIES).unwrap();
    std::fs::write(folder.join("gateway.toml"), SETTINGS).unwrap();
}

fn read(folder: &Path) -> Loaded {
    load_with(&folder.join("gateway.toml"), &|_| None).unwrap()
}

fn uid(text: &str) -> EntityUid {
    EntityUid::parse(text).unwrap()
}

/// A line of `/proc/self/status`, in kibibytes.
fn status(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default()
}
