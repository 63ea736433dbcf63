//! `/.hubgate/me`: the accounts somebody may work in, the one they work in, and the systems open there.

use std::fmt::Write as _;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::world::World;

const ME: &str = "/.hubgate/me";
/// The areas of `gateway.toml`, which are the seventeen systems.
const ALL: &str = "welcome my-account operator-account members-and-access organisation single-sign-on \
    api-keys audit-log know-your-business tax-refunds create-a-plan plans-and-subscriptions \
    apply-and-approve promotion-codes shop dashboards search";

async fn menu(world: &mut World, person: &str) -> Value {
    world.browser(person).script(Method::GET, ME, "").await.json()["menu"].clone()
}

/// The areas but for some.
fn all_but(some: &str) -> Vec<&'static str> {
    let some: Vec<&str> = some.split_whitespace().collect();
    assert!(some.iter().all(|area| ALL.split_whitespace().any(|known| known == *area)));
    ALL.split_whitespace().filter(|area| !some.contains(area)).collect()
}

fn nodes(accounts: &str) -> Vec<String> {
    accounts.split_whitespace().map(|account| format!("Operator::{account}")).collect()
}

#[tokio::test]
async fn the_menu_of_each_role_names_the_systems_that_are_open_to_it() {
    let mut world = World::of("ada oskar bea sam edda wes otto nils").await;
    let tree = "nordvolt nordvolt-east nordvolt-lab nordvolt-west";
    for (person, accounts, active, areas) in [
        ("ada", tree, "nordvolt", all_but("")),
        ("oskar", tree, "nordvolt", all_but("single-sign-on api-keys know-your-business")),
        (
            "bea",
            tree,
            "nordvolt",
            all_but(
                "members-and-access single-sign-on api-keys audit-log tax-refunds create-a-plan \
                 plans-and-subscriptions apply-and-approve dashboards",
            ),
        ),
        (
            "sam",
            tree,
            "nordvolt",
            all_but(
                "single-sign-on api-keys audit-log know-your-business tax-refunds create-a-plan \
                 plans-and-subscriptions apply-and-approve dashboards",
            ),
        ),
        // East is Swedish, and she tries the search.
        ("edda", "nordvolt-east", "nordvolt-east", all_but("tax-refunds")),
        ("wes", "nordvolt-west", "nordvolt-west", all_but("")),
        // Roles on teams alone, or none at all: no account to work in, and the root to stand in.
        ("otto", "", "nordvolt", vec!["welcome", "my-account"]),
        ("nils", "", "nordvolt", vec!["welcome", "my-account"]),
    ] {
        let expected = json!({
            "active": format!("Operator::{active}"),
            "nodes": nodes(accounts),
            "more_nodes": false,
            "areas": areas,
        });
        assert_eq!(menu(&mut world, person).await, expected, "{person}");
    }
    assert!(world.hub.take_seen().is_empty(), "the gateway answers this itself");
}

/// Posts the choice of an account as a form of the hub's own pages, or of another's.
async fn switch(world: &mut World, person: &str, to: &str, origin: &str) -> StatusCode {
    let form = format!("active={}", to.replace(':', "%3A"));
    world.browser(person).post(ME, &form, origin).await.status
}

#[tokio::test]
async fn the_account_worked_in_is_what_operations_without_an_id_are_about() {
    let mut world = World::of("ada edda nils").await;
    let own = world.stage.hub_url();
    let search = "/search?words=harbour";

    // Of the main account, which has the search, to east, which has not. Ada does not try what is new.
    let (page, seen) = world.ask("ada", "GET", search, "").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert_eq!(seen[0].claims.as_ref().unwrap()["active"], "Operator::nordvolt");
    assert_eq!(switch(&mut world, "ada", "Operator::nordvolt-east", &own).await, StatusCode::OK);
    let now = menu(&mut world, "ada").await;
    assert_eq!(now["active"], "Operator::nordvolt-east");
    assert_eq!(now["areas"], json!(all_but("tax-refunds search")));
    let (page, seen) = world.ask("ada", "GET", search, "").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.body);
    assert!(page.body.contains("Search is a trial"), "{}", page.body);
    assert!(seen.is_empty());
    let (page, seen) = world.ask("ada", "GET", "/plans", "").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert_eq!(seen[0].claims.as_ref().unwrap()["active"], "Operator::nordvolt-east");
    // It is a place, not a right: what has an id is decided as before.
    let (page, _) = world.ask("ada", "GET", "/operators/nordvolt-west/api-keys", "").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);

    // Upward, sideways, to another organisation, to what is no account, to nowhere.
    for refused in [
        "Operator::nordvolt",
        "Operator::nordvolt-west",
        "Operator::solarpark",
        "Team::team-harbour",
    ] {
        let status = switch(&mut world, "edda", refused, &own).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "edda to {refused}");
    }
    assert_eq!(switch(&mut world, "edda", "nowhere", &own).await, StatusCode::BAD_REQUEST);
    assert_eq!(menu(&mut world, "edda").await["active"], "Operator::nordvolt-east");
    assert_eq!(switch(&mut world, "nils", "Operator::nordvolt", &own).await, StatusCode::FORBIDDEN);
    // A page of another site cannot send anybody anywhere.
    let elsewhere = "https://elsewhere.example";
    let status = switch(&mut world, "ada", "Operator::nordvolt-west", elsewhere).await;
    assert!(status.is_client_error(), "{status}");
    assert_eq!(menu(&mut world, "ada").await["active"], "Operator::nordvolt-east");

    assert_eq!(switch(&mut world, "ada", "Operator::nordvolt", &own).await, StatusCode::OK);
    let (page, _) = world.ask("ada", "GET", search, "").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
}

/// The organisation with more accounts below the main one than a menu has: the last of them by name is chosen.
#[tokio::test]
async fn an_account_beyond_the_end_of_the_menu_can_be_chosen() {
    const MORE: usize = 1_200;
    let mut world = World::changed("ada edda", |folder| {
        let file = folder.join("resources.ndjson");
        let text = std::fs::read_to_string(&file).unwrap();
        let east = text.lines().find(|line| line.contains("\"Operator::nordvolt-east\"")).unwrap();
        let mut east: Value = serde_json::from_str(east).unwrap();
        let mut more = text.trim_end().to_owned();
        for number in 0..MORE {
            east["uid"] = json!(format!("Operator::more-{number:04}"));
            write!(more, "\n{east}").unwrap();
        }
        std::fs::write(&file, more + "\n").unwrap();
    })
    .await;
    let own = world.stage.hub_url();
    let told = menu(&mut world, "ada").await;
    assert_eq!(told["more_nodes"], true);
    let listed = told["nodes"].as_array().unwrap();
    assert_eq!(listed.len(), 1_000);
    let mut beyond = (0..MORE)
        .map(|number| format!("Operator::more-{number:04}"))
        .filter(|node| !listed.contains(&json!(node)));
    let beyond = beyond.next_back().unwrap();
    assert_eq!(switch(&mut world, "ada", &beyond, &own).await, StatusCode::OK);
    assert_eq!(menu(&mut world, "ada").await["active"], json!(beyond));
    // The policies decide about it as about any other.
    assert_eq!(switch(&mut world, "edda", &beyond, &own).await, StatusCode::FORBIDDEN);
}
