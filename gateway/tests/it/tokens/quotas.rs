//! Quotas: exactly as many as there are, told in both ways, and not forgotten by a restart.

use hubgate_testkit::raw_client::RawAnswer;
use serde_json::json;

use super::world::{Client, World, json_of};

fn remaining(answer: &RawAnswer) -> u32 {
    answer.field("ratelimit-remaining").unwrap().parse().unwrap()
}

/// Not across the end of a block: the test would count two.
async fn away_from_the_end_of_a_block() {
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap();
    let left = 600 - now % 600;
    if left < 30 {
        tokio::time::sleep(std::time::Duration::from_secs(left + 1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_is_let_in_and_the_next_is_not_with_sixty_four_at_once() {
    away_from_the_end_of_a_block().await;
    let world = World::start().await;
    let client = world.client("busy", &["teams:read"]);
    let ask = async || {
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(world.team(&client.secret).await.status);
        }
        statuses
    };
    let all = futures_util::future::join_all((0..64).map(|_| ask())).await;
    let count = |status| all.iter().flatten().filter(|it| **it == status).count();
    assert_eq!((count(200), count(429)), (1_000, 280));
    let other = world.client("calm", &["teams:read"]);
    assert_eq!(world.team(&other.secret).await.status, 200, "nobody else pays for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_s_own_fields_and_those_of_the_draft_tell_how_it_stands() {
    away_from_the_end_of_a_block().await;
    let mut world = World::start().await;
    let client = world.client("partner", &["teams:read"]);
    let first = world.team(&client.secret).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.field("ratelimit-policy"), Some("Quota"));
    assert_eq!(first.field("ratelimit-quota"), Some("1000"));
    assert_eq!(first.field("ratelimit-timewindow"), Some("600"));
    assert_eq!(remaining(&first), 999);
    let resets: u64 = first.field("ratelimit-resetsin").unwrap().parse().unwrap();
    assert!((1..=600).contains(&resets));
    // A token counts with its key.
    let token = json_of(&world.exchange(&client).await);
    let second = world.team(token["accessToken"].as_str().unwrap()).await;
    assert_eq!(remaining(&second), 997, "the exchange counts, too");

    for left in (0..5).rev() {
        let answer = world.gateway.get("/small/team-harbour", &client.secret).await;
        assert_eq!(answer.status, 200);
        let told = answer.field("ratelimit").unwrap();
        assert!(told.starts_with(&format!("\"small\";r={left};t=")), "{told}");
        assert_eq!(answer.field("ratelimit-policy"), Some("\"small\";q=5;w=600"));
        if left == 2 {
            world.gateway.kill_after_counts().await;
            world.gateway.restart().await;
        }
    }
    let refused = world.gateway.get("/small/team-harbour", &client.secret).await;
    assert_eq!(refused.status, 429);
    let problem = json_of(&refused);
    assert_eq!(problem["violated-policies"], json!(["small"]));
    let seconds: u64 = refused.field("retry-after").unwrap().parse().unwrap();
    assert!(refused.field("ratelimit").unwrap().ends_with(&format!("r=0;t={seconds}")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_on_misuse_tells_no_numbers_and_a_plan_has_its_own() {
    away_from_the_end_of_a_block().await;
    let world = World::start().await;
    let client = world.client("partner", &["teams:read"]);
    for _ in 0..4 {
        let answer = world.get("/map/team-harbour", &client.secret).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.field("ratelimit-policy"), Some("Fair-Use"));
        assert_eq!(answer.field("ratelimit-quota"), None);
    }
    let refused = world.get("/map/team-harbour", &client.secret).await;
    assert_eq!((refused.status, refused.field("ratelimit-policy")), (429, Some("Fair-Use")));
    assert!(refused.field("retry-after").is_some());
    assert_eq!(json_of(&refused)["status"], "TOO_MANY_REQUESTS");
    assert_eq!(world.team(&client.secret).await.status, 200, "the allowance is another");

    let sunny: Client = world.client_of("solarpark", "sunny", &["teams:read"]);
    let statuses = [
        world.get("/consumers/me", &sunny.secret).await.status,
        world.get("/consumers/me", &sunny.secret).await.status,
        world.get("/consumers/me", &sunny.secret).await.status,
        world.get("/consumers/me", &sunny.secret).await.status,
    ];
    assert_eq!(statuses, [200, 200, 200, 429], "its organisation has three");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_names_a_quota_of_its_own() {
    away_from_the_end_of_a_block().await;
    let world = World::start().await;
    let policy = "@id(\"few-teams\")\n@quota(\"few\")\npermit (principal is ApiClient, action == Action::\"teams:view\", resource)\n\
                  when { principal.scopes.contains(\"teams:read\") };\n";
    let folder = world.gateway.folder().join("tenants/nordvolt/policies");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("few.cedar"), policy).unwrap();
    let check = world.gateway.run(&["check"]);
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(
        !check.status.success() && said.contains("add a `[[quota]]` of the name `few`"),
        "{said}"
    );
    let settings = world.gateway.folder().join("gateway.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let quota = "\n[[quota]]\nname = \"few\"\nrequests = 2\nwindow_seconds = 600\n";
    std::fs::write(&settings, text + quota).unwrap();
    let client = world.client("partner", &["teams:read"]);
    world.gateway.wait_for_line(|line| line["event"] == "config_loaded").await;
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let answer = world.team(&client.secret).await;
        let told = answer.field("ratelimit-quota").map(str::to_owned);
        statuses.push((answer.status, told));
        if answer.status == 429 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let last = statuses.last().unwrap();
    assert_eq!((last.0, last.1.as_deref()), (429, Some("2")), "{statuses:?}");
}
