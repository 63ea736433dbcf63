//! `gateway.toml` as a whole: every section on its own, then what holds across them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::Plans;
use crate::model::TenantId;
use crate::routing::{RouteSettings, RouteTable, is_token_path};

use super::document::{Document, KeyPath};
use super::guards::{
    LimitsFile, LimitsSettings, OutboundFile, OutboundSettings, SignInFile, SignInSettings,
    TelemetryFile, TelemetrySettings,
};
use super::listen::{ListenFile, ListenSettings};
use super::navigation::{NavigationFile, NavigationSettings};
use super::operations::{Import, Imported, Unmapped, unmapped};
use super::origin::Origin;
use super::places::{LogFile, Places, PolicyFile, PolicyPlaces, SecretsFile, StateFile};
use super::platform::PlatformFile;
use super::problem::{ConfigErrors, Problem};
use super::quotas::QuotaFile;
use super::route::{RouteFile, Usual};
use super::section::Section;
use super::service::{ServiceFile, ServiceSettings};
use super::tokens::{TokensFile, TokensSettings};
use super::{route_errors, shape, suggest};

/// The settings of a gateway. Relative paths start from the folder of this file.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "gateway.toml")]
pub(super) struct GatewayFile {
    listen: ListenFile,
    state: StateFile,
    secrets: SecretsFile,
    log: LogFile,
    policy: PolicyFile,
    sign_in: SignInFile,
    navigation: NavigationFile,
    platform: PlatformFile,
    tokens: TokensFile,
    outbound: OutboundFile,
    limits: LimitsFile,
    telemetry: TelemetryFile,
    quota: Vec<QuotaFile>,
    service: Vec<ServiceFile>,
    route: Vec<RouteFile>,
}

/// Everything `gateway.toml` says, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the gateway listens.
    pub listen: ListenSettings,
    /// Where it writes.
    pub places: Places,
    /// Where policies and organisations come from.
    pub policy: PolicyPlaces,
    /// How long a session lasts.
    pub sign_in: SignInSettings,
    /// What menus are made from.
    pub navigation: Option<NavigationSettings>,
    /// The organisation whose administrators run the platform, if there is one.
    pub platform: Option<TenantId>,
    /// The tokens API clients get.
    pub tokens: TokensSettings,
    /// Which addresses the gateway itself may call.
    pub outbound: OutboundSettings,
    /// How many requests are let in.
    pub limits: LimitsSettings,
    /// How much one credential may ask.
    pub quotas: Plans,
    /// What the gateway tells about itself.
    pub telemetry: TelemetrySettings,
    /// The backends.
    pub services: Vec<ServiceSettings>,
    /// The routes.
    pub routes: Vec<RouteSettings>,
}

impl Settings {
    /// Reads the text of the settings file `path`.
    ///
    /// # Errors
    /// Every problem found, each with line and key.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigErrors> {
        let read = Parsed::read(path, text)?.settings();
        ConfigErrors::check(read.problems)?;
        // Without a problem there are settings; a slip in that rule refuses instead of guessing.
        read.settings.ok_or_else(|| Problem::new(path, "", "cannot be used").into())
    }
}

/// The parsed file, with what is needed to point into it later.
#[derive(Debug)]
pub(super) struct Parsed<'t> {
    document: Document<'t>,
    schema: Value,
}

/// What could be read of a file, and what is wrong with the rest.
#[derive(Debug)]
pub(super) struct Read {
    /// Everything; `None` only when there are problems.
    pub(super) settings: Option<Settings>,
    /// The routes, compiled.
    pub(super) routes: Option<RouteTable>,
    /// The routes one by one, with the place each was declared at.
    pub(super) declared: Vec<Declared>,
    /// Where policies and organisations are, even when other sections are wrong.
    pub(super) policy: Option<PolicyPlaces>,
    /// What is wrong.
    pub(super) problems: Vec<Problem>,
}

/// A route and where it was declared.
#[derive(Debug)]
pub(super) struct Declared {
    /// Where.
    pub(super) origin: Origin,
    /// The route.
    pub(super) route: RouteSettings,
    /// The scopes as stated, before rules widened them.
    pub(super) scopes: Vec<String>,
    /// What its document calls it; empty for a `[[route]]`.
    pub(super) summary: String,
}

impl<'t> Parsed<'t> {
    pub(super) fn read(path: &Path, text: &'t str) -> Result<Self, ConfigErrors> {
        match Document::parse(path, text) {
            Ok(document) => Ok(Self { document, schema: schema() }),
            Err(problems) => {
                ConfigErrors::check(problems)?;
                Err(Problem::new(path, "", "cannot be read").into())
            }
        }
    }

    pub(super) fn settings(&self) -> Read {
        let mut reader = Reader::new(self);
        let settings = reader.settings();
        let Reader { routes, declared, policy, problems, .. } = reader;
        Read { settings, routes, declared, policy, problems }
    }

    /// The operations of the API documents that no overlay maps; looks at nothing else.
    pub(super) fn unmapped(&self) -> Result<Vec<Unmapped>, ConfigErrors> {
        let mut reader = Reader::new(self);
        let services = reader.items("service", ServiceFile::settings);
        let mut found = Vec::new();
        for (_, service) in &services {
            for from in &service.operations {
                found.extend(unmapped(service.name.as_str(), from, &mut reader.problems));
            }
        }
        ConfigErrors::check(reader.problems)?;
        Ok(found)
    }

    /// Where the gateway writes; looks at nothing else, so that it works while the rest is broken.
    pub(super) fn places(&self) -> Result<Places, ConfigErrors> {
        let mut reader = Reader::new(self);
        let places = reader.places();
        ConfigErrors::check(reader.problems)?;
        places.ok_or_else(|| Problem::new(self.document.path(), "", "cannot be used").into())
    }

    /// Where policies are read from; looks at nothing else.
    pub(super) fn policy_places(&self) -> Result<PolicyPlaces, ConfigErrors> {
        let mut reader = Reader::new(self);
        let places = reader.section("policy", |file: PolicyFile, at| file.settings(at)).flatten();
        ConfigErrors::check(reader.problems)?;
        places.ok_or_else(|| Problem::new(self.document.path(), "", "cannot be used").into())
    }

    /// A problem with a key of `[navigation]`.
    pub(super) fn navigation_problem(&self, key: &str, message: impl Into<String>) -> Problem {
        self.document.problem(&KeyPath::default().key("navigation").key(key), message)
    }

    /// A problem with `key` of `section`.
    pub(super) fn section_problem(
        &self,
        section: &str,
        key: &str,
        message: impl Into<String>,
    ) -> Problem {
        self.document.problem(&KeyPath::default().key(section).key(key), message)
    }

    /// A problem with `key` of the route that was declared at `origin`.
    pub(super) fn route_problem(
        &self,
        origin: &Origin,
        key: &str,
        message: impl Into<String>,
    ) -> Problem {
        let index = match origin {
            Origin::Operation(entry) => return entry.problem(key, message),
            Origin::Route(index) => *index,
        };
        let route = KeyPath::default().key("route").index(index);
        let further = key.strip_prefix("also[").and_then(|rest| rest.strip_suffix(']'));
        let path = match further.and_then(|index| index.parse().ok()) {
            Some(index) => route.key("also").index(index),
            None if key.is_empty() => route,
            None => route.key(key),
        };
        self.document.problem(&path, message)
    }
}

/// The JSON Schema of the file.
pub(super) fn schema() -> Value {
    schemars::schema_for!(GatewayFile).to_value()
}

struct Reader<'p> {
    parsed: &'p Parsed<'p>,
    routes: Option<RouteTable>,
    declared: Vec<Declared>,
    policy: Option<PolicyPlaces>,
    problems: Vec<Problem>,
}

impl<'p> Reader<'p> {
    const fn new(parsed: &'p Parsed<'p>) -> Self {
        Self { parsed, routes: None, declared: Vec::new(), policy: None, problems: Vec::new() }
    }

    fn settings(&mut self) -> Option<Settings> {
        self.check_sections();
        let listen = self.section("listen", |file: ListenFile, at| file.settings(at)).flatten();
        let places = self.places();
        self.policy = self.section("policy", |file: PolicyFile, at| file.settings(at)).flatten();
        let sign_in = self.section("sign_in", |file: SignInFile, at| file.settings(at));
        let navigation =
            self.section("navigation", |file: NavigationFile, at| file.settings(at)).flatten();
        let platform = self.section("platform", |file: PlatformFile, at| file.settings(at));
        let tokens = self.section("tokens", |file: TokensFile, at| file.settings(at)).flatten();
        let outbound = self.section("outbound", |file: OutboundFile, at| file.settings(at));
        let limits = self.section("limits", |file: LimitsFile, at| file.settings(at)).flatten();
        let telemetry = self.section("telemetry", |file: TelemetryFile, at| file.settings(at));
        let services = self.items("service", ServiceFile::settings);
        let quotas = self.items("quota", QuotaFile::settings).into_iter();
        let quotas = Plans::new(quotas.map(|(_, plan)| plan));
        let usual = Usual {
            body_bytes_max: listen.as_ref().map_or(u64::MAX, |listen| listen.body_bytes_max),
            denials: services.iter().map(|(_, it)| (it.name.clone(), it.denials)).collect(),
            quotas: services
                .iter()
                .filter_map(|(_, it)| Some((it.name.clone(), Arc::clone(it.quota.as_ref()?))))
                .collect(),
        };
        self.declare(&services, &usual);
        self.check_names();
        self.check_errors(&services);
        self.check_quotas(&quotas, &services);
        self.check_issuer(tokens.as_ref());
        self.check_hosts(listen.as_ref().and_then(|listen| listen.admin_host.as_deref()));
        match route_errors::compile(&self.declared) {
            Ok(table) => self.routes = Some(table),
            Err(found) => self.problems.extend(
                found
                    .into_iter()
                    .map(|(origin, key, message)| self.parsed.route_problem(origin, &key, message)),
            ),
        }
        Some(Settings {
            listen: listen?,
            places: places?,
            policy: self.policy.clone()?,
            sign_in: sign_in?,
            navigation,
            platform: platform?,
            tokens: tokens?,
            outbound: outbound.flatten()?,
            limits: limits?,
            quotas,
            telemetry: telemetry.flatten()?,
            services: services.into_iter().map(|(_, service)| service).collect(),
            routes: self.declared.iter().map(|declared| declared.route.clone()).collect(),
        })
    }

    /// Nothing but the administration is on its host.
    fn check_hosts(&mut self, admin_host: Option<&str>) {
        for Declared { origin, route, .. } in &self.declared {
            if admin_host == Some(route.host.as_str()) {
                let message = "this is `admin_host`: no route can be on it".to_owned();
                self.problems.push(self.parsed.route_problem(origin, "host", message));
            }
        }
    }

    /// Services and routes name quotas there are.
    fn check_quotas(&mut self, quotas: &Plans, services: &[(usize, ServiceSettings)]) {
        let declared = self.declared("quota", "name");
        self.check_unique("quota", "name", declared.into_iter());
        let unknown = |name: &str| format!("there is no `[[quota]]` of the name `{name}`");
        for (index, service) in services {
            let Some(name) = service.quota.as_deref().filter(|name| !quotas.has(name)) else {
                continue;
            };
            let path = KeyPath::default().key("service").index(*index).key("quota");
            self.problems.push(self.parsed.document.problem(&path, unknown(name)));
        }
        for Declared { origin, route, .. } in &self.declared {
            let of_service = services
                .iter()
                .any(|(_, service)| service.name == route.service && service.quota == route.quota);
            let named = route.quota.as_deref().filter(|name| !of_service && !quotas.has(name));
            if let Some(name) = named {
                self.problems.push(self.parsed.route_problem(origin, "quota", unknown(name)));
            }
        }
    }

    /// The issuer's host serves routes, and none of them has a path of the issuer's.
    fn check_issuer(&mut self, tokens: Option<&TokensSettings>) {
        let Some(issuer) = tokens.and_then(|tokens| tokens.issuer.as_ref()) else { return };
        let mut is_served = false;
        for Declared { origin, route, .. } in &self.declared {
            if route.host != issuer.host {
                continue;
            }
            is_served = true;
            if is_token_path(&route.path) {
                let message = "this path is the issuer's: `[tokens]` names this host".to_owned();
                self.problems.push(self.parsed.route_problem(origin, "path", message));
            }
        }
        if !is_served {
            let message = format!("no route is on the host `{}`", issuer.host);
            self.problems.push(self.parsed.section_problem("tokens", "issuer", message));
        }
    }

    /// The routes of the settings file, then those of the API documents.
    fn declare(&mut self, services: &[(usize, ServiceSettings)], usual: &Usual) {
        let routes = self.items("route", |file: &RouteFile, at| {
            Some((file.settings(at, usual, None)?, file.stated_scopes().to_vec()))
        });
        self.declared.extend(routes.into_iter().map(|(index, (route, scopes))| Declared {
            origin: Origin::Route(index),
            route,
            scopes,
            summary: String::new(),
        }));
        for (_, service) in services {
            for from in &service.operations {
                let import = Import { from, service: service.name.as_str(), usual };
                let imported = import.run(&mut self.problems).into_iter();
                self.declared.extend(imported.map(|imported| {
                    let Imported { origin, route, scopes, summary } = imported;
                    Declared { origin, route, scopes, summary }
                }));
            }
        }
    }

    fn places(&mut self) -> Option<Places> {
        let state_file = self.section("state", |file: StateFile, at| file.settings(at));
        let secrets = self.section("secrets", |file: SecretsFile, at| file.settings(at));
        let log = self.section("log", |file: LogFile, at| file.settings(at));
        Some(Places {
            state_file: state_file.flatten()?,
            secrets_directory: secrets.flatten()?,
            log_directory: log.flatten()?,
        })
    }

    /// Sections nobody knows. What stands inside the known ones is checked section by section.
    fn check_sections(&mut self) {
        let Some(table) = self.parsed.document.root().get_ref().as_table() else {
            return;
        };
        let known: Vec<&str> = self.properties().map(|(name, _)| name).collect();
        for (key, _) in table {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let path = KeyPath::default().key(name);
            let problem = self.parsed.document.problem_at(&path, key.span(), "unknown section");
            self.problems.push(match suggest::advice(name, &known) {
                Some(help) => problem.with_help(help),
                None => problem,
            });
        }
    }

    fn properties(&self) -> impl Iterator<Item = (&'p str, &'p Value)> + use<'p> {
        let properties = self.parsed.schema.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema))
    }

    /// One section: shape, then meaning. An absent one has its defaults.
    fn section<File, T>(
        &mut self,
        name: &str,
        settings: impl FnOnce(File, &mut Section<'_>) -> T,
    ) -> Option<T>
    where
        File: DeserializeOwned + Default,
    {
        let path = KeyPath::default().key(name);
        let file = if self.parsed.document.value(&path).is_some() {
            let (_, schema) = self.properties().find(|(known, _)| *known == name)?;
            self.decode(&path, schema)?
        } else {
            File::default()
        };
        let mut section = Section::new(&self.parsed.document, path, &mut self.problems);
        Some(settings(file, &mut section))
    }

    /// Every item of an array of tables, each with its position; the ones with problems are left out.
    fn items<File, T>(
        &mut self,
        name: &str,
        settings: impl Fn(&File, &mut Section<'_>) -> Option<T>,
    ) -> Vec<(usize, T)>
    where
        File: DeserializeOwned,
    {
        let root = KeyPath::default().key(name);
        let Some(value) = self.parsed.document.value(&root) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            let message = format!("expected a list of tables: write `[[{name}]]`");
            self.problems.push(self.parsed.document.problem(&root, message));
            return Vec::new();
        };
        let property = self.properties().find(|(known, _)| *known == name);
        let Some(schema) = property.and_then(|(_, schema)| schema.get("items")) else {
            return Vec::new();
        };
        let mut kept = Vec::with_capacity(items.len());
        for index in 0..items.len() {
            let path = root.index(index);
            let Some(file) = self.decode::<File>(&path, schema) else {
                continue;
            };
            let mut section = Section::new(&self.parsed.document, path, &mut self.problems);
            if let Some(item) = settings(&file, &mut section) {
                kept.push((index, item));
            }
        }
        kept
    }

    fn decode<File: DeserializeOwned>(&mut self, path: &KeyPath, schema: &Value) -> Option<File> {
        let parsed = self.parsed;
        let problems = shape::check(&parsed.document, &parsed.schema, schema, path);
        if !problems.is_empty() {
            self.problems.extend(problems);
            return None;
        }
        match parsed.document.decode(path)? {
            Ok(file) => Some(file),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// Names said twice, and services nobody declared.
    fn check_names(&mut self) {
        let services = self.declared("service", "name");
        self.check_unique("service", "name", services.iter().cloned());
        let names: Vec<&str> = services.iter().map(|(_, name)| name.as_str()).collect();
        let mut found = Vec::new();
        let mut first: BTreeMap<&str, &Origin> = BTreeMap::new();
        for Declared { origin, route, .. } in &self.declared {
            if !names.contains(&route.service.as_str()) {
                let message = format!("there is no service `{}`", route.service);
                let problem = self.parsed.route_problem(origin, "service", message);
                found.push(match suggest::advice(route.service.as_str(), &names) {
                    Some(help) => problem.with_help(help),
                    None => problem,
                });
            }
            if let Some(other) = first.insert(route.id.as_str(), origin) {
                let message =
                    format!("the route `{}` is declared in {} already", route.id, self.line(other));
                let help = match origin {
                    Origin::Route(_) => "give one of them an `id` of its own",
                    Origin::Operation(_) => "say `id_prefix` where the document is named",
                };
                found.push(self.parsed.route_problem(origin, "id", message).with_help(help));
            }
        }
        self.problems.extend(found);
    }

    /// Where another route stands: its line, and its file where that is another one.
    fn line(&self, origin: &Origin) -> String {
        match origin {
            Origin::Operation(entry) => entry.line(),
            Origin::Route(_) => {
                let line = self.parsed.route_problem(origin, "", "").line();
                format!("line {}", line.unwrap_or_default())
            }
        }
    }

    /// A refusal that comes before a route is known, or a 404 that hides one, must not tell by its shape
    /// which service would have answered: the services of a host speak alike.
    fn check_errors(&mut self, services: &[(usize, ServiceSettings)]) {
        let mut first: BTreeMap<&str, &ServiceSettings> = BTreeMap::new();
        let mut found = Vec::new();
        for Declared { route, .. } in &self.declared {
            let service = services.iter().find(|(_, service)| service.name == route.service);
            let Some((index, service)) = service else { continue };
            let other = *first.entry(&route.host).or_insert(service);
            if other.errors != service.errors {
                let message = format!(
                    "`{}` and `{}` serve the host `{}`, and their errors must look alike",
                    other.name, service.name, route.host
                );
                found.push((*index, message));
            }
        }
        found.dedup();
        for (index, message) in found {
            let path = KeyPath::default().key("service").index(index).key("errors");
            self.problems.push(self.parsed.document.problem(&path, message));
        }
    }

    /// What the items of `list` say under `key`, even those with problems elsewhere.
    fn declared(&self, list: &str, key: &str) -> Vec<(usize, String)> {
        let items = self.parsed.document.value(&KeyPath::default().key(list));
        let items = items.and_then(|items| items.get_ref().as_array());
        let named = |item: &toml::Spanned<toml::de::DeValue<'_>>| {
            item.get_ref().as_table()?.get(key)?.get_ref().as_str().map(str::to_owned)
        };
        items
            .into_iter()
            .flat_map(|items| items.iter().enumerate())
            .filter_map(|(index, item)| Some((index, named(item)?)))
            .collect()
    }

    fn check_unique(
        &mut self,
        list: &str,
        key: &str,
        names: impl Iterator<Item = (usize, String)>,
    ) {
        let mut first = BTreeMap::new();
        for (index, name) in names {
            let root = KeyPath::default().key(list);
            let Some(other) = first.insert(name.clone(), index) else {
                continue;
            };
            let document = &self.parsed.document;
            let line = Section::new(document, root.index(other), &mut self.problems).line();
            let message = format!("the {list} `{name}` is declared in line {line} already");
            Section::new(document, root.index(index), &mut self.problems).wrong(key, message);
        }
    }
}
