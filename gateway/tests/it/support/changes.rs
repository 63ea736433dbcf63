//! What tests do to a running gateway: change its files, stop it, look at what it measures and records.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use std::process::{Command, ExitStatus};
use std::time::Instant;

use hubgate_testkit::raw_client::{RawAnswer, RawClient};
use serde_json::Value;

use super::{Gateway, PATIENCE, wait_until};

impl Gateway {
    /// Puts `text` in the place of the file `name` at once, as careful editors do.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.folder().join(name);
        let draft = path.with_file_name(".draft");
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(draft, path).unwrap();
    }

    /// The file `name` as it is now.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder().join(name)).unwrap()
    }

    /// Replaces a piece of the file `name`.
    pub(crate) fn edit(&self, name: &str, piece: &str, other: &str) {
        let text = self.read(name);
        assert!(text.contains(piece), "`{piece}` is in {name}");
        self.write(name, &text.replace(piece, other));
    }

    /// Asks it to stop in order (SIGTERM).
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap();
        assert!(sent.success(), "the signal was sent");
    }

    /// Waits for the process to end.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the process did not end");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// A `GET` on the listener for health and metrics.
    pub(crate) async fn observe(&self, path: &str) -> anyhow::Result<RawAnswer> {
        let mut client = RawClient::connect(self.observe_addr(), PATIENCE).await?;
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        client.send(head.as_bytes()).await?;
        client.read_answer(false).await
    }

    /// The value of the metric whose line begins with `series`; 0 when there is none yet.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = self.observe("/metrics").await.unwrap().body_text();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
        value.unwrap_or(0.0)
    }

    /// The outcome recorded for the decision `id`.
    pub(crate) async fn outcome_of(&self, id: &str) -> Value {
        self.wait_for_line(|line| line["kind"] == "outcome" && line["decision_id"] == id).await
    }

    /// The outcome of the exchange that was answered so.
    pub(crate) async fn outcome(&self, answer: &RawAnswer) -> Value {
        self.outcome_of(answer.field("hubgate-request-id").unwrap()).await
    }

    /// The outcome of the one request for `path`.
    pub(crate) async fn outcome_for(&self, path: &str) -> Value {
        let decision = |line: &Value| line["kind"] == "decision" && line["what"]["path"] == path;
        let decision = self.wait_for_line(decision).await;
        self.outcome_of(decision["id"].as_str().unwrap()).await
    }

    /// Waits until the standard error holds every one of `words` in one line.
    pub(crate) async fn wait_for_stderr(&self, words: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.stderr();
            if said.lines().any(|line| words.iter().all(|word| line.contains(word))) {
                return;
            }
            assert!(Instant::now() < deadline, "no line with {words:?}:\n{said}");
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
    }

    /// Waits until a `GET` of `path` is answered with `status`.
    pub(crate) async fn wait_for_status(&self, path: &str, status: u16) {
        let what = format!("{path} answers {status}");
        wait_until(&what, async || self.get(path, self.api_key()).await.status == status).await;
    }
}
