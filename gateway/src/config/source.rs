//! Reads members and resources of one organisation when the gateway needs them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::authz::{Partition, PolicySchema};
use crate::directory::{
    Directory, Members, NothingPushed, Organisation, PushedError, PushedResources, principal_entity,
};
use crate::model::{EntityRecord, EntityUid, RoleAssignment};
use crate::pipeline::{Content, OrganisationSource, SourceError, version_of};

use super::kept::KeptFiles;
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
    kept: Option<KeptFiles>,
}

impl FileSource {
    pub(super) fn new(tenants: PathBuf, base: PathBuf) -> Self {
        Self { tenants, base, pushed: Arc::new(NothingPushed), kept: None }
    }

    /// The same files, with resources that were pushed besides.
    #[must_use]
    pub fn with_pushed(&self, pushed: Arc<dyn PushedResources>) -> Self {
        Self { pushed, ..self.clone() }
    }

    /// The same files, where those that changed are read as they were `kept`.
    #[must_use]
    pub fn with_kept(&self, kept: KeptFiles) -> Self {
        Self { kept: Some(kept), ..self.clone() }
    }

    /// The files `organisation` was read from: those on disk, or as they were kept where those have changed. A
    /// reload that takes the new files over is on its way, or was refused and has said why.
    fn texts(&self, organisation: &Organisation) -> Result<Texts, SourceError> {
        let failed = |cause| SourceError { tenant: organisation.id().clone(), cause };
        let folder = self.tenants.join(organisation.id().as_str());
        let now = Texts::read(&folder, &self.base);
        if let Ok(texts) = &now
            && texts.digest() == organisation.digest()
        {
            return now.map_err(|problems| failed(told(&problems)));
        }
        let kept = self.kept.as_ref().map(|kept| kept.read(&folder, organisation));
        match (kept, now) {
            (Some(Ok(texts)), _) => Ok(texts),
            (Some(Err(error)), Ok(_)) => {
                Err(failed(format!("its files changed, and as they were {error}")))
            }
            (Some(Err(error)), Err(problems)) => {
                Err(failed(format!("{}; and as they were {error}", told(&problems))))
            }
            (None, Err(problems)) => Err(failed(told(&problems))),
            (None, Ok(_)) => Err(failed("its files changed and are not taken over yet".to_owned())),
        }
    }

    /// Keeps the files of every organisation in `directory` as they are taken over. It may block.
    ///
    /// # Errors
    /// The first [`SourceError`]: files changed since they were checked, or cannot be kept. The others are kept.
    pub fn keep(&self, directory: &Directory) -> Result<(), SourceError> {
        self.keep_all(directory, KeptFiles::has)
    }

    /// As [`FileSource::keep`], and what is kept already is looked at: what was damaged is written again.
    ///
    /// # Errors
    /// As [`FileSource::keep`].
    pub fn keep_and_check(&self, directory: &Directory) -> Result<(), SourceError> {
        self.keep_all(directory, KeptFiles::has_whole)
    }

    fn keep_all(
        &self,
        directory: &Directory,
        has: impl Fn(&KeptFiles, &Organisation) -> bool,
    ) -> Result<(), SourceError> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let new = directory.organisations().filter(|organisation| !has(kept, organisation));
        let mut new = new.peekable();
        if new.peek().is_none() {
            return Ok(());
        }
        let all = new.map(|organisation| self.keep_one(kept, organisation));
        let all = all.fold(Ok(()), Result::and);
        kept.settle();
        all
    }

    fn keep_one(&self, kept: &KeptFiles, organisation: &Organisation) -> Result<(), SourceError> {
        let failed = |cause| SourceError { tenant: organisation.id().clone(), cause };
        let folder = self.tenants.join(organisation.id().as_str());
        let texts = Texts::read(&folder, &self.base).map_err(|found| failed(told(&found)))?;
        if texts.digest() != organisation.digest() {
            return Err(failed("its files changed while they were taken over".to_owned()));
        }
        kept.write(organisation, &texts)
            .map_err(|error| failed(format!("its files cannot be kept: {error}")))
    }

    /// Lets go of kept files that are not those of `directory`.
    pub fn forget(&self, directory: &Directory) {
        if let Some(kept) = &self.kept {
            kept.retain(directory);
        }
    }
}

impl OrganisationSource for FileSource {
    fn version(&self, organisation: &Organisation) -> Result<[u8; 32], SourceError> {
        let pushed = self.pushed.version(organisation.id()).map_err(of_pushed)?;
        Ok(version_of(organisation, &pushed))
    }

    fn open(
        &self,
        organisation: &Organisation,
        schema: &Arc<PolicySchema>,
    ) -> Result<Content, SourceError> {
        let failed = |cause| SourceError { tenant: organisation.id().clone(), cause };
        let texts = self.texts(organisation)?;
        let mut pushed = Vec::new();
        let read = self.pushed.read(organisation.id(), &mut |record| pushed.push(record));
        let version = version_of(organisation, &read.map_err(of_pushed)?);
        let content = read_content(&texts, organisation, (schema, pushed), &self.base);
        let content = content.map_err(|problems| failed(told(&problems)))?;
        Ok(Content { version, ..content })
    }
}

fn told(problems: &[FileProblem]) -> String {
    problems.first().map(ToString::to_string).unwrap_or_default()
}

fn of_pushed(error: PushedError) -> SourceError {
    SourceError { tenant: error.tenant, cause: error.cause }
}

/// Reads and checks members and resources. Whoever hands over what was pushed names it in the version.
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
                let (members, partition) = (Arc::new(members), Arc::new(partition));
                return Ok(Content {
                    members,
                    partition,
                    version: version_of(organisation, &[0; 32]),
                });
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

#[cfg(test)]
mod tests;
