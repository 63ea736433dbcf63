//! Policies and organisations: read, built, and checked against each other and against the routes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use miette::Diagnostic as _;

use crate::authz::{
    CaseFile, ChangeTable, Pdp, PolicyBook, PolicyError, PolicySchema, Probe, run_cases,
};
use crate::directory::{Directory, Organisation};
use crate::model::{ActionId, PolicySource, TenantId};
use crate::routing::{ResourceRule, RouteSettings};

use super::changes::read_changes;
use super::document::read_text;
use super::gateway::{Declared, Parsed};
use super::navigation::NavigationSettings;
use super::places::PolicyPlaces;
use super::policies::{
    CASES_FOLDER, PROBE_FILE, read_cases, read_own_policies, read_policies, read_probe,
};
use super::problem::Problem;
use super::source::FileSource;
use super::suggest;
use super::survey::{Reading, Sizes, survey};
use super::tenants::{FileProblem, tenant_folders};

/// Largest schema: the hub's is 20 KB.
const SCHEMA_BYTES_MAX: u64 = 1024 * 1024;

/// What decisions are made from.
#[derive(Clone, Debug)]
pub struct Organisations {
    /// The schema.
    pub schema: Arc<PolicySchema>,
    /// The decision point over all policies.
    pub pdp: Arc<Pdp>,
    /// The organisations. All their members and resources were read and checked; none are kept.
    pub directory: Arc<Directory>,
    /// Reads members and resources of one organisation.
    pub source: Arc<FileSource>,
    /// How much there was of each.
    pub sizes: BTreeMap<TenantId, Sizes>,
    /// The base policies as they are written, and the decisions they were tested with; all came out as they must.
    pub book: Arc<PolicyBook>,
    /// Which action manages what decisions depend on.
    pub changes: ChangeTable,
}

/// Reads policies and organisations; paths in messages start from `base`. `check` sees the schema even
/// when other files are wrong. Organisations that are as they were in `before` are not checked again.
pub(super) fn read(
    places: &PolicyPlaces,
    from: Reading<'_>,
    problems: &mut Vec<Problem>,
    check: impl FnOnce(&PolicySchema) -> Vec<Problem>,
) -> Option<Organisations> {
    let base = from.base;
    let mut reader = Reader { places, base, problems };
    let schema = reader.schema();
    let policies = reader.files(read_policies(&places.policies, base));
    let cases = reader.files(read_cases(&places.policies.join(CASES_FOLDER), base));
    let probe = read_probe(&places.policies.join(PROBE_FILE), base);
    let probe = reader.files(probe.map_err(|problem| vec![problem]));
    let folders = tenant_folders(&places.tenants, base).map_err(|problem| vec![problem]);
    let folders = reader.files(folders);
    if let Some(schema) = &schema {
        reader.problems.extend(check(schema));
    }
    let known = survey(&folders?, schema.as_ref(), &from, reader.problems);
    let schema = schema?;
    let sizes =
        known.iter().map(|(organisation, size)| (organisation.id().clone(), *size)).collect();
    let organisations: Vec<Arc<Organisation>> = known.into_iter().map(|(known, _)| known).collect();
    let own = |organisation: &Arc<Organisation>| {
        (organisation.id().clone(), organisation.policies().to_vec())
    };
    let own = organisations.iter().map(own).collect();
    let pdp = policies.as_deref().and_then(|policies| reader.pdp(&schema, policies, &own));
    let directory = reader.directory(organisations);
    let (pdp, cases) = (pdp?, cases?);
    reader.cases(&pdp, &cases);
    let changes = read_changes(&places.policies, base, &schema, reader.problems);
    let source = FileSource::new(places.tenants.clone(), base.to_path_buf());
    let (directory, source) = (directory?, Arc::new(source));
    let book = Arc::new(PolicyBook { base: policies?, cases, probe: probe? });
    Some(Organisations { schema, pdp, directory, source, sizes, book, changes })
}

/// The policies with what tests and shows them, before any test has passed.
#[derive(Clone, Debug)]
pub struct PolicyFiles {
    /// The decision point over all policies.
    pub pdp: Arc<Pdp>,
    /// The base policies as they are written.
    pub base: Vec<PolicySource>,
    /// The cases.
    pub cases: Vec<CaseFile>,
    /// The organisation the matrix is computed on, where there is one.
    pub probe: Option<Probe>,
    /// Where everything is.
    pub places: PolicyPlaces,
}

/// Reads the schema, all policies and what tests them, and no organisation's data: neither secrets nor
/// resources are needed to work on policies.
pub(super) fn read_policy_files(
    places: &PolicyPlaces,
    base: &Path,
    problems: &mut Vec<Problem>,
) -> Option<PolicyFiles> {
    let mut reader = Reader { places, base, problems };
    let schema = reader.schema();
    let sources = reader.files(read_policies(&places.policies, base));
    let own = reader.files(read_own_policies(&places.tenants, base));
    let cases = reader.files(read_cases(&places.policies.join(CASES_FOLDER), base));
    let probe = read_probe(&places.policies.join(PROBE_FILE), base);
    let probe = reader.files(probe.map_err(|problem| vec![problem]));
    let (schema, sources) = (schema?, sources?);
    let pdp = reader.pdp(&schema, &sources, &own?)?;
    Some(PolicyFiles { pdp, base: sources, cases: cases?, probe: probe?, places: places.clone() })
}

/// Points at the routes no policy could decide: an action the schema does not know, or one that is never
/// asked about such a resource.
pub(super) fn check_routes(
    parsed: &Parsed<'_>,
    declared: &[Declared],
    schema: &PolicySchema,
) -> Vec<Problem> {
    let check = |Declared { origin, route, .. }: &Declared| {
        let action = &route.action;
        if !schema.knows_action(action) {
            let problem = format!("the schema knows no action `{action}` that can be asked for");
            let problem = parsed.route_problem(origin, "action", problem);
            let near = suggest::nearest(action.as_str(), schema.actions());
            return Some(match near {
                Some(near) => problem.with_help(format!("did you mean `{near}`?")),
                None => problem,
            });
        }
        let (key, action, kind) =
            asked(route).find(|(_, action, kind)| !schema.action_accepts(action, kind))?;
        let problem = format!("`{action}` is never asked about a `{kind}`: see the schema");
        Some(parsed.route_problem(origin, key, problem))
    };
    declared.iter().filter_map(check).collect()
}

/// Points at the actions of a menu that no policy could decide on its nodes.
pub(super) fn check_menu(
    parsed: &Parsed<'_>,
    menu: &NavigationSettings,
    schema: &PolicySchema,
) -> Vec<Problem> {
    let kind = &menu.kind;
    let areas = menu.areas.iter().map(|(_, action)| ("areas", action));
    let wrong = |(key, action): (&'static str, &ActionId)| {
        if schema.action_accepts(action, kind) {
            return None;
        }
        let message = format!("`{action}` is never asked about a `{kind}`: see the schema");
        let near = suggest::nearest(action.as_str(), schema.actions());
        let problem = parsed.navigation_problem(key, message);
        Some(match near.filter(|_| !schema.knows_action(action)) {
            Some(near) => problem.with_help(format!("did you mean `{near}`?")),
            None => problem,
        })
    };
    std::iter::once(("enter", &menu.enter)).chain(areas).filter_map(wrong).collect()
}

/// Every action a route asks about a type, with the key that says so.
fn asked(route: &RouteSettings) -> impl Iterator<Item = (&'static str, &ActionId, &str)> {
    let resource = kinds(&route.resource);
    let resource = resource.into_iter().map(|kind| ("resource", &route.action, kind));
    let also = route.named.also.iter().flat_map(|also| {
        kinds(&also.resource).into_iter().map(|kind| ("also", &also.action, kind))
    });
    let body = route.named.body.iter();
    let body = body.map(|ids| ("body_ids", &ids.action, ids.kind.as_str()));
    resource.chain(also).chain(body)
}

/// The types of the resource; none where they depend on who asks.
fn kinds(rule: &ResourceRule) -> Vec<&str> {
    match rule {
        ResourceRule::Fixed(uid) => vec![uid.kind()],
        ResourceRule::Organisation | ResourceRule::Active => Vec::new(),
        ResourceRule::Among { kinds } => kinds.iter().map(String::as_str).collect(),
        ResourceRule::Path { kind, .. }
        | ResourceRule::Query { kind, .. }
        | ResourceRule::Header { kind, .. }
        | ResourceRule::JsonBody { kind, .. } => vec![kind],
    }
}

struct Reader<'a> {
    places: &'a PolicyPlaces,
    base: &'a Path,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn schema(&mut self) -> Option<Arc<PolicySchema>> {
        let path = &self.places.schema;
        let text = match read_text(path, SCHEMA_BYTES_MAX) {
            Ok(text) => text,
            Err(problem) => {
                self.problems.push(problem);
                return None;
            }
        };
        match PolicySchema::parse(&path.display().to_string(), &text) {
            Ok(schema) => Some(Arc::new(schema)),
            Err(error) => {
                self.policy_error(&error);
                None
            }
        }
    }

    /// Keeps what was read, or every problem of the files.
    fn files<T>(&mut self, read: Result<T, Vec<FileProblem>>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(found) => {
                self.problems.extend(found.into_iter().map(|found| found.problem(self.base)));
                None
            }
        }
    }

    fn policy_error(&mut self, error: &PolicyError) {
        let file = self.base.join(error.file());
        let mut problem = Problem::new(&file, "", error.message());
        if let Some(span) = error.span() {
            problem = problem.at(error.text(), span);
        }
        if let Some(help) = error.help() {
            problem = problem.with_help(help.to_string());
        }
        self.problems.push(problem);
    }

    fn pdp(
        &mut self,
        schema: &Arc<PolicySchema>,
        base: &[PolicySource],
        own: &BTreeMap<TenantId, Vec<PolicySource>>,
    ) -> Option<Arc<Pdp>> {
        match Pdp::load(Arc::clone(schema), base, own) {
            Ok(pdp) => Some(Arc::new(pdp)),
            Err(errors) => {
                for error in &errors {
                    self.policy_error(error);
                }
                None
            }
        }
    }

    fn cases(&mut self, pdp: &Pdp, cases: &[CaseFile]) {
        // Without cases nothing is promised; with some, all must hold.
        if cases.is_empty() {
            return;
        }
        for failure in run_cases(pdp, cases) {
            let file = if failure.file.is_empty() {
                self.places.policies.clone()
            } else {
                self.base.join(&failure.file)
            };
            self.problems.push(Problem::new(&file, failure.case, failure.message));
        }
    }

    fn directory(&mut self, organisations: Vec<Arc<Organisation>>) -> Option<Arc<Directory>> {
        match Directory::build(organisations) {
            Ok(directory) => Some(Arc::new(directory)),
            Err(errors) => {
                let folder = &self.places.tenants;
                self.problems
                    .extend(errors.iter().map(|error| Problem::new(folder, "", error.to_string())));
                None
            }
        }
    }
}
