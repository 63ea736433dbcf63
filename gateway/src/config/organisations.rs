//! Policies and organisations: read, built, and checked against each other and against the routes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::Diagnostic as _;

use crate::authz::{CaseFile, ChangeTable, Partition, Pdp, PolicyError, PolicySchema, run_cases};
use crate::directory::{
    Directory, DirectoryError, Organisation, OrganisationData, principal_entity,
};
use crate::model::{ActionId, EntityUid, PolicySource, RoleAssignment, TenantId};
use crate::routing::ResourceRule;

use super::changes::read_changes;
use super::document::read_text;
use super::gateway::{Declared, Parsed};
use super::navigation::NavigationSettings;
use super::places::PolicyPlaces;
use super::policies::{CASES_FOLDER, read_cases, read_policies};
use super::problem::Problem;
use super::suggest;
use super::tenants::{FileProblem, Variables, read_tenants};

/// Largest schema: the hub's is 20 KB.
const SCHEMA_BYTES_MAX: u64 = 1024 * 1024;

/// What decisions are made from.
#[derive(Clone, Debug)]
pub struct Organisations {
    /// The schema.
    pub schema: Arc<PolicySchema>,
    /// The decision point over all policies.
    pub pdp: Arc<Pdp>,
    /// The organisations.
    pub directory: Arc<Directory>,
    /// Their resources, prepared for decisions.
    pub partitions: BTreeMap<TenantId, Arc<Partition>>,
    /// The decisions the policies were tested with; all came out as they must.
    pub cases: Vec<CaseFile>,
    /// Which action manages what decisions depend on.
    pub changes: ChangeTable,
}

/// The type of members in the schema.
const MEMBER: &str = "User";

/// Reads policies and organisations; paths in messages start from `base`. `check` sees the schema even
/// when other files are wrong.
pub(super) fn read(
    places: &PolicyPlaces,
    base: &Path,
    variables: Variables<'_>,
    problems: &mut Vec<Problem>,
    check: impl FnOnce(&PolicySchema) -> Vec<Problem>,
) -> Option<Organisations> {
    let mut reader = Reader { places, base, problems };
    let schema = reader.schema();
    let policies = reader.files(read_policies(&places.policies, base));
    let cases = reader.files(read_cases(&places.policies.join(CASES_FOLDER), base));
    let tenants = reader.files(read_tenants(&places.tenants, base, variables));
    let schema = schema?;
    reader.problems.extend(check(&schema));
    let tenants = tenants?;
    let own = tenants.iter().map(|data| (data.id.clone(), data.policies.clone())).collect();
    let pdp = policies.and_then(|policies| reader.pdp(&schema, &policies, &own));
    let organisations = reader.organisations(&schema, tenants);
    let partitions = reader.partitions(&schema, &organisations);
    let directory = reader.directory(organisations);
    let (pdp, cases) = (pdp?, cases?);
    reader.cases(&pdp, &cases);
    let changes = read_changes(&places.policies, base, &schema, reader.problems);
    Some(Organisations { schema, pdp, directory: directory?, partitions, cases, changes })
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
        let kind = kind(&route.resource)?;
        (!schema.action_accepts(action, kind)).then(|| {
            let problem = format!("`{action}` is never asked about a `{kind}`: see the schema");
            parsed.route_problem(origin, "resource", problem)
        })
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

/// The type of the resource; `None` where it depends on who asks.
fn kind(rule: &ResourceRule) -> Option<&str> {
    match rule {
        ResourceRule::Fixed(uid) => Some(uid.kind()),
        ResourceRule::Organisation | ResourceRule::Active | ResourceRule::Among { .. } => None,
        ResourceRule::Path { kind, .. }
        | ResourceRule::Query { kind, .. }
        | ResourceRule::Header { kind, .. }
        | ResourceRule::JsonBody { kind, .. } => Some(kind),
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
                for FileProblem { file, key, message, place } in found {
                    let problem = Problem::new(&self.base.join(file), key, message);
                    self.problems.push(match place {
                        Some((text, span)) => problem.at(&text, span),
                        None => problem,
                    });
                }
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

    fn organisations(
        &mut self,
        schema: &PolicySchema,
        tenants: Vec<OrganisationData>,
    ) -> Vec<Arc<Organisation>> {
        let mut organisations = Vec::with_capacity(tenants.len());
        for data in tenants {
            let folder = self.places.tenants.join(data.id.as_str());
            self.roles(schema, &data, &folder);
            match Organisation::build(data) {
                Ok(organisation) => organisations.push(Arc::new(organisation)),
                Err(errors) => self.problems.extend(errors.iter().map(|error| {
                    Problem::new(&folder.join(file_of(error)), "", error.to_string())
                })),
            }
        }
        organisations
    }

    /// A role the schema does not know gives nobody anything; most likely it is misspelt.
    fn roles(&mut self, schema: &PolicySchema, data: &OrganisationData, folder: &Path) {
        let known: Vec<&str> = schema.role_names(MEMBER).collect();
        let given = data
            .members
            .iter()
            .flat_map(|member| member.roles.iter().map(move |assignment| (&member.id, assignment)));
        for (member, RoleAssignment { role, on }) in given {
            let node = schema.role_node(MEMBER, role);
            if node == Some(on.kind()) {
                continue;
            }
            let message = match node {
                None => format!("has the role `{role}`, which is not in the schema"),
                Some(node) => format!("has the role `{role}` on `{on}`; it is given on a `{node}`"),
            };
            let message = format!("the member `{member}` {message}");
            let problem = Problem::new(&folder.join("members.toml"), "", message);
            let advice = if node.is_none() { suggest::advice(role, &known) } else { None };
            self.problems.push(match advice {
                Some(help) => problem.with_help(help),
                None => problem,
            });
        }
    }

    fn partitions(
        &mut self,
        schema: &Arc<PolicySchema>,
        organisations: &[Arc<Organisation>],
    ) -> BTreeMap<TenantId, Arc<Partition>> {
        let mut partitions = BTreeMap::new();
        for organisation in organisations {
            match Partition::build(schema, organisation.resources()) {
                Ok(partition) => {
                    self.members(schema, organisation, &partition);
                    partitions.insert(organisation.id().clone(), Arc::new(partition));
                }
                Err(errors) => {
                    let folder = self.places.tenants.join(organisation.id().as_str());
                    let file = folder.join(RESOURCES_FILE);
                    self.problems.extend(
                        errors.iter().map(|error| Problem::new(&file, "", error.to_string())),
                    );
                }
            }
        }
        partitions
    }

    /// Attributes the schema does not know would make a member nobody, silently.
    fn members(
        &mut self,
        schema: &PolicySchema,
        organisation: &Organisation,
        partition: &Partition,
    ) {
        let file = self.places.tenants.join(organisation.id().as_str()).join("members.toml");
        let told = organisation.members().filter(|member| !member.attributes.is_empty());
        for member in told {
            let Ok(uid) = EntityUid::new(MEMBER, member.id.as_str()) else { continue };
            let names = schema.role_names(MEMBER);
            let record = principal_entity(uid, &member.roles, names, member.attributes.clone());
            if let Err(error) = partition.principal(&record) {
                let key = format!("{}.attributes", member.id);
                self.problems.push(Problem::new(&file, key, error.to_string()));
            }
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

const RESOURCES_FILE: &str = "resources.ndjson";

/// The file of an organisation that an error is about.
fn file_of(error: &DirectoryError) -> PathBuf {
    let name = match error {
        DirectoryError::UnknownRoot(_) => "organisation.toml",
        DirectoryError::DuplicateResource(_)
        | DirectoryError::UnknownParent { .. }
        | DirectoryError::Cycle(_)
        | DirectoryError::TooDeep(_)
        | DirectoryError::TooManyResources(_) => RESOURCES_FILE,
        DirectoryError::TooManyMembers(_)
        | DirectoryError::DuplicateMember(_)
        | DirectoryError::UnknownNode { .. }
        | DirectoryError::UnknownConnection { .. }
        | DirectoryError::SharedIdentity { .. } => "members.toml",
        DirectoryError::DuplicateConnection(_) | DirectoryError::ForeignConnection(_) => {
            "connections.toml"
        }
    };
    PathBuf::from(name)
}
