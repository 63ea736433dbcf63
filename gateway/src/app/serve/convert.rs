//! Settings as the configuration says them, turned into what each module takes.

use std::collections::HashMap;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::ServeError;
use crate::authn::{SessionLimits, TokenLifetimes};
use crate::config::{
    Address, ErrorsName, HeadSettings, HeaderPattern, HttpVersion, IssuerSettings,
    LimitSettings as Said, LimitsSettings, LogFormat as SaidFormat, NavigationSettings, Retry,
    ServiceSettings as SaidService, Settings, SignInSettings, TelemetrySettings as SaidTelemetry,
    TokensSettings,
};
use crate::limits::{KEYS_MAX, Limit, LimitSettings};
use crate::model::{ActionId, ErrorStyle, ServiceId};
use crate::pipeline::{Area, Issuer, Navigation};
use crate::proxy::{DoorLimits, HealthCheck, ServiceSettings, UpstreamTls};
use crate::routing::{HeadLimits, RouteSettings};
use crate::telemetry::{LogFormat, TelemetrySettings};

/// What is exported, and how much is said.
pub(super) fn telemetry(said: &SaidTelemetry) -> TelemetrySettings {
    TelemetrySettings {
        otlp_endpoint: said.otlp_endpoint.as_ref().map(ToString::to_string),
        format: match said.log_format {
            SaidFormat::Text => LogFormat::Text,
            SaidFormat::Json => LogFormat::Json,
        },
        level: Some(said.log_level.name().to_owned()),
    }
}

/// What the door holds itself.
pub(super) fn door_limits(said: &HeadSettings) -> DoorLimits {
    DoorLimits {
        head: HeadLimits {
            head_bytes_max: said.head_bytes_max,
            field_bytes_max: said.field_bytes_max,
            fields_max: said.fields_max,
            target_bytes_max: said.target_bytes_max,
            cookie_bytes_max: said.cookie_bytes_max,
        },
        head_deadline: said.deadline,
        ..DoorLimits::default()
    }
}

/// How long sessions live.
pub(super) fn session_limits(said: &SignInSettings) -> SessionLimits {
    SessionLimits { idle: said.session_idle, absolute: said.session_absolute }
}

/// How long tokens live.
pub(super) fn token_lifetimes(said: &TokensSettings) -> TokenLifetimes {
    let (access, refresh, family) = (said.access, said.refresh, said.family);
    TokenLifetimes { access, refresh, family, ..TokenLifetimes::default() }
}

/// Who gives tokens.
pub(super) fn issuer(said: &IssuerSettings) -> Issuer {
    Issuer::new(said.url.clone(), said.host.clone())
}

/// How many requests are let in.
pub(super) fn limits(said: &LimitsSettings) -> LimitSettings {
    let limit = |name, said: &Said| Limit {
        name,
        requests: said.requests,
        window: said.window,
        burst: said.burst,
    };
    LimitSettings {
        address: limit("address", &said.address),
        credential: limit("credential", &said.credential),
        keys_max: KEYS_MAX,
    }
}

/// How refusals are written on each host; a checked configuration has one way per host.
pub(super) fn error_styles(said: &Settings) -> HashMap<String, ErrorStyle> {
    let style = |errors| match errors {
        ErrorsName::Problem => ErrorStyle::Problem,
        ErrorsName::StatusMessageCode => ErrorStyle::StatusMessageCode,
    };
    let styles: HashMap<&ServiceId, ErrorStyle> =
        said.services.iter().map(|service| (&service.name, style(service.errors))).collect();
    let of_route =
        |route: &RouteSettings| Some((route.host.clone(), styles.get(&route.service).copied()?));
    said.routes.iter().filter_map(of_route).collect()
}

/// What menus are made from.
pub(super) fn navigation(said: &NavigationSettings) -> Navigation {
    let area = |(id, action): &(String, ActionId)| Area { id: id.clone(), action: action.clone() };
    Navigation {
        kind: said.kind.clone(),
        enter: said.enter.clone(),
        areas: said.areas.iter().map(area).collect(),
    }
}

/// The services, their names resolved.
///
/// # Errors
/// [`ServeError::File`] for a certificate file, [`ServeError::Assembly`] for a host without an address.
pub(super) fn services(said: &[SaidService]) -> Result<Vec<ServiceSettings>, ServeError> {
    said.iter().map(service).collect()
}

fn service(said: &SaidService) -> Result<ServiceSettings, ServeError> {
    let mut addresses = Vec::new();
    for address in &said.addresses {
        addresses.extend(resolve(&said.name, address)?);
    }
    let tls = match &said.tls {
        Some(tls) => Some(UpstreamTls {
            server_name: tls.server_name.clone(),
            authorities: tls.ca_file.as_deref().map(authorities).transpose()?.unwrap_or_default(),
        }),
        None => None,
    };
    Ok(ServiceSettings {
        id: said.name.clone(),
        addresses,
        tls,
        health: said
            .health
            .as_ref()
            .map(|health| (HealthCheck::Http { path: health.path.clone() }, health.interval)),
        connect_timeout: said.connect_timeout,
        read_timeout: said.first_byte_timeout,
        write_timeout: WRITE_TIMEOUT,
        idle_timeout: said.idle_timeout,
        forward_fields: said.forward_headers.iter().map(pattern).collect(),
        http2: said.http_version == HttpVersion::Http2,
        retry: said.retry == Retry::Once,
    })
}

/// A service that takes nothing for half a minute is not there.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

fn pattern(said: &HeaderPattern) -> String {
    match said {
        HeaderPattern::Exact(name) => name.clone(),
        HeaderPattern::Prefix(prefix) => format!("{prefix}*"),
    }
}

fn resolve(service: &ServiceId, address: &Address) -> Result<Vec<SocketAddr>, ServeError> {
    if let Some(socket) = address.socket() {
        return Ok(vec![socket]);
    }
    let found = (address.host.as_str(), address.port).to_socket_addrs();
    let found: Vec<SocketAddr> = found.map(Iterator::collect).unwrap_or_default();
    if found.is_empty() {
        let host = &address.host;
        return Err(ServeError::Assembly(format!("service `{service}`: `{host}` has no address")));
    }
    Ok(found)
}

fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, ServeError> {
    let fail = |cause: String| ServeError::File { file: file.to_owned(), cause };
    let found = CertificateDer::pem_file_iter(file)
        .map_err(|error| fail(error.to_string()))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| fail(error.to_string()))?;
    if found.is_empty() {
        return Err(fail(String::from("no certificate in it")));
    }
    Ok(found)
}
