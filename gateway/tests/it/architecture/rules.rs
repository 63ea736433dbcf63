//! The rules themselves, as tables.

use std::fmt;

use super::lexer::{Token, tokens};
use super::paths::{self, FoundPath};

/// The floors of the product, top to bottom. A module imports from lower floors only, never sideways.
const FLOORS: [&[&str]; 6] = [
    &["app"],
    &["config"],
    &["proxy", "admin"],
    &["pipeline", "oidc", "store", "journal", "telemetry", "rollout"],
    &["routing", "directory", "authn", "limits", "authz", "audit", "scim"],
    &["model"],
];

/// Outside crates and the only modules that may name them.
const FENCES: [(&str, &[&str]); 27] = [
    ("anyhow", &["app", "main"]),
    ("askama", &["pipeline", "proxy", "admin"]),
    ("axum", &["admin"]),
    ("cedar_policy", &["authz"]),
    ("cedar_policy_core", &["authz"]),
    ("chacha20poly1305", &["store"]),
    ("clap", &["app", "main"]),
    ("governor", &["limits"]),
    ("hickory_resolver", &["admin"]),
    ("hyper", &["admin", "oidc", "proxy", "app"]),
    ("hyper_rustls", &["oidc"]),
    ("hyper_util", &["admin", "oidc", "proxy", "app"]),
    ("jsonwebtoken", &["authn"]),
    ("matchit", &["routing"]),
    ("notify", &["config", "app"]),
    ("openidconnect", &["oidc"]),
    ("opentelemetry", &["telemetry"]),
    ("opentelemetry_otlp", &["telemetry"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("pingora", &["proxy", "app"]),
    ("prometheus", &["telemetry"]),
    ("rusqlite", &["store"]),
    ("saphyr_parser", &["config"]),
    ("schemars", &["config", "audit"]),
    ("scim_v2", &["scim"]),
    ("toml", &["config"]),
    ("tracing_opentelemetry", &["telemetry"]),
];

/// What the two lowest floors must not touch, as path beginnings.
const IMPURE: [&str; 9] = [
    "tokio",
    "std::env",
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::process",
    "std::thread",
    "std::time::SystemTime",
];

/// The one place below the app that reads the clock.
const CLOCK: &str = "gateway/src/model/clock.rs";

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["common", "util", "utils", "helpers", "types", "manager"];

/// Longest file.
const LINES_MAX: usize = 600;

/// A source file.
#[derive(Debug)]
pub(super) struct Source {
    pub path: String,
    text: String,
}

impl Source {
    pub(super) const fn new(path: String, text: String) -> Self {
        Self { path, text }
    }

    /// The path of its module inside the product: `gateway/src/authz/set.rs` is `authz`, `set`.
    fn module(&self) -> Vec<String> {
        let inside = self.path.strip_prefix("gateway/src/").unwrap_or(&self.path);
        let inside = inside.strip_suffix(".rs").unwrap_or(inside);
        inside.split('/').map(String::from).collect()
    }

    fn top_module(&self) -> String {
        self.module().into_iter().next().unwrap_or_default()
    }

    /// `lib.rs` and `main.rs` name every module; that is what they are for.
    fn is_root(&self) -> bool {
        matches!(self.top_module().as_str(), "lib" | "main")
    }

    fn breach(&self, line: usize, what: String) -> Breach {
        Breach { path: self.path.clone(), line, what }
    }
}

/// A rule broken at a place.
#[derive(Debug)]
pub(super) struct Breach {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Upward and sideways imports, and modules nobody gave a floor.
pub(super) fn floors(source: &Source) -> Vec<Breach> {
    if source.is_root() {
        return Vec::new();
    }
    let own = source.top_module();
    let Some(own_floor) = floor(&own) else {
        return vec![source.breach(1, format!("module `{own}` has no floor"))];
    };
    let allowed = |target: &str| floor(target).is_some_and(|floor| floor > own_floor);
    let targets = paths::inside(&tokens(&source.text), &source.module());
    targets
        .iter()
        .filter_map(|path| Some((path.line, path.segments.first()?)))
        .filter(|(_, target)| **target != own && !allowed(target))
        .map(|(line, target)| source.breach(line, format!("`{own}` imports from `{target}`")))
        .collect()
}

/// How far a module stands below the roof.
fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

/// Outside crates named outside their module.
pub(super) fn fences(source: &Source) -> Vec<Breach> {
    let own = source.top_module();
    let fence = |path: &FoundPath| {
        let name = path.segments.first()?;
        let (name, homes) = FENCES.iter().find(|(fenced, _)| fenced == name)?;
        (!homes.contains(&own.as_str())).then_some((path.line, *name))
    };
    let mut breaches: Vec<(usize, &str)> =
        paths::outside(&tokens(&source.text)).iter().filter_map(fence).collect();
    breaches.dedup();
    breaches
        .into_iter()
        .map(|(line, name)| source.breach(line, format!("`{own}` uses the fenced crate `{name}`")))
        .collect()
}

/// Input, output, clocks and runtimes on the two lowest floors; their tests may have them.
pub(super) fn purity(source: &Source) -> Vec<Breach> {
    let lowest = floor(&source.top_module()).is_some_and(|floor| floor >= FLOORS.len() - 2);
    if !lowest || source.path == CLOCK || source.path.ends_with("/tests.rs") {
        return Vec::new();
    }
    let all: Vec<Token<'_>> = tokens(&source.text);
    paths::outside(&paths::without_tests(&all))
        .iter()
        .filter_map(|path| {
            let whole = path.segments.join("::");
            let impure = IMPURE.iter().find(|start| begins_with(&whole, start))?;
            Some(source.breach(path.line, format!("a pure module uses `{impure}`")))
        })
        .collect()
}

fn begins_with(path: &str, start: &str) -> bool {
    path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Length, opening doc and name of a file.
pub(super) fn shape(source: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let lines = source.text.lines().count();
    if lines > LINES_MAX {
        let what = format!("{lines} lines, at most {LINES_MAX}");
        breaches.push(source.breach(lines, what));
    }
    // A `tests.rs` is about the module it stands in, which has said what it is.
    let speaks_for_itself = !source.path.ends_with("/tests.rs");
    if speaks_for_itself && !source.text.trim_start().starts_with("//!") {
        breaches.push(source.breach(1, String::from("does not open with `//!`")));
    }
    for name in source.path.trim_end_matches(".rs").split('/') {
        if name == "mod" {
            breaches.push(source.breach(1, String::from("`mod.rs`: use `name.rs` beside `name/`")));
        }
        if EMPTY_NAMES.contains(&name) {
            breaches.push(source.breach(1, format!("`{name}` does not say what is inside")));
        }
    }
    breaches
}
