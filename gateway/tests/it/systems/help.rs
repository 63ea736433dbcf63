//! The page of a denial: why, and who of one's own organisation may change it.

use http::StatusCode;

use super::world::World;

/// The page `person` gets for `path`, with its status. Help is looked for within a time; a busy machine may
/// need another try.
async fn page(world: &mut World, person: &str, path: &str, words: &[&str]) -> (StatusCode, String) {
    let mut last = (StatusCode::OK, String::new());
    for _ in 0..20 {
        let page = world.browser(person).get(&format!("/api/v1{path}")).await;
        last = (page.status, page.body);
        if words.iter().all(|word| last.1.contains(word)) {
            break;
        }
    }
    for word in words {
        assert!(last.1.contains(word), "{person} {path}: {word}: {}", last.1);
    }
    last
}

#[tokio::test]
async fn a_denial_names_who_may_change_it_and_nobody_where_nothing_is_shown() {
    let mut world = World::of("ada bea sam edda olga nils").await;

    // Bea has no role for it: whoever may give her one can help. She sees their names, and only names.
    let words = ["Who can help", "<li>Ada Admin</li>", "Somebody at Nordvolt"];
    let (status, body) = page(&mut world, "bea", "/operators/nordvolt/api-keys", &words).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(!body.contains("@nordvolt.example") && !body.contains("Bea "), "{body}");
    assert!(body.matches("<li>").count() <= 3, "{body}");

    // Outside her reach it is the page of no route, to the letter.
    let hidden = "/operators/nordvolt-west/api-keys";
    let (status, body) = page(&mut world, "edda", hidden, &["There is nothing at this path"]).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(!body.contains("Who can help") && !body.contains("Nordvolt"), "{body}");

    // A program is told no names.
    let (answer, _) = world.ask("bea", "GET", "/operators/nordvolt/api-keys", "").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(!answer.body.contains("Ada"), "{}", answer.body);
}
