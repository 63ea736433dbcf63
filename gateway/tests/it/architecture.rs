//! Holds the walls between modules: floors, fences, sizes and names.
//!
//! Reads the sources as text, so a breach fails `cargo test` with the file and the line, and a planted
//! breach in `catches` proves each check is awake.

mod lexer;
mod paths;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};

use rules::{Breach, Source};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file below `folder`, which is relative to the workspace, in order.
fn sources_below(folder: &str) -> Vec<Source> {
    let root = workspace();
    let mut pending = vec![root.join(folder)];
    let mut sources = Vec::new();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            pending.extend(entries.map(|entry| entry.path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
            sources.push(Source::new(name, fs::read_to_string(&path).unwrap_or_default()));
        }
    }
    sources.sort_by(|left, right| left.path.cmp(&right.path));
    sources
}

fn assert_none(breaches: &[Breach]) {
    let lines: Vec<String> = breaches.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} breaches:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn modules_import_from_lower_floors_only() {
    let sources = sources_below("gateway/src");
    assert!(sources.len() > 20, "the sources were found");
    assert_none(&sources.iter().flat_map(rules::floors).collect::<Vec<_>>());
}

#[test]
fn outside_crates_stay_behind_their_module() {
    let sources = sources_below("gateway/src");
    assert_none(&sources.iter().flat_map(rules::fences).collect::<Vec<_>>());
}

#[test]
fn the_lower_floors_are_pure() {
    let sources = sources_below("gateway/src");
    assert_none(&sources.iter().flat_map(rules::purity).collect::<Vec<_>>());
}

#[test]
fn files_are_short_named_well_and_open_with_a_doc() {
    let sources: Vec<_> = ["gateway", "loadtest"].into_iter().flat_map(sources_below).collect();
    assert_none(&sources.iter().flat_map(rules::shape).collect::<Vec<_>>());
}

#[test]
fn the_product_never_links_what_tests_it() {
    let manifest = |path: &str| fs::read_to_string(workspace().join(path)).unwrap_or_default();
    let product = manifest("gateway/Cargo.toml");
    let (linked, _) = product.split_once("[dev-dependencies]").unwrap_or((&product, ""));
    assert!(linked.contains("[dependencies]"), "the manifest was found");
    assert!(!linked.contains("hubgate-testkit"), "the testkit is linked into the product");
    for black_box in ["gateway/testkit/Cargo.toml", "loadtest/Cargo.toml"] {
        let depends = manifest(black_box)
            .lines()
            .any(|line| line.split(['=', '.', ' ']).next() == Some("hubgate"));
        assert!(!depends, "{black_box} depends on the product it looks at from outside");
    }
}

/// Plants breaches and sees them caught.
mod catches {
    use super::rules::{self, Breach, Source};

    fn source(path: &str, text: &str) -> Source {
        Source::new(format!("gateway/src/{path}"), String::from(text))
    }

    fn floors(path: &str, text: &str) -> Vec<Breach> {
        rules::floors(&source(path, text))
    }

    #[test]
    fn an_import_from_a_higher_floor() {
        for text in [
            "use crate::proxy::Door;",
            "use crate::{model::Clock, proxy::Door};",
            "use crate::{\n    model::{Clock, Secret},\n    pipeline,\n};",
            "fn f() { crate::store::open(); }",
            "use super::super::proxy;",
            "mod tests { use super::super::super::proxy::Door; }",
            "use super::{super::{proxy, model}};",
            "use crate :: proxy ;",
        ] {
            assert_eq!(floors("authz/decision.rs", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn a_sideways_import() {
        assert_eq!(floors("authz.rs", "use crate::directory::Member;").len(), 1);
        assert_eq!(floors("pipeline.rs", "use crate::store::StateStore;").len(), 1);
        assert_eq!(floors("proxy.rs", "use crate::config::Loaded;").len(), 1);
    }

    #[test]
    fn a_module_without_a_floor() {
        assert_eq!(floors("cellar.rs", "//! New.").len(), 1);
        assert_eq!(floors("authz.rs", "use crate::cellar::Wine;").len(), 1);
    }

    #[test]
    fn no_breach_where_there_is_none() {
        for text in [
            "use crate::model::Clock;",
            "use crate::authz::Permit;",
            "use super::{Permit, decision::Decision};",
            "// use crate::proxy::Door;",
            "/* crate::proxy::Door */",
            "const TEXT: &str = \"crate::proxy::Door\";",
            "const TEXT: &str = r#\"\" crate::proxy::Door\"#;",
            "pub(crate) fn f<'a>(x: &'a str) -> char { '\"' }",
            "//! See [`crate::proxy`].",
        ] {
            let breaches = floors("authz/decision.rs", text);
            assert!(breaches.is_empty(), "{text}: {breaches:?}");
        }
        assert!(floors("main.rs", "use hubgate::app;").is_empty());
    }

    #[test]
    fn a_fenced_crate_outside_its_module() {
        for text in [
            "use cedar_policy::Authorizer;",
            "use rusqlite;",
            "type T = pingora::Result<()>;",
            "use {std::fs, toml::Value};",
            "#[derive(clap::Parser)] struct S;",
            "use ::governor::Quota;",
        ] {
            let source = source("pipeline/admit.rs", text);
            assert_eq!(rules::fences(&source).len(), 1, "{text}");
        }
        assert!(rules::fences(&source("authz/set.rs", "use cedar_policy::Authorizer;")).is_empty());
        assert!(rules::fences(&source("limits.rs", "let toml = 1; x.toml();")).is_empty());
    }

    #[test]
    fn input_and_output_on_a_lower_floor() {
        for text in [
            "use std::fs::File;",
            "use tokio::sync::Mutex;",
            "use std::{collections::HashMap, net::TcpStream};",
            "fn f() { std::thread::yield_now(); }",
        ] {
            assert_eq!(rules::purity(&source("audit/record.rs", text)).len(), 1, "{text}");
        }
        let in_tests = "#[cfg(test)]\nmod tests { use tokio::sync::Mutex; fn f() {} }\nfn g() {}";
        assert!(rules::purity(&source("audit.rs", in_tests)).is_empty());
        assert!(rules::purity(&source("journal.rs", "use std::fs::File;")).is_empty());
    }

    #[test]
    fn shapes_that_are_not_ours() {
        let long = format!("//! Long.\n{}", "\n".repeat(600));
        for (path, text) in [
            ("authz/mod.rs", "//! Here."),
            ("authz/util.rs", "//! Here."),
            ("helpers/text.rs", "//! Here."),
            ("authz/set.rs", "use std::fmt;"),
            ("authz/set.rs", long.as_str()),
        ] {
            assert_eq!(rules::shape(&source(path, text)).len(), 1, "{path}");
        }
        assert!(rules::shape(&source("authz/set.rs", "//! A set.\n")).is_empty());
    }
}
