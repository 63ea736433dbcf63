//! Pushes a great many resources through a running gateway that is killed in the middle, and checks the end.
//!
//! What counts is that every line counts once, that decisions see all of it, and what it costs.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use http::{Request, StatusCode};
use hubgate_testkit::ports::free_address;
use hubgate_testkit::raw_client::{RawAnswer, RawClient};
use hubgate_testkit::stage::{GatewayProcess, HUB_HOST, NewKey, Stage};
use tokio::net::TcpListener;

use crate::setting::LOAD_KEY;
use crate::{Places, backend, setting};

/// How the push is run.
#[derive(Debug, Args)]
pub(crate) struct PushArguments {
    #[command(flatten)]
    places: Places,
    /// Lines pushed; an upload has at most a million.
    #[arg(long, default_value_t = 1_000_000)]
    lines: usize,
    /// Parts they are sent in.
    #[arg(long, default_value_t = 10)]
    parts: usize,
}

/// The key of the hub's service.
const HUB_KEY: NewKey<'static> = NewKey {
    organisation: "nordvolt",
    name: "push",
    roles: &["client=Operator::nordvolt"],
    scopes: &["directory:write"],
};

const UPLOADS: &str = "/v1/organisations/nordvolt/resource-uploads";

/// Lines that name objects pushed before: with them and the organisation's own, no more than a million remain.
const REPEATED: usize = 1_000;

/// Longest one part may take, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(10);

/// A gateway that takes pushes.
struct Pushing {
    stage: Stage,
    admin: SocketAddr,
    key: String,
    began: Instant,
}

/// Pushes everything, kills once, judges what is there.
pub(crate) async fn run(arguments: &PushArguments) -> anyhow::Result<ExitCode> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let service = listener.local_addr()?;
    tokio::spawn(backend::accept(listener, None));
    let stage = setting::stage(&arguments.places, service, None, 2)?;
    let admin = free_address()?;
    let text = std::fs::read_to_string(stage.configuration())?;
    let listening = text.replacen("[listen]\n", &format!("[listen]\nadmin = \"{admin}\"\n"), 1);
    std::fs::write(stage.configuration(), listening)?;
    let (key, viewer) = (stage.create_key(&HUB_KEY)?, stage.create_key(&LOAD_KEY)?);
    let mut gateway = stage.start()?;
    gateway.wait_until_ready().await?;
    let pushing = Pushing { stage, admin, key, began: Instant::now() };
    let upload = pushing.begin().await?;
    let each = arguments.lines.div_ceil(arguments.parts.max(1));
    let unique = arguments.lines.saturating_sub(REPEATED).max(1);
    let (mut sent, mut killed) = (0, false);
    while sent < arguments.lines {
        let end = (sent + each).min(arguments.lines);
        let body: String = (sent..end).map(|number| team(number % unique)).collect();
        let last = end == arguments.lines;
        if !killed && 2 * end > arguments.lines {
            killed = true;
            gateway = pushing.kill_within(gateway, &upload, &body).await?;
        } else {
            pushing.append(&upload, &body, last).await?;
        }
        sent = end;
        pushing.tell(&format!("{sent} lines"), &gateway);
        if killed && last && !pushing.is_complete(&upload).await? {
            pushing.finish(&upload).await?;
        }
    }
    pushing.judge((&upload, &viewer), (arguments.lines, unique)).await?;
    pushing.tell("all checked", &gateway);
    gateway.stop().await?;
    Ok(ExitCode::SUCCESS)
}

impl Pushing {
    async fn begin(&self) -> anyhow::Result<String> {
        let begun = self.ask("POST", UPLOADS, (&[], b"")).await?;
        anyhow::ensure!(begun.status == 201, "not begun: {}", begun.body_text());
        Ok(begun.field("location").context("an upload without a place")?.to_owned())
    }

    async fn append(&self, upload: &str, body: &str, last: bool) -> anyhow::Result<()> {
        let offset = self.offset(upload).await?.to_string();
        let fields = [
            ("content-type", "application/partial-upload"),
            ("upload-offset", offset.as_str()),
            ("upload-complete", if last { "?1" } else { "?0" }),
        ];
        let answer = self.ask("PATCH", upload, (&fields, body.as_bytes())).await?;
        anyhow::ensure!(answer.status == 200, "{}: {}", answer.status, answer.body_text());
        Ok(())
    }

    async fn finish(&self, upload: &str) -> anyhow::Result<()> {
        self.append(upload, "", true).await
    }

    /// Sends a part, kills the gateway when something of it is taken, and sends the rest to the next process.
    async fn kill_within(
        &self,
        mut gateway: GatewayProcess,
        upload: &str,
        body: &str,
    ) -> anyhow::Result<GatewayProcess> {
        let before = self.offset(upload).await?;
        let offset = before.to_string();
        let fields = [
            ("content-type", "application/partial-upload"),
            ("upload-offset", offset.as_str()),
            ("upload-complete", "?0"),
        ];
        let mut client = RawClient::connect(self.admin, PATIENCE).await?;
        client.send(self.head("PATCH", upload, (&fields, body.len())).as_bytes()).await?;
        let bytes = body.as_bytes().to_vec();
        let sending = tokio::spawn(async move { client.send(&bytes).await.map(|()| client) });
        while self.offset(upload).await? == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.tell("killed", &gateway);
        gateway.kill()?;
        drop(sending.await);
        let mut gateway = self.stage.start()?;
        gateway.wait_until_ready().await?;
        self.tell("started again", &gateway);
        let taken = usize::try_from(self.offset(upload).await? - before)?;
        let rest = body.get(taken..).context("the upload goes on within a line")?;
        println!("{taken} of the {} bytes of the part had been taken", body.len());
        self.append(upload, rest, false).await?;
        Ok(gateway)
    }

    async fn offset(&self, upload: &str) -> anyhow::Result<u64> {
        let told = self.ask("HEAD", upload, (&[], b"")).await?;
        Ok(told.field("upload-offset").context("no offset")?.parse()?)
    }

    async fn is_complete(&self, upload: &str) -> anyhow::Result<bool> {
        let told = self.state(upload).await?;
        Ok(told.get("state").is_some_and(|state| state == "complete"))
    }

    async fn state(&self, upload: &str) -> anyhow::Result<serde_json::Value> {
        let told = self.ask("GET", upload, (&[], b"")).await?;
        Ok(serde_json::from_slice(&told.body)?)
    }

    /// Every line counted once, and the first, the middle and the last object decide.
    async fn judge(
        &self,
        (upload, viewer): (&str, &str),
        (lines, unique): (usize, usize),
    ) -> anyhow::Result<()> {
        let told = self.state(upload).await?;
        println!("{told}");
        let count = |key: &str| told.get(key).and_then(serde_json::Value::as_u64);
        anyhow::ensure!(self.is_complete(upload).await?, "not complete");
        anyhow::ensure!(count("lines") == u64::try_from(lines).ok(), "not all lines");
        anyhow::ensure!(count("applied") == u64::try_from(unique).ok(), "not every object once");
        let status = self.stage.run(&["feed", "status", "--tenant", "nordvolt"])?;
        anyhow::ensure!(status.contains(&format!("{unique} resources")), "{status}");
        let client = self.stage.client()?;
        let view = async |id: String| -> anyhow::Result<StatusCode> {
            let port = self.stage.gateway().port();
            let request = Request::get(format!("https://{HUB_HOST}:{port}/api/v1/teams/{id}"))
                .header("authorization", format!("Bearer {viewer}"));
            Ok(client.send(request.body(bytes::Bytes::new())?).await?.status())
        };
        for number in [0, unique / 2, unique - 1] {
            let status = view(format!("t{number}")).await?;
            anyhow::ensure!(status == StatusCode::OK, "t{number} is answered {status}");
        }
        let unknown = view(format!("t{unique}")).await?;
        anyhow::ensure!(unknown == StatusCode::NOT_FOUND, "nothing is answered {unknown}");
        Ok(())
    }

    /// How far it is, after how long, and the most memory the process has had.
    fn tell(&self, what: &str, gateway: &GatewayProcess) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.id()));
        let status = status.unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = peak.and_then(|peak| peak.split_whitespace().next()?.parse::<u64>().ok());
        let megabytes = kilobytes.unwrap_or_default() / 1024;
        println!(
            "{:>6.1} s  {megabytes:>5} MiB at most  {what}",
            self.began.elapsed().as_secs_f64()
        );
    }

    /// Asks again while the gateway says that it cannot answer yet: a started one reads the organisation first.
    async fn ask(
        &self,
        method: &str,
        path: &str,
        what: (&[(&str, &str)], &[u8]),
    ) -> anyhow::Result<RawAnswer> {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask_once(method, path, what).await?;
            if answer.status != 503 || Instant::now() > until {
                return Ok(answer);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn ask_once(
        &self,
        method: &str,
        path: &str,
        (fields, body): (&[(&str, &str)], &[u8]),
    ) -> anyhow::Result<RawAnswer> {
        let mut client = RawClient::connect(self.admin, PATIENCE).await?;
        client.send(self.head(method, path, (fields, body.len())).as_bytes()).await?;
        client.send(body).await?;
        client.read_answer(method == "HEAD").await
    }

    fn head(&self, method: &str, path: &str, (fields, length): (&[(&str, &str)], usize)) -> String {
        let key = &self.key;
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: admin\r\ncontent-length: {length}\r\n\
             authorization: Bearer {key}\r\n"
        );
        for (name, value) in fields {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head + "\r\n"
    }
}

fn team(number: usize) -> String {
    format!(
        "{{\"uid\":\"Team::t{number}\",\"parents\":[\"Operator::nordvolt\"],\"attributes\":{{\
         \"operator\":{{\"__entity\":{{\"type\":\"Operator\",\"id\":\"nordvolt\"}}}},\
         \"kind\":\"professional\",\"frozen\":false,\"billing\":\"pay_as_you_go\",\
         \"country\":\"DK\",\"kyb\":\"approved\",\"vat_registered\":true,\
         \"payment_card\":true}}}}\n"
    )
}
