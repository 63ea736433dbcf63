//! Tests of administered objects over the embedded store.

use super::*;
use crate::audit::{Actor, EventAction, Item};
use crate::model::{EntityUid, ManualClock, MemberId, RoleAssignment, Source};
use crate::store::SqliteStore;

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

struct World {
    objects: ManagedObjects,
    clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(UnixNanos::from_seconds(1_800_000_000)));
    let store = SqliteStore::open(&folder.path().join("state.db"), Arc::clone(&clock) as _);
    World { objects: ManagedObjects::new(Arc::new(store.unwrap())), clock, _folder: folder }
}

fn member(id: &str) -> StoredMember {
    let role = RoleAssignment {
        role: String::from("admin"),
        on: EntityUid::parse("Operator::o").unwrap(),
    };
    let member = Member {
        id: MemberId::parse(id).unwrap(),
        name: id.to_owned(),
        email: None,
        identities: Vec::new(),
        roles: vec![role],
        attributes: serde_json::Map::new(),
        disabled: false,
        source: Source::Api,
    };
    StoredMember { member, created: UnixNanos::default(), changed: UnixNanos::default() }
}

fn put(id: &str) -> ObjectWrite {
    ObjectWrite::put(Kind::Member, id, &member(id)).unwrap()
}

fn event(number: u64) -> AuditEvent {
    let at = UnixNanos::from_seconds(1_800_000_000 + number);
    AuditEvent {
        id: format!("{:016x}{number:016x}", u64::MAX - at.nanos()),
        at,
        action: EventAction::Created,
        actor: Actor { principal: String::from("User::ada"), name: String::from("Ada") },
        item: Item { kind: String::from("member"), id: number.to_string(), name: String::new() },
        parent: None,
        changes: Vec::new(),
        before: None,
        after: None,
        decision: None,
    }
}

impl World {
    async fn change(&self, tenant: &TenantId, change: ManagedChange) -> Swap {
        let before = self.objects.state(tenant).await.unwrap();
        let now = crate::model::Clock::now(&*self.clock);
        self.objects.write(tenant, &before, (change, now)).await.unwrap()
    }
}

#[tokio::test]
async fn a_change_is_kept_whole_with_its_event_and_its_answer() {
    let world = world();
    let (own, other) = (tenant("own"), tenant("other"));
    let answered = Answered {
        request: String::from("r"),
        status: 201,
        body: String::from("{}"),
        location: None,
        tag: None,
    };
    let change = ManagedChange {
        objects: vec![put("ada"), put("bob")],
        events: vec![event(1)],
        answered: Some((String::from("key"), answered.clone())),
    };
    assert!(matches!(world.change(&own, change).await, Swap::Stored(_)));
    let objects = &world.objects;
    let (members, named) = objects.all::<StoredMember>(&own, Kind::Member).await.unwrap();
    assert_eq!(members, [member("ada"), member("bob")]);
    assert_eq!(objects.state(&own).await.unwrap().head.digest, named);
    assert_eq!(objects.events(&own, None, 9).await.unwrap(), [event(1)]);
    assert_eq!(objects.event(&own, &event(1).id).await.unwrap(), Some(event(1)));
    assert_eq!(objects.answered(&own, "key").await.unwrap(), Some(answered));
    assert_eq!(objects.all::<StoredMember>(&other, Kind::Member).await.unwrap().0, []);
    assert_eq!(objects.events(&other, None, 9).await.unwrap(), []);
    world.clock.advance(ANSWERED_KEPT);
    assert_eq!(objects.answered(&own, "key").await.unwrap(), None);
    world.clock.advance(EVENTS_KEPT);
    assert_eq!(objects.events(&own, None, 9).await.unwrap(), []);
}

#[tokio::test]
async fn of_two_changes_of_one_state_one_is_made() {
    let world = world();
    let own = tenant("own");
    let before = world.objects.state(&own).await.unwrap();
    let now = UnixNanos::from_seconds(1);
    let of = |id| ManagedChange { objects: vec![put(id)], ..ManagedChange::default() };
    let first = world.objects.write(&own, &before, (of("ada"), now)).await.unwrap();
    let second = world.objects.write(&own, &before, (of("bob"), now)).await.unwrap();
    assert!(matches!((first, second), (Swap::Stored(_), Swap::Changed(_))));
    assert_eq!(world.objects.all::<StoredMember>(&own, Kind::Member).await.unwrap().0.len(), 1);
}

#[tokio::test]
async fn the_name_of_a_state_tells_of_objects_that_count_only() {
    let world = world();
    let own = tenant("own");
    let name = async || world.objects.state(&own).await.unwrap().head.digest;
    let change = async |objects| {
        let change = ManagedChange { objects, events: vec![event(1)], answered: None };
        world.change(&own, change).await
    };
    let first = name().await;
    assert_eq!(first, [0; 32]);
    change(vec![put("key").beside()]).await;
    assert_eq!(name().await, first);
    change(vec![put("ada")]).await;
    let with_ada = name().await;
    assert_ne!(with_ada, first);
    change(vec![ObjectWrite::gone(Kind::Member, "ada")]).await;
    assert!(![first, with_ada].contains(&name().await), "a state that was left is not that state");
    assert_eq!(world.objects.state(&own).await.unwrap().head.revision, 3);
}

#[tokio::test]
async fn events_are_told_from_the_latest_and_page_by_page() {
    let world = world();
    let own = tenant("own");
    for number in 1..=5 {
        world.objects.note(&own, event(number)).await.unwrap();
    }
    let numbers = |events: &[AuditEvent]| {
        events.iter().map(|event| event.item.id.clone()).collect::<Vec<_>>()
    };
    let first = world.objects.events(&own, None, 2).await.unwrap();
    assert_eq!(numbers(&first), ["5", "4"]);
    let next = world.objects.events(&own, Some(&first[1].id), 9).await.unwrap();
    assert_eq!(numbers(&next), ["3", "2", "1"]);
}
