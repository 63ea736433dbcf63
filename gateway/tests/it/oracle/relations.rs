//! What must hold whatever the policies say.

use super::*;

/// Cases of each relation.
const CASES: usize = 1_000;

/// An answer, with all of its reasons.
fn told(decision: &Decision) -> (bool, String, Vec<String>) {
    let ids = decision.determining().iter().map(ToString::to_string).collect();
    (decision.allowed(), decision.reason_code().to_owned(), ids)
}

/// Asks two worlds the same random questions; how often the first allowed and the second did not.
fn losses(
    dice: &mut Dice,
    mut pair: impl FnMut(&mut Dice, &World) -> [(Decision, String); 2],
) -> usize {
    let mut lost = 0;
    for _ in 0..CASES {
        let world = World::random(dice);
        let [(before, _), (after, question)] = pair(dice, &world);
        assert!(before.allowed() || !after.allowed(), "a denial became an allowance: {question}");
        lost += usize::from(before.allowed() && !after.allowed());
    }
    lost
}

fn random_question(dice: &mut Dice, world: &World, pdp: &Pdp) -> (&'static str, EntityUid) {
    let on = world.uid(dice.below(world.places.len()));
    let rows: Vec<_> = TABLE.iter().filter(|(action, _)| accepts(pdp, action, &on)).collect();
    (rows[dice.below(rows.len())].0, on)
}

#[test]
fn an_added_forbid_never_turns_a_denial_into_an_allowance() {
    let forbids = [
        "forbid (principal, action, resource is Team);",
        "forbid (principal, action == Action::\"wallets:refund\", resource);",
        "forbid (principal, action, resource is ChargePoint) when { resource.team.frozen };",
        "forbid (principal is User, action, resource) unless { resource in principal.roles.admin };",
    ];
    let plain = pdp(&base(), &BTreeMap::new());
    let stricter = forbids.map(|text| {
        let text = format!("@id(\"added\") @reason(\"No.\") {text}");
        let added = PolicySource { name: "added.cedar".to_owned(), text };
        pdp(&[base(), vec![added]].concat(), &BTreeMap::new())
    });
    let lost = losses(&mut Dice::new(2), |dice, world| {
        let stricter = &stricter[dice.below(stricter.len())];
        let partition = Partition::build(plain.schema(), world.records(&plain).iter()).unwrap();
        let who = member(world, &partition, &plain, &world.random_roles(dice));
        let (action, on) = random_question(dice, world, &plain);
        [&plain, stricter].map(|pdp| {
            (ask(pdp, None, &partition, &who, (action, &on)), format!("{action} {on} {world:?}"))
        })
    });
    assert!(lost > CASES / 100, "{lost}");
}

#[test]
fn a_removed_membership_never_turns_a_denial_into_an_allowance() {
    let pdp = pdp(&base(), &BTreeMap::new());
    let lost = losses(&mut Dice::new(3), |dice, world| {
        let partition = Partition::build(pdp.schema(), world.records(&pdp).iter()).unwrap();
        let roles = world.random_roles(dice);
        let mut fewer = roles.clone();
        if !fewer.is_empty() {
            fewer.remove(dice.below(roles.len()));
        }
        let (action, on) = random_question(dice, world, &pdp);
        [roles, fewer].map(|roles| {
            let who = member(world, &partition, &pdp, &roles);
            let told = format!("{action} {on} {roles:?} {world:?}");
            (ask(&pdp, None, &partition, &who, (action, &on)), told)
        })
    });
    assert!(lost > CASES / 100, "{lost}");
}

#[test]
fn a_change_of_one_organisation_changes_nothing_for_another() {
    let [one, other] = ["one", "other"].map(|id| TenantId::parse(id).unwrap());
    let strict = "@id(\"closed\") @reason(\"Closed.\") forbid (principal, action, resource);";
    let own = PolicySource { name: "own.cedar".to_owned(), text: strict.to_owned() };
    let before = pdp(&base(), &BTreeMap::new());
    let after = pdp(&base(), &BTreeMap::from([(one.clone(), vec![own])]));
    let mut dice = Dice::new(4);
    let mut allowed = 0;
    for _ in 0..CASES {
        let world = World::random(&mut dice);
        let partition = Partition::build(before.schema(), world.records(&before).iter()).unwrap();
        let roles = world.random_roles(&mut dice);
        let who = member(&world, &partition, &before, &roles);
        let (action, on) = random_question(&mut dice, &world, &before);
        let question = (action, &on);
        let first = told(&ask(&before, Some(&other), &partition, &who, question));
        // The first organisation has entities of the same names, everything in them is otherwise, and it closes.
        let mut changed = world.clone();
        changed.places.iter_mut().for_each(|place| place.frozen = !place.frozen);
        let theirs = Partition::build(after.schema(), changed.records(&after).iter()).unwrap();
        let their_member = member(&changed, &theirs, &after, &roles);
        assert!(!ask(&after, Some(&one), &theirs, &their_member, question).allowed());
        let second = told(&ask(&after, Some(&other), &partition, &who, question));
        assert_eq!(first, second, "{action} {on} {world:?}");
        // And nobody takes their standing along.
        let stranger = ask(&after, Some(&other), &partition, &their_member, question);
        assert_eq!(stranger.reason_code(), "invalid_request");
        allowed += usize::from(first.0);
    }
    assert!(allowed > CASES / 20, "{allowed}");
}

#[test]
fn other_ids_change_nothing() {
    let pdp = pdp(&base(), &BTreeMap::new());
    let mut dice = Dice::new(5);
    let mut allowed = 0;
    for _ in 0..CASES {
        let world = World::random(&mut dice);
        let renamed = World { prefix: format!("x{}-", dice.below(1_000)), ..world.clone() };
        let roles = world.random_roles(&mut dice);
        let (row, place) = (dice.below(TABLE.len()), dice.below(world.places.len()));
        let [one, other] = [&world, &renamed].map(|world| {
            let partition = Partition::build(pdp.schema(), world.records(&pdp).iter()).unwrap();
            let who = member(world, &partition, &pdp, &roles);
            told(&ask(&pdp, None, &partition, &who, (TABLE[row].0, &world.uid(place))))
        });
        assert_eq!(one, other, "{} {place} {world:?}", TABLE[row].0);
        allowed += usize::from(one.0);
    }
    assert!(allowed > CASES / 100, "{allowed}");
}
