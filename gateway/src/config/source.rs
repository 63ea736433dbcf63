//! Reads members and resources of one organisation when the gateway needs them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::authz::{Partition, PolicySchema};
use crate::directory::{
    Members, NothingPushed, Organisation, PushedError, PushedResources, principal_entity,
};
use crate::model::{EntityRecord, EntityUid, RoleAssignment};
use crate::pipeline::{Content, OrganisationSource, SourceError};

use super::resources::Resources;
use super::suggest;
use super::survey::of_directory;
use super::tenants::{FileProblem, Texts};

/// The type of members in the schema.
const MEMBER: &str = "User";

/// The folder of organisations, and what was pushed.
#[derive(Clone, Debug)]
pub struct FileSource {
    tenants: PathBuf,
    base: PathBuf,
    pushed: Arc<dyn PushedResources>,
}

impl FileSource {
    pub(super) fn new(tenants: PathBuf, base: PathBuf) -> Self {
        Self { tenants, base, pushed: Arc::new(NothingPushed) }
    }

    /// The same files, with resources that were pushed besides.
    #[must_use]
    pub fn with_pushed(&self, pushed: Arc<dyn PushedResources>) -> Self {
        Self { pushed, ..self.clone() }
    }
}

impl OrganisationSource for FileSource {
    fn version(&self, organisation: &Organisation) -> Result<[u8; 32], SourceError> {
        let pushed = self.pushed.version(organisation.id()).map_err(of_pushed)?;
        let mut hash = Sha256::new();
        hash.update(organisation.digest());
        hash.update(pushed);
        Ok(hash.finalize().into())
    }

    fn open(
        &self,
        organisation: &Organisation,
        schema: &Arc<PolicySchema>,
    ) -> Result<Content, SourceError> {
        let failed = |cause: String| SourceError { tenant: organisation.id().clone(), cause };
        let told = |problems: Vec<FileProblem>| {
            failed(problems.first().map(ToString::to_string).unwrap_or_default())
        };
        let folder = self.tenants.join(organisation.id().as_str());
        let texts = Texts::read(&folder, &self.base).map_err(told)?;
        // What is read must be what the snapshot's name stands for. A reload that takes the new files over is
        // on its way, or was refused and has said why.
        if texts.digest() != organisation.digest() {
            return Err(failed("its files changed and are not taken over yet".to_owned()));
        }
        let mut pushed = Vec::new();
        let read = self.pushed.read(organisation.id(), &mut |record| pushed.push(record));
        read.map_err(of_pushed)?;
        read_content(&texts, organisation, (schema, pushed), &self.base).map_err(told)
    }
}

fn of_pushed(error: PushedError) -> SourceError {
    SourceError { tenant: error.tenant, cause: error.cause }
}

/// Reads and checks members and resources.
///
/// # Errors
/// Every problem with them.
pub(super) fn read_content(
    texts: &Texts,
    organisation: &Organisation,
    (schema, pushed): (&Arc<PolicySchema>, Vec<EntityRecord>),
    base: &Path,
) -> Result<Content, Vec<FileProblem>> {
    let mut problems = Vec::new();
    let given = texts.members(base, &mut problems);
    let (file, text) = texts.resources(base);
    let resources = Resources { file: &file, text: &text, schema };
    let partition = match resources.partition(pushed) {
        Ok(partition) => partition,
        Err(mut found) => {
            problems.append(&mut found);
            return Err(problems);
        }
    };
    let folder = texts.folder();
    let file = folder.strip_prefix(base).unwrap_or(folder).join("members.toml");
    let members = Members::build(organisation, given, &|uid| partition.contains(uid));
    match members {
        Err(errors) => problems.extend(of_directory(&errors, folder, base)),
        Ok(members) => {
            check_members(&members, (schema, &partition), &file, &mut problems);
            if problems.is_empty() {
                return Ok(Content { members: Arc::new(members), partition: Arc::new(partition) });
            }
        }
    }
    Err(problems)
}

/// A role the schema does not know gives nobody anything; most likely it is misspelt. Attributes it does not
/// know would make a member nobody, silently.
fn check_members(
    members: &Members,
    (schema, partition): (&PolicySchema, &Partition),
    file: &Path,
    problems: &mut Vec<FileProblem>,
) {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    let known: Vec<&str> = schema.role_names(MEMBER).collect();
    for member in sorted {
        for RoleAssignment { role, on } in &member.roles {
            let node = schema.role_node(MEMBER, role);
            if node == Some(on.kind()) {
                continue;
            }
            let message = match node {
                None => format!("has the role `{role}`, which is not in the schema"),
                Some(node) => format!("has the role `{role}` on `{on}`; it is given on a `{node}`"),
            };
            let message = format!("the member `{}` {message}", member.id);
            let mut problem = FileProblem::of_file(file, message);
            let advice = if node.is_none() { suggest::advice(role, &known) } else { None };
            problem.help = advice.map(String::into_boxed_str);
            problems.push(problem);
        }
        if member.attributes.is_empty() {
            continue;
        }
        let Ok(uid) = EntityUid::new(MEMBER, member.id.as_str()) else { continue };
        let names = schema.role_names(MEMBER);
        let record = principal_entity(uid, &member.roles, names, member.attributes.clone());
        if let Err(error) = partition.principal(&record) {
            let mut problem = FileProblem::of_file(file, error.to_string());
            problem.key = format!("{}.attributes", member.id);
            problems.push(problem);
        }
    }
}
