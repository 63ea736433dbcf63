//! Tests of the directory's objects over the embedded store.

use tokio::runtime::Handle;

use super::*;
use crate::directory::PushedResources as _;
use crate::model::{Change, ManualClock, UnixNanos};
use crate::store::{SqliteStore, StoredResources};

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

fn uid(text: &str) -> EntityUid {
    EntityUid::parse(text).unwrap()
}

fn object(name: &str, revision: u64) -> StoredObject {
    let attributes = serde_json::Map::from_iter([(String::from("frozen"), false.into())]);
    let record = EntityRecord { uid: uid(name), parents: vec![uid("Operator::o")], attributes };
    StoredObject { record, source: Source::Hub, revision }
}

struct World {
    objects: DirectoryObjects,
    _folder: tempfile::TempDir,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(UnixNanos::from_seconds(1_800_000_000)));
    let store = SqliteStore::open(&folder.path().join("state.db"), clock).unwrap();
    World { objects: DirectoryObjects::new(Arc::new(store)), _folder: folder }
}

async fn write(objects: &DirectoryObjects, tenant: &TenantId, writes: &Writes) -> FeedHead {
    let head = objects.head(tenant).await.unwrap();
    let mut feed = head.feed;
    let puts = writes.objects.iter().map(|object| Change::Put(object.record.clone()));
    let changes: Vec<_> = puts.chain(writes.gone.iter().cloned().map(Change::Delete)).collect();
    feed.advance(&changes, UnixNanos::from_seconds(1));
    let swap = objects.write(tenant, head.version, &feed, writes).await.unwrap();
    assert!(matches!(swap, Swap::Stored(_)));
    feed
}

#[tokio::test]
async fn objects_are_kept_by_organisation_and_name() {
    let World { objects, _folder } = world();
    let (own, other) = (tenant("own"), tenant("other"));
    let two = Writes {
        objects: vec![object("Team::å \"b\"", 1), object("Team::b", 1)],
        ..Writes::default()
    };
    write(&objects, &own, &two).await;
    let found =
        objects.find(&own, &[uid("Team::b"), uid("Team::å \"b\""), uid("Team::c")]).await.unwrap();
    assert_eq!(
        found.into_values().collect::<Vec<_>>(),
        [two.objects[1].clone(), two.objects[0].clone()]
    );
    assert!(objects.find(&other, &[uid("Team::b")]).await.unwrap().is_empty());
    assert_eq!(objects.head(&other).await.unwrap(), Head::default());
}

#[tokio::test]
async fn a_writer_that_read_an_older_head_changes_nothing() {
    let World { objects, _folder } = world();
    let own = tenant("own");
    let first = Writes { objects: vec![object("Team::a", 1)], ..Writes::default() };
    write(&objects, &own, &first).await;
    let second = Writes { gone: vec![uid("Team::a")], ..Writes::default() };
    let swap = objects.write(&own, None, &FeedHead::default(), &second).await.unwrap();
    assert!(matches!(swap, Swap::Changed(Some(_))));
    assert_eq!(objects.find(&own, &[uid("Team::a")]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn waiting_objects_are_no_resources() {
    let World { objects, _folder } = world();
    let own = tenant("own");
    let staged = StagedObject { record: object("Team::a", 0).record, line: 7 };
    write(&objects, &own, &Writes { staged: vec![staged.clone()], ..Writes::default() }).await;
    assert_eq!(objects.page(&own, None).await.unwrap().0, []);
    assert_eq!(objects.staged_page(&own, None).await.unwrap().0, [staged]);
    write(&objects, &own, &Writes { unstaged: vec![uid("Team::a")], ..Writes::default() }).await;
    assert_eq!(objects.staged_page(&own, None).await.unwrap().0, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_directory_reads_all_pages_and_a_version_that_follows_the_content() {
    let World { objects, _folder } = world();
    let own = tenant("own");
    let all: Vec<_> = (0..PAGE + 5).map(|n| object(&format!("Team::t{n}"), 1)).collect();
    let first = write(&objects, &own, &Writes { objects: all, ..Writes::default() }).await;
    let unchanged = write(&objects, &own, &Writes::default()).await;
    assert_eq!((unchanged.digest, unchanged.revision), (first.digest, 1));
    let source = StoredResources::new(objects.clone(), Handle::current());
    let read = tokio::task::spawn_blocking(move || {
        let mut uids = Vec::new();
        source.read(&tenant("own"), &mut |record| uids.push(record.uid)).unwrap();
        (uids.len(), source.version(&tenant("own")).unwrap(), source.version(&tenant("x")).unwrap())
    });
    assert_eq!(read.await.unwrap(), (PAGE + 5, first.digest, [0; 32]));
    let later =
        write(&objects, &own, &Writes { gone: vec![uid("Team::t1")], ..Writes::default() }).await;
    assert_ne!(later.digest, first.digest);
}
