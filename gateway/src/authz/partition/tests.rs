//! What a changed partition must be: what one built anew from the same resources is, or an error.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::json;

use super::*;
use crate::authz::tests::{facts, load, record, schema};
use crate::authz::{Decision, Question};
use crate::model::ActionId;

fn uid(text: &str) -> EntityUid {
    EntityUid::parse(text).unwrap()
}

fn node(id: &str, parents: &[String]) -> EntityRecord {
    record(
        json!({ "uid": format!("Node::{id}"), "parents": parents, "attributes": { "limit": 1 } }),
    )
}

fn item(id: &str, parent: &str, owner: &str, size: i64) -> EntityRecord {
    let owner = json!({ "__entity": { "type": "Node", "id": owner } });
    record(json!({ "uid": format!("Item::{id}"), "parents": [parent],
        "attributes": { "owner": owner, "size": size } }))
}

fn build(records: &[EntityRecord]) -> Result<Partition, Vec<EntityError>> {
    static SCHEMA: LazyLock<Arc<PolicySchema>> = LazyLock::new(schema);
    Partition::build(&SCHEMA, records.iter())
}

fn tree() -> Partition {
    let records = [
        node("top", &[]),
        node("sub", &["Node::top".into()]),
        node("other", &[]),
        item("a", "Node::sub", "sub", 1),
        item("b", "Item::a", "other", 2),
    ];
    build(&records).unwrap()
}

fn put(record: EntityRecord) -> Change {
    Change::Put(record)
}

fn delete(name: &str) -> Change {
    Change::Delete(uid(name))
}

fn refused(partition: &Partition, changes: &[Change]) -> Vec<String> {
    let errors = partition.apply(changes).map(|_| ()).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}

fn answer(partition: &Partition, on: &str) -> Decision {
    let pdp = load(
        "@id(\"admin\") permit (principal is User, action in Action::\"read\", resource)
           when { resource in principal.roles.admin };",
    )
    .unwrap();
    let top = json!([{ "__entity": { "type": "Node", "id": "top" } }]);
    let who = partition
        .principal(&record(json!({ "uid": "User::u", "attributes": {
            "roles": { "admin": top, "viewer": [] }, "rank": 1 } })))
        .unwrap();
    let (action, resource) = (ActionId::parse("items:view").unwrap(), uid(on));
    let question =
        Question { principal: &who, action: &action, resource: &resource, context: facts() };
    pdp.decide(None, partition, &question)
}

#[test]
fn a_change_makes_another_partition_and_leaves_the_first_alone() {
    let before = tree();
    let after = before.apply(&[put(item("c", "Node::sub", "top", 3)), delete("Item::b")]).unwrap();
    assert_ne!(before.identity(), after.identity());
    assert_eq!((before.len(), after.len()), (5, 5));
    assert!(before.contains(&uid("Item::b")) && !before.contains(&uid("Item::c")));
    assert!(after.contains(&uid("Item::c")) && !after.contains(&uid("Item::b")));
    assert_eq!(answer(&after, "Item::b").reason_code(), "unknown_resource");
    assert!(answer(&after, "Item::c").allowed());
    assert!(answer(&before, "Item::b").allowed());
}

#[test]
fn what_is_put_again_has_its_new_attributes_and_parents() {
    let after = tree().apply(&[put(item("b", "Node::other", "top", 9))]).unwrap();
    assert_eq!(after.record(&uid("Item::b")).unwrap(), item("b", "Node::other", "top", 9));
    assert_eq!(answer(&after, "Item::b").reason_code(), "no_permit");
}

#[test]
fn moving_a_node_moves_what_is_below_it() {
    let before = tree();
    assert!(answer(&before, "Item::b").allowed());
    let after = before.apply(&[put(node("sub", &["Node::other".into()]))]).unwrap();
    assert_eq!(answer(&after, "Item::b").reason_code(), "no_permit");
    assert!(answer(&before, "Item::b").allowed(), "the first one stays");
}

#[test]
fn what_others_name_cannot_go() {
    let before = tree();
    let found = refused(&before, &[delete("Item::a")]);
    assert_eq!(found, ["`Item::b` has the parent `Item::a`, which does not exist"]);
    let found = refused(&before, &[delete("Node::other")]);
    assert_eq!(found, ["`Item::b` refers to `Node::other`, which does not exist"]);
    let together = before.apply(&[delete("Item::a"), delete("Item::b")]).unwrap();
    assert_eq!(together.len(), 3);
}

#[test]
fn a_change_names_what_comes_later_in_it() {
    let changes = [
        put(item("c", "Item::d", "new", 1)),
        put(item("d", "Node::new", "new", 1)),
        put(node("new", &["Node::top".into()])),
    ];
    let after = tree().apply(&changes).unwrap();
    assert!(answer(&after, "Item::c").allowed());
}

#[test]
fn deleting_what_is_not_there_is_no_error() {
    assert_eq!(tree().apply(&[delete("Item::nothing")]).unwrap().len(), 5);
}

#[test]
fn a_place_given_to_another_type_is_listed_under_it() {
    let after = tree().apply(&[delete("Item::b")]).unwrap();
    let after = after.apply(&[put(node("new", &[]))]).unwrap();
    let listed = |kind: &str| {
        let mut names: Vec<_> = after.of_kind(kind).map(ToString::to_string).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(listed("Item"), ["Item::a"]);
    assert_eq!(listed("Node"), ["Node::new", "Node::other", "Node::sub", "Node::top"]);
    assert!(listed("Nothing").is_empty());
}

#[test]
fn a_faulty_change_changes_nothing() {
    let before = tree();
    let wrong = record(json!({ "uid": "Node::x", "attributes": { "limit": "one" } }));
    let found = refused(&before, &[delete("Item::b"), put(wrong)]);
    assert!(found[0].contains("`Node::x` does not fit the schema"), "{found:?}");
    let found = refused(&before, &[put(item("c", "Node::none", "none", 1))]);
    assert_eq!(found.len(), 2, "{found:?}");
    let found = refused(&before, &[put(node("top", &["Node::sub".into()]))]);
    assert!(found.iter().all(|it| it.contains("stands in a cycle")), "{found:?}");
    assert!(before.contains(&uid("Item::b")));
}

#[test]
fn no_move_makes_a_tree_of_more_than_sixteen_levels() {
    let chain = |name: &str, levels: usize| -> Vec<EntityRecord> {
        let above = |n: usize| if n == 0 { vec![] } else { vec![format!("Node::{name}{}", n - 1)] };
        (0..levels).map(|n| node(&format!("{name}{n}"), &above(n))).collect()
    };
    let records: Vec<_> = chain("a", 10).into_iter().chain(chain("b", 8)).collect();
    let partition = build(&records).unwrap();
    let below = |name: &str| [put(node("b0", &[name.to_owned()]))];
    assert!(partition.apply(&below("Node::a8")).is_ok(), "8 + 1 + 7 levels");
    let found = refused(&partition, &below("Node::a9"));
    assert_eq!(found, ["`Node::b7` stands more than 16 levels below the top"]);
    let mut deep = chain("c", 18);
    deep.reverse();
    let found = build(&deep).unwrap_err();
    assert!(
        matches!(&found[..], [EntityError::TooDeep(it)] if *it == uid("Node::c17")),
        "{found:?}"
    );
}

/// Small numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn random_change(dice: &mut Dice) -> Change {
    let node_name = |dice: &mut Dice| format!("n{}", dice.below(12));
    match dice.below(5) {
        0 => delete(&format!("Node::{}", node_name(dice))),
        1 => delete(&format!("Item::i{}", dice.below(12))),
        2 | 3 => {
            let id = node_name(dice);
            let parents: Vec<String> =
                (0..dice.below(3)).map(|_| format!("Node::{}", node_name(dice))).collect();
            put(node(&id, &parents))
        }
        _ => {
            let (id, owner) = (format!("i{}", dice.below(12)), node_name(dice));
            let parent = format!("Node::{}", node_name(dice));
            put(item(&id, &parent, &owner, i64::try_from(dice.below(3)).unwrap()))
        }
    }
}

/// Parents are a set.
fn plain(mut record: EntityRecord) -> EntityRecord {
    record.parents.sort();
    record.parents.dedup();
    record
}

#[test]
fn any_run_of_changes_comes_to_what_building_anew_comes_to() {
    let (mut taken, mut refusals) = (0, 0);
    for seed in 0..30 {
        let mut dice = Dice(seed);
        let mut partition = build(&[]).unwrap();
        let mut wanted: BTreeMap<EntityUid, EntityRecord> = BTreeMap::new();
        for _ in 0..40 {
            let changes: Vec<Change> =
                (0..=dice.below(6)).map(|_| random_change(&mut dice)).collect();
            let mut next = wanted.clone();
            for change in &changes {
                match change {
                    Change::Put(record) => {
                        drop(next.insert(record.uid.clone(), plain(record.clone())));
                    }
                    Change::Delete(uid) => drop(next.remove(uid)),
                }
            }
            let anew = build(&next.values().cloned().collect::<Vec<_>>());
            match partition.apply(&changes) {
                Ok(after) => {
                    assert!(anew.is_ok(), "seed {seed}: {anew:?} though {changes:?} were taken");
                    let found: BTreeMap<_, _> =
                        after.records().map(|it| (it.uid.clone(), plain(it))).collect();
                    assert_eq!(found, next, "seed {seed}");
                    assert_eq!(after.len(), next.len());
                    (partition, wanted) = (after, next);
                    taken += 1;
                }
                Err(errors) => {
                    assert!(anew.is_err(), "seed {seed}: {errors:?} though it builds");
                    refusals += 1;
                }
            }
        }
    }
    assert!(taken > 200 && refusals > 200, "{taken} taken, {refusals} refused");
}
