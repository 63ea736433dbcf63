//! When organisations are read, and what becomes of them then.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::audit::PseudonymKey;
use crate::authz::Pdp;
use crate::directory::OrganisationData;
use crate::model::{Change, Clock as _, EntityRecord, EntityUid, ManualClock, Secret};
use crate::pipeline::in_force::InForce;
use crate::pipeline::{ChangeError, Snapshot, SnapshotParts};
use crate::routing::RouteTable;

const SCHEMA: &str = "entity Node in [Node] { size: Long }; entity User;
    action \"see\" appliesTo { principal: [User], resource: [Node], context: {
      authentication: { method: String, connection: String }, network: { source: ipaddr },
      operation: { scopes: Set<String> }, now: datetime } };";

fn uid(text: &str) -> EntityUid {
    EntityUid::parse(text).unwrap()
}

fn node(id: &str, parents: &[&str]) -> EntityRecord {
    serde_json::from_value(
        json!({ "uid": format!("Node::{id}"), "parents": parents, "attributes": { "size": 1 } }),
    )
    .unwrap()
}

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

fn at(seconds: u64) -> UnixNanos {
    UnixNanos::from_seconds(seconds)
}

/// Counts how often it was read from, and how often at once; can break, and can be held up.
#[derive(Debug)]
struct Counting {
    clock: Arc<ManualClock>,
    /// How long a reading takes.
    takes: Duration,
    /// Held by a test, it keeps readings from ending.
    held: AtomicBool,
    inside: AtomicUsize,
    most: AtomicUsize,
    begun: Mutex<Vec<String>>,
    opened: AtomicUsize,
    broken: AtomicUsize,
    version: AtomicU8,
}

impl Default for Counting {
    fn default() -> Self {
        Self {
            clock: Arc::new(ManualClock::at(at(10))),
            takes: Duration::ZERO,
            held: AtomicBool::default(),
            inside: AtomicUsize::default(),
            most: AtomicUsize::default(),
            begun: Mutex::default(),
            opened: AtomicUsize::default(),
            broken: AtomicUsize::default(),
            version: AtomicU8::default(),
        }
    }
}

impl Counting {
    /// Lets everything go on until `count` readings are under way.
    async fn until_inside(&self, count: usize) {
        while self.inside.load(Ordering::SeqCst) < count {
            tokio::task::yield_now().await;
        }
    }
}

impl OrganisationSource for Counting {
    fn version(&self, organisation: &Organisation) -> Result<Version, SourceError> {
        // Only `first` ever changes.
        let changes = organisation.id().as_str() == "first";
        let pushed = if changes { self.version.load(Ordering::Relaxed) } else { 0 };
        Ok(Version { files: organisation.digest(), pushed: [pushed; 32], managed: [0; 32] })
    }

    fn managed(
        &self,
        organisation: &Arc<Organisation>,
    ) -> Result<(Arc<Organisation>, [u8; 32]), SourceError> {
        Ok((Arc::clone(organisation), [0; 32]))
    }

    fn reopen(
        &self,
        _: &Organisation,
        _: &Arc<PolicySchema>,
        content: &Content,
    ) -> Result<Content, SourceError> {
        Ok(content.clone())
    }

    fn open(
        &self,
        organisation: &Organisation,
        schema: &Arc<PolicySchema>,
    ) -> Result<Content, SourceError> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.begun.lock().unwrap().push(organisation.id().to_string());
        self.most.fetch_max(1 + self.inside.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
        while self.held.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        self.inside.fetch_sub(1, Ordering::SeqCst);
        self.clock.advance(self.takes);
        if self.broken.load(Ordering::Relaxed) > 0 {
            let (tenant, cause) = (organisation.id().clone(), "broken".to_owned());
            return Err(SourceError { tenant, cause });
        }
        let records = [node("top", &[]), node("sub", &["Node::top"])];
        let partition = Partition::build(schema, records.iter()).unwrap();
        let members = Members::build(organisation, Vec::new(), &|uid| partition.contains(uid));
        let members = Arc::new(members.unwrap());
        Ok(Content {
            members,
            partition: Arc::new(partition),
            version: self.version(organisation)?,
        })
    }
}

fn parts(source: &Arc<Counting>) -> SnapshotParts {
    let schema = Arc::new(PolicySchema::parse("schema", SCHEMA).unwrap());
    let organisation = |id: &str| {
        let data = OrganisationData {
            id: tenant(id),
            name: id.to_owned(),
            suspended: false,
            root: uid("Node::top"),
            hosts: Vec::new(),
            connections: Vec::new(),
            policies: Vec::new(),
            digest: [0; 32],
            created: None,
        };
        Arc::new(Organisation::build(data).unwrap())
    };
    SnapshotParts {
        routes: Arc::new(RouteTable::build(Vec::new()).unwrap()),
        pdp: Arc::new(Pdp::load(Arc::clone(&schema), &[], &BTreeMap::new()).unwrap()),
        schema,
        book: Arc::default(),
        added: Vec::new(),
        directory: Arc::new(
            Directory::build(
                ["first", "second", "third", "fourth"].into_iter().map(organisation).collect(),
            )
            .unwrap(),
        ),
        source: Arc::clone(source) as _,
        error_styles: std::collections::HashMap::new(),
        plans: crate::limits::Plans::default(),
        navigation: None,
        changes: crate::authz::ChangeTable::default(),
        config_digest: [0; 32],
        pseudonyms: PseudonymKey::new(Secret::new([0; 32])),
        clock: Arc::clone(&source.clock) as _,
    }
}

fn snapshot(source: &Arc<Counting>, before: Option<&Snapshot>) -> Snapshot {
    Snapshot::new(parts(source), before).unwrap()
}

#[tokio::test]
async fn requests_that_wait_share_one_reading() {
    let source = Arc::new(Counting::default());
    let snapshot = snapshot(&source, None);
    assert_eq!((source.opened.load(Ordering::Relaxed), snapshot.organisations_in_use()), (0, 0));
    let first = tenant("first");
    let asked = (0..8).map(|_| snapshot.content(&first, at(1)));
    let read = futures_util::future::join_all(asked).await;
    assert!(read.iter().all(|it| it.as_ref().unwrap().partition.len() == 2));
    assert_eq!((source.opened.load(Ordering::Relaxed), snapshot.organisations_in_use()), (1, 1));
    let gone = snapshot.content(&tenant("none"), at(1)).await;
    assert!(matches!(gone, Err(Refusal::CredentialInvalid)));
}

#[tokio::test]
async fn what_cannot_be_read_refuses_and_is_tried_again_after_a_while() {
    let source = Arc::new(Counting::default());
    let snapshot = snapshot(&source, None);
    source.broken.store(1, Ordering::Relaxed);
    let first = tenant("first");
    for now in [at(10), at(14)] {
        let refused = snapshot.content(&first, now).await;
        assert!(matches!(refused, Err(Refusal::Unavailable(Dependency::DecisionPoint))));
    }
    assert_eq!(source.opened.load(Ordering::Relaxed), 1, "once in five seconds");
    source.broken.store(0, Ordering::Relaxed);
    assert!(snapshot.content(&first, at(15)).await.is_ok());
}

#[tokio::test]
async fn a_failure_holds_from_when_it_happened() {
    let source = Arc::new(Counting { takes: Duration::from_secs(20), ..Counting::default() });
    let snapshot = snapshot(&source, None);
    source.broken.store(1, Ordering::Relaxed);
    let first = tenant("first");
    assert!(snapshot.content(&first, at(10)).await.is_err());
    assert_eq!(source.clock.now(), at(30));
    assert!(snapshot.content(&first, at(31)).await.is_err(), "it failed a second ago");
    assert_eq!(source.opened.load(Ordering::Relaxed), 1);
    assert!(snapshot.content(&first, at(35)).await.is_err());
    assert_eq!(source.opened.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn two_organisations_are_read_at_once_and_no_more() {
    let source = Arc::new(Counting::default());
    let snapshot = Arc::new(snapshot(&source, None));
    source.held.store(true, Ordering::SeqCst);
    let ask = |name: &str| {
        let (snapshot, tenant) = (Arc::clone(&snapshot), tenant(name));
        tokio::spawn(async move { snapshot.read(&tenant, (Reader::Known, at(1))).await.is_ok() })
    };
    let asked = ["first", "second", "third", "fourth"].map(ask);
    source.until_inside(2).await;
    source.held.store(false, Ordering::SeqCst);
    for asked in asked {
        assert!(asked.await.unwrap());
    }
    assert_eq!((source.opened.load(Ordering::SeqCst), source.most.load(Ordering::SeqCst)), (4, 2));
}

#[tokio::test]
async fn strangers_leave_a_reading_to_those_who_are_known() {
    let source = Arc::new(Counting::default());
    let snapshot = Arc::new(snapshot(&source, None));
    source.held.store(true, Ordering::SeqCst);
    let ask = |name: &str, reader| {
        let (snapshot, tenant) = (Arc::clone(&snapshot), tenant(name));
        tokio::spawn(async move { snapshot.read(&tenant, (reader, at(1))).await.is_ok() })
    };
    let strangers = ["first", "second", "third"].map(|name| ask(name, Reader::Stranger));
    source.until_inside(1).await;
    let known = ask("fourth", Reader::Known);
    source.until_inside(2).await;
    assert_eq!(*source.begun.lock().unwrap(), ["first", "fourth"], "the strangers wait");
    source.held.store(false, Ordering::SeqCst);
    assert!(known.await.unwrap());
    for stranger in strangers {
        assert!(stranger.await.unwrap());
    }
}

#[tokio::test]
async fn those_who_wait_for_one_organisation_leave_places_to_others() {
    let source = Arc::new(Counting::default());
    let snapshot = Arc::new(snapshot(&source, None));
    source.held.store(true, Ordering::SeqCst);
    let ask = |name: &str, reader| {
        let (snapshot, tenant) = (Arc::clone(&snapshot), tenant(name));
        async move { snapshot.read(&tenant, (reader, at(1))).await }
    };
    let waiting: Vec<_> = (0..250).map(|_| tokio::spawn(ask("first", Reader::Known))).collect();
    source.until_inside(1).await;
    while !snapshot.slot(&tenant("first")).places_taken() {
        tokio::task::yield_now().await;
    }
    assert!(matches!(ask("first", Reader::Known).await, Err(Unread::Refused)));
    let other = tokio::spawn(ask("second", Reader::Known));
    source.until_inside(2).await;
    source.held.store(false, Ordering::SeqCst);
    assert!(other.await.unwrap().is_ok());
    for waited in waiting {
        assert!(waited.await.unwrap().is_ok());
    }
    assert_eq!(source.opened.load(Ordering::Relaxed), 2, "one reading for all");
}

#[tokio::test]
async fn what_was_pushed_meanwhile_comes_into_force_before_it_decides() {
    let source = Arc::new(Counting::default());
    let before = Arc::new(snapshot(&source, None));
    let in_force = Arc::new(InForce::new(Arc::clone(&before)));
    // In the store already, and not in force yet.
    source.version.store(1, Ordering::Relaxed);
    let first = tenant("first");
    let refused = before.content(&first, at(1)).await;
    assert!(refused.is_err(), "the old name does not stand for what was read");
    let at_one = (Reader::Known, at(1));
    let current = in_force.current(Arc::clone(&before), &first, at_one).await.unwrap();
    let organisation = current.directory().organisation(&first).unwrap();
    assert_eq!(
        current.version(&first),
        Some(&Version { files: organisation.digest(), pushed: [1; 32], managed: [0; 32] })
    );
    assert_ne!(current.id(), before.id());
    let content = current.content(&first, at(1)).await.unwrap();
    assert_eq!(Some(&content.version), current.version(&first));
    assert_eq!(source.opened.load(Ordering::Relaxed), 1, "what was read is not read again");
    // The push itself comes last and changes nothing any more.
    in_force.change(&first, (Arc::clone(&content.partition), &[1; 32])).unwrap();
    assert!(Arc::ptr_eq(&current, &in_force.load()));
}

#[tokio::test]
async fn idle_organisations_are_forgotten_and_read_again() {
    let source = Arc::new(Counting::default());
    let snapshot = snapshot(&source, None);
    let (first, second) = (tenant("first"), tenant("second"));
    let held = snapshot.content(&first, at(0)).await.unwrap();
    snapshot.content(&second, at(500)).await.unwrap();
    assert_eq!(snapshot.forget_idle(at(900), Duration::from_mins(15)), 1);
    assert_eq!(snapshot.organisations_in_use(), 1);
    let anew = snapshot.content(&first, at(901)).await.unwrap();
    assert_ne!(held.partition.identity(), anew.partition.identity());
    assert_eq!(source.opened.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_change_names_another_snapshot_and_leaves_other_organisations_alone() {
    let source = Arc::new(Counting::default());
    let before = snapshot(&source, None);
    let (first, second) = (tenant("first"), tenant("second"));
    let old = before.content(&first, at(1)).await.unwrap();
    let other = before.content(&second, at(1)).await.unwrap();
    let put = [Change::Put(node("new", &["Node::sub"]))];
    let partition = Arc::new(old.partition.apply(&put).unwrap());
    let after = before.changed(&first, (partition, &[1; 32])).unwrap().unwrap();
    assert_ne!(before.id(), after.id());
    assert_eq!(before.settings(), after.settings());
    let new = after.content(&first, at(2)).await.unwrap();
    assert_eq!((old.partition.len(), new.partition.len()), (2, 3));
    assert!(Arc::ptr_eq(&other, &after.content(&second, at(2)).await.unwrap()));
    assert_eq!(source.opened.load(Ordering::Relaxed), 2, "nothing was read anew");
    let partition = Arc::clone(&new.partition);
    let again = after.changed(&first, (Arc::clone(&partition), &[1; 32])).unwrap();
    assert!(again.is_none(), "it is in force already");
    let unknown = after.changed(&tenant("none"), (partition, &[1; 32])).map(|_| ());
    assert!(matches!(unknown, Err(ChangeError::UnknownOrganisation(_))));
}

#[tokio::test]
async fn a_change_of_what_is_not_in_memory_reads_nothing() {
    let source = Arc::new(Counting::default());
    let before = snapshot(&source, None);
    let partition = Partition::build(before.pdp().schema(), std::iter::empty()).unwrap();
    let after = before.changed(&tenant("first"), (Arc::new(partition), &[1; 32])).unwrap().unwrap();
    assert_ne!(before.id(), after.id());
    assert_eq!((source.opened.load(Ordering::Relaxed), after.organisations_in_use()), (0, 0));
}

#[tokio::test]
async fn a_new_snapshot_takes_over_what_did_not_change_and_reads_what_did() {
    let source = Arc::new(Counting::default());
    let before = snapshot(&source, None);
    let (first, second) = (tenant("first"), tenant("second"));
    let old = before.content(&first, at(1)).await.unwrap();
    let same = before.content(&second, at(1)).await.unwrap();
    source.version.store(1, Ordering::Relaxed);
    let after = snapshot(&source, Some(&before));
    assert_eq!(source.opened.load(Ordering::Relaxed), 3, "the changed one, before anybody asks");
    assert!(Arc::ptr_eq(&same, &after.content(&second, at(2)).await.unwrap()));
    assert!(!Arc::ptr_eq(&old, &after.content(&first, at(2)).await.unwrap()));
    assert_eq!(source.opened.load(Ordering::Relaxed), 3);
    source.version.store(2, Ordering::Relaxed);
    source.broken.store(1, Ordering::Relaxed);
    assert!(
        Snapshot::new(parts(&source), Some(&after)).is_err(),
        "a faulty one is not put in force"
    );
}
