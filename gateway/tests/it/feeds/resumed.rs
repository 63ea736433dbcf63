//! Uploads that go on where they stopped: after a broken connection, after `kill -9`.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "helpers of tests may panic")]

use std::time::Duration;

use hubgate_testkit::raw_client::{RawAnswer, RawClient};
use serde_json::json;

use super::world::{LONG, World, head, json_of, team, teams};

const UPLOADS: &str = "/v1/organisations/nordvolt/resource-uploads";

impl World {
    async fn begin(&self, query: &str) -> String {
        let path = format!("{UPLOADS}{query}");
        let begun = self.ask(&head("POST", &path, &self.key, &[], 0), b"").await;
        assert_eq!(begun.status, 201, "{}", begun.body_text());
        assert_eq!(begun.field("upload-offset"), Some("0"));
        begun.field("location").unwrap().to_owned()
    }

    fn part(&self, upload: &str, offset: u64, complete: &str, length: usize) -> String {
        let offset = offset.to_string();
        let fields = [
            ("content-type", "application/partial-upload"),
            ("upload-offset", offset.as_str()),
            ("upload-complete", complete),
        ];
        head("PATCH", upload, &self.key, &fields, length)
    }

    async fn append(&self, upload: &str, offset: u64, complete: &str, body: &str) -> RawAnswer {
        self.ask(&self.part(upload, offset, complete, body.len()), body.as_bytes()).await
    }

    /// Where the upload goes on.
    async fn offset(&self, upload: &str) -> u64 {
        let told = self.ask(&head("HEAD", upload, &self.key, &[], 0), b"").await;
        told.field("upload-offset").unwrap().parse().unwrap()
    }

    /// Waits until something of the upload is taken for good.
    async fn some_offset(&self, upload: &str) -> u64 {
        let deadline = std::time::Instant::now() + LONG;
        loop {
            let offset = self.offset(upload).await;
            if offset > 0 {
                return offset;
            }
            assert!(std::time::Instant::now() < deadline, "nothing was taken");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_goes_on_where_it_stopped() {
    let world = World::start().await;
    let upload = world.begin("").await;
    let text = teams(1..=6);
    let half = text.len() / 2;
    let first = world.append(&upload, 0, "?0", &text[..half]).await;
    assert_eq!((first.status, first.field("upload-complete")), (200, Some("?0")));
    let offset = world.offset(&upload).await;
    let cut = text[..half].rfind('\n').unwrap() + 1;
    assert_eq!(offset, cut as u64, "whole lines only");
    assert_eq!(world.view("t1").await, 200, "in force batch by batch");

    let wrong = world.append(&upload, 7, "?1", "x").await;
    assert_eq!((wrong.status, &json_of(&wrong)["expected-offset"]), (409, &json!(cut)));
    let rival = world.put("", &team("t9")).await;
    assert_eq!((rival.status, &json_of(&rival)["code"]), (409, &json!("upload_under_way")));

    let last = world.append(&upload, offset, "?1", &text[cut..]).await;
    assert_eq!((last.status, &json_of(&last)["lines"]), (200, &json!(6)), "{}", last.body_text());
    assert_eq!((last.field("upload-complete"), world.view("t6").await), (Some("?1"), 200));
    let after = world.append(&upload, text.len() as u64, "?1", "").await;
    assert_eq!((after.status, &json_of(&after)["code"]), (409, &json!("completed_upload")));
    let told = world.ask(&head("GET", &upload, &world.key, &[], 0), b"").await;
    assert_eq!(json_of(&told)["state"], "complete");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_gateway_goes_on_behind_the_last_batch() {
    let mut world = World::start().await;
    let upload = world.begin("").await;
    let text = teams(1..=12_000);
    let mut client = RawClient::connect(world.admin, LONG).await.unwrap();
    client.send(world.part(&upload, 0, "?1", text.len()).as_bytes()).await.unwrap();
    // All but the last lines: the gateway waits for those when it is killed.
    let most = text.len() - 1_000;
    client.send(&text.as_bytes()[..most]).await.unwrap();
    let before = world.some_offset(&upload).await;
    world.gateway.kill();
    world.gateway.restart().await;
    let offset = world.offset(&upload).await;
    assert!(offset >= before && offset < most as u64, "{before} {offset}");
    assert_eq!(world.view("t1").await, 200, "what was taken is in force");
    let rest = &text[usize::try_from(offset).unwrap()..];
    let last = world.append(&upload, offset, "?1", rest).await;
    let told = json_of(&last);
    assert_eq!((last.status, &told["lines"]), (200, &json!(12_000)), "{}", last.body_text());
    assert_eq!(told["applied"], 12_000, "no line twice, none left out");
    assert_eq!(world.view("t12000").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_is_invisible_until_it_is_complete() {
    let mut world = World::start().await;
    assert_eq!(world.put("", &teams(1..=3)).await.status, 200);
    let upload = world.begin("?mode=replace").await;
    let text = teams(3..=6);
    let staged = world.append(&upload, 0, "?0", &text).await;
    assert_eq!(staged.status, 200);
    assert_eq!((world.view("t1").await, world.view("t6").await), (200, 404));
    world.gateway.kill();
    world.gateway.restart().await;
    assert_eq!((world.view("t1").await, world.view("t6").await), (200, 404));
    let offset = world.offset(&upload).await;
    assert_eq!(offset, text.len() as u64, "what was sent need not be sent again");
    let last = world.append(&upload, offset, "?1", &teams(7..=7)).await;
    assert_eq!(last.status, 200, "{}", last.body_text());
    let views = [world.view("t1").await, world.view("t3").await, world.view("t7").await];
    assert_eq!(views, [404, 200, 200]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_upload_gives_its_place_back() {
    let world = World::start().await;
    let upload = world.begin("").await;
    let cancelled = world.ask(&head("DELETE", &upload, &world.key, &[], 0), b"").await;
    assert_eq!((cancelled.status, &json_of(&cancelled)["state"]), (200, &json!("cancelled")));
    assert_eq!(world.append(&upload, 0, "?1", "").await.status, 409);
    assert_eq!(world.put("", &team("t1")).await.status, 200);
    let gone = world.ask(&head("GET", &upload, &world.key, &[], 0), b"").await;
    assert_eq!(gone.status, 404, "only the latest is remembered");
}
