//! When organisations are read, and what becomes of them then.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::audit::PseudonymKey;
use crate::authz::Pdp;
use crate::directory::OrganisationData;
use crate::model::{Change, EntityRecord, EntityUid, Secret};
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

/// Counts how often it was read from; can break.
#[derive(Debug, Default)]
struct Counting {
    opened: AtomicUsize,
    broken: AtomicUsize,
    version: AtomicU8,
}

impl OrganisationSource for Counting {
    fn version(&self, organisation: &Organisation) -> Result<[u8; 32], SourceError> {
        // Only `first` ever changes.
        let changes = organisation.id().as_str() == "first";
        Ok([if changes { self.version.load(Ordering::Relaxed) } else { 0 }; 32])
    }

    fn open(
        &self,
        organisation: &Organisation,
        schema: &Arc<PolicySchema>,
    ) -> Result<Content, SourceError> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        std::thread::yield_now();
        if self.broken.load(Ordering::Relaxed) > 0 {
            let (tenant, cause) = (organisation.id().clone(), "broken".to_owned());
            return Err(SourceError { tenant, cause });
        }
        let records = [node("top", &[]), node("sub", &["Node::top"])];
        let partition = Partition::build(schema, records.iter()).unwrap();
        let members = Members::build(organisation, Vec::new(), &|uid| partition.contains(uid));
        Ok(Content { members: Arc::new(members.unwrap()), partition: Arc::new(partition) })
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
        };
        Arc::new(Organisation::build(data).unwrap())
    };
    SnapshotParts {
        routes: Arc::new(RouteTable::build(Vec::new()).unwrap()),
        pdp: Arc::new(Pdp::load(Arc::clone(&schema), &[], &BTreeMap::new()).unwrap()),
        schema,
        directory: Arc::new(
            Directory::build(vec![organisation("first"), organisation("second")]).unwrap(),
        ),
        source: Arc::clone(source) as _,
        error_styles: std::collections::HashMap::new(),
        navigation: None,
        changes: crate::authz::ChangeTable::default(),
        config_digest: [0; 32],
        pseudonyms: PseudonymKey::new(Secret::new([0; 32])),
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
    source.version.store(1, Ordering::Relaxed);
    let after = before.changed(&first, &[Change::Put(node("new", &["Node::sub"]))]).unwrap();
    assert_ne!(before.id(), after.id());
    assert_eq!(before.settings(), after.settings());
    let new = after.content(&first, at(2)).await.unwrap();
    assert_eq!((old.partition.len(), new.partition.len()), (2, 3));
    assert!(Arc::ptr_eq(&other, &after.content(&second, at(2)).await.unwrap()));
    assert_eq!(source.opened.load(Ordering::Relaxed), 2, "nothing was read anew");
    let refused = after.changed(&first, &[Change::Delete(uid("Node::sub"))]).map(|_| ());
    let told = refused.unwrap_err().to_string();
    assert_eq!(told, "`Node::new` has the parent `Node::sub`, which does not exist");
    let unknown = after.changed(&tenant("none"), &[]).map(|_| ());
    assert!(matches!(unknown, Err(ChangeError::UnknownOrganisation(_))));
}

#[tokio::test]
async fn a_change_of_what_is_not_in_memory_reads_nothing() {
    let source = Arc::new(Counting::default());
    let before = snapshot(&source, None);
    source.version.store(1, Ordering::Relaxed);
    let after = before.changed(&tenant("first"), &[Change::Delete(uid("Node::sub"))]).unwrap();
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
