//! Measures what size costs: organisations of 1,000 to 1,000,000 resources, and 10,000 organisations.
//!
//! `cargo bench --workspace --bench directory`. Each line is measured in a process of its own, so that its
//! memory is its own; memory is the peak of the whole process (`VmHWM`) unless it says otherwise.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring tool for people")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use hubgate::authz::{AccessQuestion, Facts, Partition, Pdp, PreparedPrincipal, Question};
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

/// Decisions of each kind; the median counts.
const QUESTIONS: usize = 512;

/// New decisions on one copy of an organisation, each about a device of another team: the smallest has 27.
const BATCH: usize = 16;

/// Devices of a team in what is generated.
const DEVICES_OF_TEAM: usize = 32;

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
                "{:>9} {:<10} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
                "resources",
                "devices",
                "file",
                "load",
                "CPU",
                "memory",
                "put",
                "move",
                "new",
                "made",
                "repeated",
                "access"
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
    let (started, cpu) = (Instant::now(), processor_time());
    let content = organisations.source.open(organisation, &organisations.schema).unwrap();
    let (load, load_cpu) = (started.elapsed(), processor_time().saturating_sub(cpu));
    let memory = status("VmHWM");
    assert_eq!(content.partition.len(), size);
    let (put, moved) = changes(&content.partition);
    let answers = answers(&organisations.pdp, &content.partition, size);
    println!(
        "{size:>9} {:<10} {:>5} MB {:>6.2} s {:>6.2} s {:>5} MB {:>6.2} ms {:>6.2} ms {:>6.2} µs {:>6.2} µs \
         {:>6.2} µs {:>6.2} ms   checked at start in {:.2} s",
        format!("{likeness:?}").to_lowercase(),
        file / 1_000_000,
        load.as_secs_f64(),
        load_cpu.as_secs_f64(),
        memory / 1024,
        milliseconds(put),
        milliseconds(moved),
        microseconds(answers.new),
        microseconds(answers.made),
        microseconds(answers.repeated),
        milliseconds(answers.access),
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

/// What decisions and an access set cost. At every size as many questions are asked of as many devices, and
/// for each kind of decision as much is remembered.
struct Answers {
    /// About a device whose entity, and whose team's, must be made first.
    new: Duration,
    /// About a device whose entities are made, and whose answer is not remembered any more.
    made: Duration,
    /// About a device just asked about.
    repeated: Duration,
    /// The access set of teams, new, for an administrator of the main account.
    access: Duration,
}

fn answers(pdp: &Pdp, partition: &Partition, size: usize) -> Answers {
    let scopes = Scopes::none();
    let mut asker = Asker { pdp, scopes: &scopes, now: 0 };
    let devices = size * 2 / 3;
    // Steps that visit teams all over the organisation, another one each time.
    let step = (devices / QUESTIONS).max(DEVICES_OF_TEAM + 1);
    let mut new = Vec::with_capacity(QUESTIONS);
    for batch in 0..QUESTIONS / BATCH {
        // The same organisation, with nothing made or remembered.
        let partition = partition.apply(&[]).unwrap();
        let who = ann(pdp, &partition);
        // The code and what all questions share are warm.
        asker.ask(&partition, &who, 0);
        for n in 0..BATCH {
            new.push(asker.ask(&partition, &who, (1 + batch * BATCH + n) * step % devices));
        }
    }
    let who = ann(pdp, partition);
    let round = |asker: &mut Asker<'_>| {
        asker.now += 10;
        middle((0..QUESTIONS).map(|n| asker.ask(partition, &who, n * step % devices)).collect())
    };
    round(&mut asker);
    let made = round(&mut asker);
    let repeated = middle((0..QUESTIONS).map(|_| asker.ask(partition, &who, 1)).collect());
    let access = (0..ROUNDS).map(|_| {
        let partition = partition.apply(&[]).unwrap();
        let who = ann(pdp, &partition);
        asker.list(&partition, &who)
    });
    Answers { new: middle(new), made, repeated, access: middle(access.collect()) }
}

fn ann(pdp: &Pdp, partition: &Partition) -> PreparedPrincipal {
    let names = pdp.schema().role_names("User");
    let roles = [hubgate::model::RoleAssignment { role: "admin".into(), on: uid("Account::main") }];
    let record: EntityRecord = principal_entity(uid("User::ann"), &roles, names, Map::new());
    partition.principal(&record).unwrap()
}

struct Asker<'a> {
    pdp: &'a Pdp,
    scopes: &'a Scopes,
    /// Seconds after the start of a year.
    now: u64,
}

impl Asker<'_> {
    fn facts(&self) -> Facts<'_> {
        Facts {
            method: AuthMethod::Session,
            connection: None,
            scopes: self.scopes,
            source: [192, 0, 2, 1].into(),
            now: UnixNanos::from_seconds(1_767_225_600 + self.now),
        }
    }

    fn ask(&self, partition: &Partition, who: &PreparedPrincipal, device: usize) -> Duration {
        let (action, resource) =
            (ActionId::parse("devices:view").unwrap(), uid(&format!("Device::d{device}")));
        let context = self.facts();
        let question = Question { principal: who, action: &action, resource: &resource, context };
        let started = Instant::now();
        let decision = self.pdp.decide(None, partition, &question);
        let took = started.elapsed();
        assert_ne!(decision.reason_code(), "unknown_resource");
        took
    }

    fn list(&self, partition: &Partition, who: &PreparedPrincipal) -> Duration {
        let action = ActionId::parse("devices:view").unwrap();
        let (context, types) = (self.facts(), &["Account", "Team"]);
        let question = AccessQuestion { principal: who, action: &action, context, types };
        let started = Instant::now();
        let set = self.pdp.access_set(None, partition, &question).unwrap();
        let took = started.elapsed();
        assert_eq!((set.within(), set.without().len()), (&[uid("Account::main")][..], 0));
        took
    }
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
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

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median(mut change: impl FnMut(usize) -> Partition) -> Duration {
    let times = (0..ROUNDS).map(|round| {
        let started = Instant::now();
        let changed = change(round);
        let took = started.elapsed();
        drop(changed);
        took
    });
    middle(times.collect())
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

/// The processor time of this process so far, user and system: of a busy machine it says more than the clock.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name comes second, in parentheses, and may hold anything.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks =
        |at: usize| fields.get(at).and_then(|it| it.parse::<u64>().ok()).unwrap_or_default();
    // Linux counts them in hundredths of a second.
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// A line of `/proc/self/status`, in kibibytes.
fn status(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default()
}
