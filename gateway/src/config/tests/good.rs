//! A settings file that uses every key, and what it means.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Method;

use crate::config::{
    CertificateSource, HeaderPattern, HttpVersion, LogFormat, LogLevel, Retry, Settings,
};
use crate::model::EntityUid;
use crate::routing::{BodyRule, Denials, LogClass, ResourceRule, Stream};

use super::Folder;

const FULL: &str = include_str!("full.toml");

#[test]
fn every_key_is_read() {
    let folder = Folder::new();
    let settings = folder.parse(FULL).unwrap();
    let listen = &settings.listen;
    let https = listen.https.as_ref().unwrap();
    assert_eq!(https.address.to_string(), "0.0.0.0:8443");
    assert!(
        matches!(&https.certificate, CertificateSource::Files { key, .. } if key.ends_with("key.pem"))
    );
    assert_eq!(listen.observe.to_string(), "127.0.0.1:9464");
    assert_eq!((listen.threads.get(), listen.grace), (4, Duration::from_secs(25)));
    assert_eq!((listen.head.deadline, listen.head.fields_max), (Duration::from_secs(5), 64));
    assert!(settings.places.log_directory.ends_with("var/log"));
    let menu = settings.navigation.as_ref().unwrap();
    assert_eq!((menu.kind.as_str(), menu.enter.as_str()), ("Operator", "operators:enter"));
    assert_eq!(menu.areas[1].0, "reports");
    assert_eq!(settings.sign_in.session_idle, Duration::from_mins(15));
    assert_eq!(settings.outbound.allow[0].to_string(), "10.1.0.0/16");
    assert_eq!(settings.limits.address.burst.get(), 50);
    assert_eq!(settings.limits.credential.burst.get(), 300);
    let telemetry = &settings.telemetry;
    assert_eq!((telemetry.log_format, telemetry.log_level), (LogFormat::Json, LogLevel::Warn));
}

#[test]
fn a_service_is_read() {
    let settings = Folder::new().parse(FULL).unwrap();
    let hub = &settings.services[0];
    assert_eq!(hub.addresses[1].to_string(), "[::1]:9002");
    assert_eq!(hub.addresses[2].socket(), None);
    assert_eq!(hub.tls.as_ref().unwrap().server_name, "hub.internal");
    assert_eq!(hub.health.as_ref().unwrap().interval, Duration::from_secs(2));
    assert_eq!(hub.forward_headers[0], HeaderPattern::Prefix("x-acme-".to_owned()));
    assert!(hub.forward_headers[0].matches("x-acme-trace"));
    assert!(!hub.forward_headers[1].matches("x-request-ids"));
    assert_eq!(hub.denials, Denials::Hidden);
    assert_eq!((hub.retry, hub.http_version), (Retry::Never, HttpVersion::Http2));
}

#[test]
fn routes_are_read() {
    let settings = Folder::new().parse(FULL).unwrap();
    let [team, create, events, list, account, report] = &settings.routes[..] else {
        panic!("six routes")
    };
    assert_eq!(team.scopes.names().collect::<Vec<_>>(), ["all:read", "teams:read"]);
    assert_eq!((team.denials, create.denials), (Denials::Forbidden, Denials::Hidden));
    let kinds = vec!["Operator".to_owned(), "Team".to_owned()];
    assert_eq!(list.resource, ResourceRule::Among { kinds });
    assert_eq!(account.resource, ResourceRule::Active);
    assert_eq!(team.id.as_str(), "teams:read");
    assert_eq!(team.methods, [Method::GET, Method::HEAD]);
    let parameter = "team".to_owned();
    assert_eq!(team.resource, ResourceRule::Path { kind: "Team".to_owned(), parameter });
    assert_eq!((team.body, team.durability), (BodyRule::ByMethod, LogClass::CrashSafe));
    assert_eq!((create.body, create.durability), (BodyRule::ByMethod, LogClass::Strict));
    assert_eq!(create.body_bytes_max, 64 * 1024);
    assert_eq!(report.body, BodyRule::Allowed);
    assert_eq!(events.stream, Stream::ServerSentEvents);
    assert_eq!(events.resource, ResourceRule::Organisation);
    let main = EntityUid::new("Operator", "main").unwrap();
    assert_eq!((&report.resource, report.body_bytes_max), (&ResourceRule::Fixed(main), 1_000));
}

#[test]
fn one_line_is_enough() {
    let settings = Folder::new().parse("listen.http = \"127.0.0.1:8080\"\n").unwrap();
    assert_eq!(settings.limits.address.requests.get(), 6_000);
    assert_eq!(settings.sign_in.session_absolute, Duration::from_hours(24));
    assert!(settings.places.state_file.ends_with("state/hubgate.sqlite"));
}

#[test]
fn the_digest_does_not_depend_on_how_the_file_was_typed() {
    let folder = Folder::new();
    let typed = folder.file();
    let digest = |file: &Path, text: &str| Settings::parse(file, text).unwrap().digest(file);
    let around = typed.with_file_name("schemas").join("../gateway.toml");
    let up: PathBuf = std::env::current_dir().unwrap().components().skip(1).map(|_| "..").collect();
    let relative = up.join(typed.strip_prefix("/").unwrap());
    for other in [around, relative] {
        let (here, there) = (folder.parse(FULL).unwrap(), Settings::parse(&other, FULL).unwrap());
        assert_ne!(format!("{here:?}"), format!("{there:?}"), "messages tell it as typed");
        assert_eq!(digest(&typed, FULL), digest(&other, FULL), "{}", other.display());
    }
    let changed = FULL.replace("var/log", "var/logs");
    assert_ne!(changed, FULL);
    assert_ne!(digest(&typed, FULL), digest(&typed, &changed));
}
