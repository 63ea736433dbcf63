//! Operations that list: the assertion tells the hub what somebody may see, and who may see nothing is denied.

use serde_json::{Value, json};

use super::world::World;

/// What the hub is told `person` may see, `null` when they are denied.
async fn access(world: &mut World, person: &str, path: &str) -> Value {
    let (page, seen) = world.ask(person, "GET", path, "").await;
    if page.status.is_success() {
        let claims = seen[0].claims.clone().unwrap();
        assert_eq!(claims["sub"], format!("User::{person}"));
        assert_eq!(page.json()["asked_by"]["access"], claims["access"]);
        return claims["access"].clone();
    }
    assert!(seen.is_empty(), "{person} {path}: refused, and the hub saw it");
    assert!([403, 404].contains(&page.status.as_u16()), "{person} {path}: {}", page.body);
    Value::Null
}

/// A cell: the part of the organisation it names, as the hub is told it.
fn told(cell: &str) -> Value {
    let (within, without): (&[&str], &[&str]) = match cell {
        "-" => return Value::Null,
        "main" => (&["Operator::nordvolt"], &[]),
        "main-lab" => (&["Operator::nordvolt"], &["Operator::nordvolt-lab", "Team::team-lab"]),
        "east" => (&["Operator::nordvolt-east"], &[]),
        "teams" => (&["Team::team-depot", "Team::team-harbour"], &[]),
        "airport" => (&["Team::team-airport"], &[]),
        "harbour" => (&["Team::team-harbour"], &[]),
        _ => panic!("no such part: {cell}"),
    };
    json!({ "types": ["Operator", "Team"], "within": within, "without": without })
}

/// `main`, `east`: the account and everything below it. `main-lab`: without the account lab and its team, which
/// has the tier Basic; vehicles come with Business and Enterprise. `teams`: the two that otto owns. `-`: denied.
const TABLE: &str = "
                       ada      oskar    bea  sam      edda otto  tina    max     nils
    /teams             main     main     main main     east teams airport harbour -
    /wallets           main     main     main main     east teams airport -       -
    /charges           main     main     main main     east teams airport -       -
    /charge-points     main     main     -    main     east teams airport -       -
    /auditlog/events   main     main     -    -        east -     -       -       -
    /subscriptions     main     main     -    -        east teams airport -       -
    /promotion-codes   main     main     main main     east -     -       -       -
    /vehicles          main-lab main-lab -    main-lab east teams airport -       -
";

#[tokio::test]
async fn lists_are_drawn_from_exactly_what_somebody_may_see() {
    let mut lines = TABLE.lines().filter(|line| !line.is_empty());
    let people: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    let mut world = World::of(&people.join(" ")).await;
    for line in lines {
        let mut cells = line.split_whitespace();
        let path = cells.next().unwrap();
        let cells: Vec<&str> = cells.collect();
        assert_eq!(cells.len(), people.len(), "{line}");
        for (person, cell) in people.iter().zip(cells) {
            assert_eq!(access(&mut world, person, path).await, told(cell), "{person} {path}");
        }
    }
}
