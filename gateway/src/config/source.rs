//! Reads members and resources of one organisation when the gateway needs them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::authz::{Partition, PolicySchema};
use crate::directory::{
    Directory, Member, Members, Organisation, PushedError, Stored, principal_entity,
};
use crate::model::{EntityRecord, EntityUid, RoleAssignment};
use crate::pipeline::{Content, OrganisationSource, SourceError, Version};

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
    stored: Stored,
    kept: Option<KeptFiles>,
}

impl FileSource {
    pub(super) fn new(tenants: PathBuf, base: PathBuf) -> Self {
        Self { tenants, base, stored: Stored::default(), kept: None }
    }

    /// The same files, with what the store has besides.
    #[must_use]
    pub fn with_stored(&self, stored: &Stored) -> Self {
        Self { stored: stored.clone(), ..self.clone() }
    }

    /// The same files, where those that changed are read as they were `kept`.
    #[must_use]
    pub fn with_kept(&self, kept: KeptFiles) -> Self {
        Self { kept: Some(kept), ..self.clone() }
    }

    /// The files `organisation` was read from: those on disk, or as they were kept where those have changed. A reload
    /// that takes the new files over is on its way, or was refused and has said why. One that the platform created has
    /// no files: its root stands for them.
    fn texts(&self, organisation: &Organisation) -> Result<Texts, SourceError> {
        let failed = |cause| SourceError { tenant: organisation.id().clone(), cause };
        let folder = self.tenants.join(organisation.id().as_str());
        if let Some(root) = organisation.created() {
            let root = serde_json::to_string(root).map_err(|error| failed(error.to_string()))?;
            return Ok(Texts::of_created(folder, organisation.id().clone(), &root));
        }
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
    fn version(&self, organisation: &Organisation) -> Result<Version, SourceError> {
        let (files, tenant) = (organisation.digest(), organisation.id());
        let pushed = self.stored.pushed.version(tenant).map_err(of_pushed)?;
        let managed = self.stored.managed.version(tenant).map_err(of_pushed)?;
        Ok(Version { files, pushed, managed })
    }

    fn managed(
        &self,
        organisation: &Arc<Organisation>,
    ) -> Result<(Arc<Organisation>, [u8; 32]), SourceError> {
        let (shape, name) = self.stored.managed.shape(organisation.id()).map_err(of_pushed)?;
        let is_plain = !shape.suspended && shape.connections.is_empty() && shape.domains.is_empty();
        let managed =
            if is_plain { Arc::clone(organisation) } else { Arc::new(organisation.managed(shape)) };
        Ok((managed, name))
    }

    fn open(
        &self,
        organisation: &Organisation,
        schema: &Arc<PolicySchema>,
    ) -> Result<Content, SourceError> {
        let failed = |cause| SourceError { tenant: organisation.id().clone(), cause };
        let texts = self.texts(organisation)?;
        let mut pushed = Vec::new();
        let read = self.stored.pushed.read(organisation.id(), &mut |record| pushed.push(record));
        let (files, named) = (organisation.digest(), read.map_err(of_pushed)?);
        let (given, managed) = self.stored.managed.members(organisation.id()).map_err(of_pushed)?;
        let content = read_content(&texts, organisation, (schema, pushed), &self.base);
        let content = content.map_err(|problems| failed(told(&problems)))?;
        let members = with_managed(content.members, organisation, given);
        let version = Version { files, pushed: named, managed };
        Ok(Content { members, partition: content.partition, version })
    }

    fn reopen(
        &self,
        organisation: &Organisation,
        schema: &Arc<PolicySchema>,
        content: &Content,
    ) -> Result<Content, SourceError> {
        let failed = |cause| SourceError { tenant: organisation.id().clone(), cause };
        let texts = self.texts(organisation)?;
        let (given, managed) = self.stored.managed.members(organisation.id()).map_err(of_pushed)?;
        let mut problems = Vec::new();
        let partition = Arc::clone(&content.partition);
        let members =
            read_members(&texts, organisation, (schema, &partition), (&self.base, &mut problems));
        let members = members.ok_or_else(|| failed(told(&problems)))?;
        let members = with_managed(Arc::new(members), organisation, given);
        Ok(Content { members, partition, version: Version { managed, ..content.version } })
    }
}

fn with_managed(
    members: Arc<Members>,
    organisation: &Organisation,
    given: Vec<Member>,
) -> Arc<Members> {
    if given.is_empty() {
        return members;
    }
    Arc::new(Arc::unwrap_or_clone(members).with_managed(organisation, given))
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
    let (file, text) = texts.resources(base);
    let resources = Resources { file: &file, text: &text, schema };
    let partition = match resources.partition(pushed) {
        Ok(partition) => partition,
        Err(mut found) => {
            texts.members(base, &mut problems);
            problems.append(&mut found);
            return Err(problems);
        }
    };
    let members = read_members(texts, organisation, (schema, &partition), (base, &mut problems));
    let Some(members) = members.filter(|_| problems.is_empty()) else { return Err(problems) };
    let (members, partition) = (Arc::new(members), Arc::new(partition));
    let (files, none) = (organisation.digest(), [0; 32]);
    Ok(Content { members, partition, version: Version { files, pushed: none, managed: none } })
}

/// Reads and checks the members of the files; nothing, where there is a problem with them.
fn read_members(
    texts: &Texts,
    organisation: &Organisation,
    (schema, partition): (&Arc<PolicySchema>, &Partition),
    (base, problems): (&Path, &mut Vec<FileProblem>),
) -> Option<Members> {
    let before = problems.len();
    let given = texts.members(base, problems);
    let folder = texts.folder();
    let file = folder.strip_prefix(base).unwrap_or(folder).join("members.toml");
    let members = Members::build(organisation, given, &|uid| partition.contains(uid));
    let members = members
        .map_err(|errors| problems.extend(of_directory(&errors, folder, base)))
        .ok()
        .inspect(|members| check_members(members, (schema, partition), &file, problems));
    members.filter(|_| problems.len() == before)
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
