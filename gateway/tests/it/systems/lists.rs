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

/// The nodes that stand for everything below them, none taken out again.
fn within(types: &[&str], nodes: &str) -> Value {
    let nodes: Vec<&str> = nodes.split_whitespace().collect();
    json!({ "types": types, "within": nodes, "without": [] })
}

#[tokio::test]
async fn lists_are_drawn_from_exactly_what_somebody_may_see() {
    let mut world = World::of("ada oskar bea sam edda otto tina max nils").await;
    let both = ["Operator", "Team"];
    let main = within(&both, "Operator::nordvolt");
    let east = within(&both, "Operator::nordvolt-east");
    let none = Value::Null;
    let (harbour, airport) = ("Team::team-harbour", "Team::team-airport");
    for (path, told) in [
        (
            "/teams",
            [
                ("ada", main.clone()),
                ("bea", main.clone()),
                ("sam", main.clone()),
                ("edda", east.clone()),
                ("tina", within(&both, airport)),
                ("otto", within(&both, "Team::team-depot Team::team-harbour")),
                ("max", within(&both, harbour)),
                ("nils", none.clone()),
            ],
        ),
        (
            "/wallets",
            [
                ("ada", main.clone()),
                ("bea", main.clone()),
                ("sam", main.clone()),
                ("edda", east.clone()),
                ("tina", within(&both, airport)),
                ("otto", within(&both, "Team::team-depot Team::team-harbour")),
                ("max", none.clone()),
                ("nils", none.clone()),
            ],
        ),
        (
            "/charge-points",
            [
                ("ada", main.clone()),
                ("bea", none.clone()),
                ("sam", main.clone()),
                ("edda", east.clone()),
                ("tina", within(&both, airport)),
                ("otto", within(&both, "Team::team-depot Team::team-harbour")),
                ("max", none.clone()),
                ("nils", none.clone()),
            ],
        ),
        (
            "/auditlog/events",
            [
                ("ada", main.clone()),
                ("oskar", main.clone()),
                ("bea", none.clone()),
                ("sam", none.clone()),
                ("edda", east.clone()),
                ("tina", none.clone()),
                ("max", none.clone()),
                ("nils", none.clone()),
            ],
        ),
        // Vehicles come with the tiers Business and Enterprise: lab, which has Basic, is no part of the list.
        (
            "/vehicles",
            [
                ("edda", east.clone()),
                ("tina", within(&both, airport)),
                ("otto", within(&both, "Team::team-depot Team::team-harbour")),
                ("bea", none.clone()),
                ("max", none.clone()),
                ("nils", none.clone()),
                ("sam", without_lab()),
                ("ada", without_lab()),
            ],
        ),
    ] {
        for (person, expected) in told {
            assert_eq!(access(&mut world, person, path).await, expected, "{person} {path}");
        }
    }
}

/// Everything of the main account but the account lab and its one team.
fn without_lab() -> Value {
    json!({
        "types": ["Operator", "Team"],
        "within": ["Operator::nordvolt"],
        "without": ["Operator::nordvolt-lab", "Team::team-lab"],
    })
}
