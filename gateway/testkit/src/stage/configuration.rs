//! Derives a stage's `gateway.toml` from the demo's.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use toml::{Table, Value};

use super::StageSettings;

/// Puts the stage's addresses, files and limits into the configuration `text`.
pub(super) fn derive(
    text: &str,
    settings: &StageSettings,
    observe: SocketAddr,
) -> anyhow::Result<String> {
    let mut root: Table = text.parse().context("reading the demo's gateway.toml")?;
    let listen = section(&mut root, "listen")?;
    listen.remove("http");
    set(listen, "https", settings.gateway.to_string());
    set(listen, "observe", observe.to_string());
    set(listen, "threads", i64::from(settings.threads));
    let tls = section(listen, "tls")?;
    tls.remove("self_signed");
    set(tls, "certificate", "certificate.pem");
    set(tls, "key", "key.pem");
    set(section(&mut root, "state")?, "file", "state/hubgate.sqlite");
    set(section(&mut root, "secrets")?, "directory", "state/secrets");
    set(section(&mut root, "log")?, "directory", "log");
    let policy = section(&mut root, "policy")?;
    set(policy, "schema", "schemas/hub.cedarschema");
    set(policy, "policies", "policies");
    set(policy, "tenants", "tenants");
    let outbound = section(&mut root, "outbound")?;
    set(outbound, "allow", Value::Array(vec!["127.0.0.0/8".into(), "::1/128".into()]));
    match settings.provider {
        Some(_) => set(outbound, "ca_file", "provider-ca.pem"),
        None => drop(outbound.remove("ca_file")),
    }
    set_limits(&mut root, settings)?;
    set_service(&mut root, settings.service)?;
    Ok(root.to_string())
}

fn set_limits(root: &mut Table, settings: &StageSettings) -> anyhow::Result<()> {
    let Some(requests) = settings.requests_per_minute else {
        return Ok(());
    };
    let limits = section(root, "limits")?;
    for name in ["address", "credential"] {
        let mut limit = Table::new();
        set(&mut limit, "requests", i64::from(requests));
        set(&mut limit, "burst", i64::from(requests));
        set(&mut limit, "window_seconds", 60);
        set(limits, name, limit);
    }
    Ok(())
}

/// Every service of the demo is the one the stage has.
fn set_service(root: &mut Table, address: SocketAddr) -> anyhow::Result<()> {
    let services = root.get_mut("service").and_then(Value::as_array_mut);
    for service in services.context("the demo has no service")? {
        let service = service.as_table_mut().context("`service` is not a table")?;
        set(service, "addresses", Value::Array(vec![address.to_string().into()]));
        let operations = service.get_mut("operations").and_then(Value::as_array_mut);
        for table in operations.into_iter().flatten().filter_map(Value::as_table_mut) {
            // The stage has its own copy of `schemas/`, beside its configuration.
            for name in ["document", "overlay"] {
                let file = table.get(name).and_then(Value::as_str).context("no document")?;
                let file = Path::new(file).file_name().context("no file name")?;
                let file = format!("schemas/{}", file.to_string_lossy());
                set(table, name, file);
            }
        }
    }
    Ok(())
}

fn section<'t>(table: &'t mut Table, name: &str) -> anyhow::Result<&'t mut Table> {
    table
        .entry(name)
        .or_insert_with(|| Table::new().into())
        .as_table_mut()
        .with_context(|| format!("`{name}` is not a section"))
}

fn set(table: &mut Table, key: &str, value: impl Into<Value>) {
    table.insert(key.into(), value.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> StageSettings {
        StageSettings {
            binary: "hubgate".into(),
            repository: ".".into(),
            gateway: SocketAddr::from(([127, 0, 0, 1], 1001)),
            provider: None,
            service: SocketAddr::from(([127, 0, 0, 1], 1003)),
            threads: 1,
            requests_per_minute: Some(7),
        }
    }

    #[test]
    fn addresses_and_limits_are_the_stages_and_routes_stay() {
        let text = "[listen]\nhttps = \"127.0.0.1:8443\"\n[listen.tls]\nself_signed = true\n\
            [[service]]\nname = \"hub\"\naddresses = [\"127.0.0.1:9\"]\n\
            [[service.operations]]\ndocument = \"../../s/a.yaml\"\noverlay = \"../../s/a.toml\"\n\
            [[route]]\naction = \"teams:view\"\n";
        let observe = SocketAddr::from(([127, 0, 0, 1], 1004));
        let derived: Table = derive(text, &settings(), observe).unwrap().parse().unwrap();
        assert_eq!(derived["listen"]["https"].as_str(), Some("127.0.0.1:1001"));
        assert_eq!(derived["listen"]["observe"].as_str(), Some("127.0.0.1:1004"));
        assert!(derived["listen"]["tls"].get("self_signed").is_none());
        assert_eq!(derived["service"][0]["addresses"][0].as_str(), Some("127.0.0.1:1003"));
        let operations = &derived["service"][0]["operations"][0];
        assert_eq!(operations["document"].as_str(), Some("schemas/a.yaml"));
        assert_eq!(operations["overlay"].as_str(), Some("schemas/a.toml"));
        assert_eq!(derived["limits"]["address"]["requests"].as_integer(), Some(7));
        assert_eq!(derived["route"][0]["action"].as_str(), Some("teams:view"));
    }

    #[test]
    fn a_configuration_without_a_service_is_refused() {
        let observe = SocketAddr::from(([127, 0, 0, 1], 1));
        assert!(derive("[listen]\n", &settings(), observe).is_err());
    }
}
