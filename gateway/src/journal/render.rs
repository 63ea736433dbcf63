//! The log for people: one line per record, in columns; the report of a verification.
//!
//! It must never print a raw control character, whatever a client sent.

mod report;

use std::fmt::Write as _;

use super::line::Line;
use crate::audit::is_hostile;
use crate::model::UnixNanos;

pub use report::render_report;

/// Whether to use colour. Nothing is said by colour alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// Plain text: files, pipes, `NO_COLOR`.
    #[default]
    Never,
    /// ANSI colours: terminals.
    Always,
}

/// Most further questions shown on one line; `--json` has all.
const ALSO_SHOWN_MAX: usize = 4;

const DIM: &str = "2";
const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

impl Colour {
    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Never => text.to_owned(),
            Self::Always => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

/// Renders lines in columns, with a heading whenever the day changes.
#[derive(Clone, Debug)]
pub struct Renderer {
    colour: Colour,
    widths: Widths,
    day: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Widths {
    tenant: usize,
    principal: usize,
    request: usize,
}

/// Columns are never narrower than this, nor wider than a terminal bears; longer text runs on.
const NARROW: Widths = Widths { tenant: 8, principal: 12, request: 20 };
const WIDE: Widths = Widths { tenant: 16, principal: 28, request: 44 };

impl Renderer {
    /// Columns of the usual widths: a usual API key fits.
    pub const fn new(colour: Colour) -> Self {
        Self { colour, widths: Widths { tenant: 10, principal: 23, request: 32 }, day: None }
    }

    /// Columns as wide as `lines` need.
    pub fn fitted(colour: Colour, lines: &[Line]) -> Self {
        let widest = |text: fn(&Line) -> String, narrow: usize, wide: usize| {
            let decisions = lines.iter().filter(|line| line.kind() == "decision");
            let widths = decisions.map(|line| text(line).chars().count());
            widths.filter(|width| *width <= wide).max().unwrap_or(narrow).max(narrow)
        };
        let widths = Widths {
            tenant: widest(tenant, NARROW.tenant, WIDE.tenant),
            principal: widest(principal, NARROW.principal, WIDE.principal),
            request: widest(request, NARROW.request, WIDE.request),
        };
        Self { colour, widths, day: None }
    }

    /// One line of text, with the day above it when it is another than the last line's.
    pub fn render(&mut self, line: &Line) -> String {
        let day = moment(line.time(), "%A %Y-%m-%d");
        let mut out = String::new();
        if self.day.as_ref() != Some(&day) {
            let heading = self.colour.paint(BOLD, &format!("{day} (UTC)"));
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{heading}");
            self.day = Some(day);
        }
        out.push_str(&self.row(line));
        out
    }

    fn row(&self, line: &Line) -> String {
        let time = self.colour.paint(DIM, &moment(line.time(), "%H:%M:%S%.3f"));
        let id = self.colour.paint(CYAN, &short_id(line));
        let (mark, code) = mark(line);
        let mark = self.colour.paint(code, &format!("{mark:<6}"));
        let rest = match line.kind() {
            "decision" => self.decision(line),
            "outcome" => outcome(line),
            "event" => event(line),
            _ => journal(line),
        };
        format!("{time}  {id}  {mark}  {rest}").trim_end().to_owned()
    }

    fn decision(&self, line: &Line) -> String {
        let Widths { tenant: t, principal: p, request: r } = self.widths;
        let (tenant, principal, request) = (tenant(line), principal(line), request(line));
        format!("{tenant:<t$}  {principal:<p$}  {request:<r$}  {}", self.verdict(line))
    }

    fn verdict(&self, line: &Line) -> String {
        let mut parts = Vec::new();
        let about = [line.text("/what/action"), line.text("/what/resource")];
        let about: Vec<_> = about.into_iter().flatten().map(clean).collect();
        if !about.is_empty() {
            parts.push(about.join(" "));
        }
        parts.extend(also(line));
        let by: Vec<_> = line.list("/decision/determining").map(clean).collect();
        let reason = clean(line.reason().unwrap_or("-"));
        parts.push(if by.is_empty() { reason } else { format!("{reason} by {}", by.join(", ")) });
        let erring: Vec<_> = line.list("/decision/erring").map(clean).collect();
        if !erring.is_empty() {
            parts.push(format!("failed: {}", erring.join(", ")));
        }
        parts.join(&self.colour.paint(DIM, " · "))
    }
}

/// What else was asked, the first few; a denial says so.
fn also(line: &Line) -> Vec<String> {
    let text = |number: usize, key: &str| line.text(&format!("/what/also/{number}/{key}"));
    let told = |number: usize| {
        let (action, resource) = (text(number, "action")?, text(number, "resource")?);
        let denied = if text(number, "effect") == Some("allow") { "" } else { " denied" };
        Some(clean(&format!("also {action} {resource}{denied}")))
    };
    let mut all: Vec<String> = (0..).map_while(told).collect();
    if let Some(more) = all.len().checked_sub(ALSO_SHOWN_MAX).filter(|more| *more > 0) {
        // The denied one is why the line is read.
        all.sort_by_key(|told| !told.ends_with(" denied"));
        all.truncate(ALSO_SHOWN_MAX);
        all.push(format!("+{more} asked"));
    }
    all
}

/// One line of text without day or colour.
pub fn render_line(line: &Line) -> String {
    Renderer::new(Colour::Never).row(line)
}

fn mark(line: &Line) -> (String, &'static str) {
    match (line.kind(), line.effect()) {
        ("decision", Some("allow")) => ("allow".into(), GREEN),
        ("decision", Some("deny")) => ("deny".into(), RED),
        ("decision", Some("refuse")) => ("refuse".into(), YELLOW),
        ("decision", _) => ("error".into(), RED),
        ("outcome", _) => {
            let status = line.number("/status").map_or_else(|| "-".into(), |s| s.to_string());
            (format!("└ {status}"), if line.reason().is_some() { YELLOW } else { DIM })
        }
        ("event", _) => ("event".into(), CYAN),
        _ => ("log".into(), DIM),
    }
}

/// The end of the id: neighbours share its beginning, which is the time.
fn short_id(line: &Line) -> String {
    let id = line.decision().unwrap_or_default();
    let start = id.len().saturating_sub(8);
    format!("{:<8}", clean(id.get(start..).unwrap_or_default()))
}

fn tenant(line: &Line) -> String {
    clean(line.tenant().unwrap_or("-"))
}

fn principal(line: &Line) -> String {
    let known = line.principal().or_else(|| line.text("/who/person"));
    clean(known.unwrap_or("-"))
}

fn request(line: &Line) -> String {
    let method = line.text("/what/method").unwrap_or("-");
    let path = line.text("/what/path").unwrap_or("-");
    clean(&format!("{method:<4} {path}"))
}

fn outcome(line: &Line) -> String {
    let mut parts = Vec::new();
    parts.extend(line.reason().map(clean));
    let number = |pointer| line.number(pointer).unwrap_or_default();
    parts.push(duration(number("/duration_us")));
    parts.push(format!("{} in, {} out", size(number("/bytes_in")), size(number("/bytes_out"))));
    let served_by = [line.text("/service"), line.text("/upstream")];
    let served_by: Vec<_> = served_by.into_iter().flatten().map(clean).collect();
    if !served_by.is_empty() {
        parts.push(served_by.join(" at "));
    }
    let attempts = number("/attempts");
    if attempts != 1 {
        parts.push(format!("{attempts} attempts"));
    }
    if line.text("/upstream").is_some() && !first_byte_sent(line) {
        parts.push("nothing sent".into());
    }
    parts.join(" · ")
}

fn first_byte_sent(line: &Line) -> bool {
    line.flag("/first_byte_sent").unwrap_or(true)
}

fn event(line: &Line) -> String {
    let name = line.text("/event").unwrap_or("-").replace('_', " ");
    let who = line.principal().or_else(|| line.text("/person"));
    let parts = [
        Some(name),
        line.tenant().map(Into::into),
        who.map(Into::into),
        line.text("/key").map(|key| format!("key {key}")),
        line.text("/connection").map(|connection| format!("through {connection}")),
        line.text("/snapshot")
            .map(|id| format!("snapshot {}", id.chars().take(12).collect::<String>())),
        line.reason().map(Into::into),
        line.text("/detail").map(Into::into),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().map(|part| clean(&part)).collect();
    parts.join(" · ")
}

fn journal(line: &Line) -> String {
    let shard = clean(line.text("/shard").unwrap_or("-"));
    match line.text("/event") {
        Some("opened") => format!("opened shard {shard}"),
        Some("linked") => "linked earlier shards".into(),
        Some("recovered") => {
            let cut = size(line.number("/cut_bytes").unwrap_or_default());
            format!("recovered shard {shard} · cut {cut} of a torn line")
        }
        Some("resumed") => {
            let lost = line.number("/unrecorded").unwrap_or_default();
            format!("writing works again · {lost} records were refused meanwhile")
        }
        Some("closed") => format!("closed shard {shard}"),
        other => clean(other.unwrap_or("-")),
    }
}

fn moment(time: UnixNanos, format: &str) -> String {
    let nanos = i128::from(time.nanos());
    let timestamp = jiff::Timestamp::from_nanosecond(nanos).unwrap_or_default();
    timestamp.strftime(format).to_string()
}

/// Text of a client, made safe to print.
fn clean(text: &str) -> String {
    if !text.chars().any(is_hostile) {
        return text.to_owned();
    }
    let escape = |c: char| {
        if is_hostile(c) { c.escape_unicode().to_string() } else { c.into() }
    };
    text.chars().map(escape).collect()
}

fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes % 1_000 / 100),
        1_000_000..1_000_000_000 => {
            format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
        }
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000),
    }
}

#[cfg(test)]
mod tests;
