//! The files of one organisation as they were at one moment, with a name for what they say.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{FileProblem, Variables, file, read_text, relative};
use crate::directory::{Member, OrganisationData};
use crate::model::{PolicySource, TenantId};

const HEAD: &str = "organisation.toml";
const CONNECTIONS: &str = "connections.toml";
const MEMBERS: &str = "members.toml";
const RESOURCES: &str = "resources.ndjson";

/// The texts of an organisation's files; those that are not there are empty. Its policies are not among them.
#[derive(Debug)]
pub(in crate::config) struct Texts {
    folder: PathBuf,
    id: TenantId,
    head: Arc<str>,
    connections: Arc<str>,
    members: Arc<str>,
    resources: Arc<str>,
}

impl Texts {
    /// Reads the files of the organisation in `folder`.
    ///
    /// # Errors
    /// A folder whose name is no id, and files that cannot be read.
    pub(in crate::config) fn read(folder: &Path, base: &Path) -> Result<Self, Vec<FileProblem>> {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        let id = TenantId::parse(&name.unwrap_or_default()).map_err(|error| {
            vec![FileProblem::of_file(relative(folder, base), error.to_string())]
        })?;
        let mut problems = Vec::new();
        let mut text = |name: &str, must_be: bool| {
            let path = folder.join(name);
            if !must_be && !path.exists() {
                return Arc::from("");
            }
            read_text(&path, base).unwrap_or_else(|problem| {
                problems.push(problem);
                Arc::from("")
            })
        };
        let texts = Self {
            head: text(HEAD, true),
            connections: text(CONNECTIONS, false),
            members: text(MEMBERS, false),
            resources: text(RESOURCES, false),
            folder: folder.to_path_buf(),
            id,
        };
        if problems.is_empty() { Ok(texts) } else { Err(problems) }
    }

    /// The texts of an organisation the platform created: one line for its root, whose JSON form this is.
    pub(in crate::config) fn of_created(folder: PathBuf, id: TenantId, root: &str) -> Self {
        let none = || Arc::from("");
        let resources = Arc::from(root);
        Self { folder, id, head: none(), connections: none(), members: none(), resources }
    }

    /// SHA-256 over all texts, each after its length: two organisations that differ have two.
    pub(in crate::config) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for (length, text) in self.all() {
            hash.update(length);
            hash.update(text);
        }
        hash.finalize().into()
    }

    /// Writes all texts, each after its length: what the digest is over.
    ///
    /// # Errors
    /// Those of `out`.
    pub(in crate::config) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        self.all().into_iter().try_for_each(|(length, text)| {
            out.write_all(&length)?;
            out.write_all(text)
        })
    }

    fn all(&self) -> [([u8; 8], &[u8]); 4] {
        [&self.head, &self.connections, &self.members, &self.resources]
            .map(|text| ((text.len() as u64).to_be_bytes(), text.as_bytes()))
    }

    /// The texts that were written for the organisation in `folder`; nothing where `bytes` are not that.
    pub(in crate::config) fn written(folder: &Path, id: TenantId, bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut text = || {
            let (length, after) = rest.split_first_chunk()?;
            let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
            let (text, after) = after.split_at_checked(length)?;
            rest = after;
            std::str::from_utf8(text).ok().map(Arc::from)
        };
        let (head, connections, members, resources) = (text()?, text()?, text()?, text()?);
        let folder = folder.to_path_buf();
        rest.is_empty().then_some(Self { folder, id, head, connections, members, resources })
    }

    /// Who the organisation is, its connections and its policies.
    pub(in crate::config) fn organisation(
        &self,
        base: &Path,
        variables: Variables<'_>,
        problems: &mut Vec<FileProblem>,
    ) -> Option<OrganisationData> {
        let (head_file, connections_file) = (self.folder.join(HEAD), self.folder.join(CONNECTIONS));
        let head = (head_file.as_path(), Arc::clone(&self.head));
        let head = file::organisation(head, base, &self.id, problems);
        let connections = (connections_file.as_path(), Arc::clone(&self.connections));
        let connections = file::connections(connections, base, &self.id, variables, problems);
        let policies = self.policies(base, problems);
        let head = head?;
        Some(OrganisationData {
            id: self.id.clone(),
            name: head.name,
            suspended: head.suspended,
            root: head.root,
            hosts: head.hosts,
            connections,
            policies,
            digest: self.digest(),
            created: None,
        })
    }

    fn policies(&self, base: &Path, problems: &mut Vec<FileProblem>) -> Vec<PolicySource> {
        let own = self.folder.join("policies");
        if !own.is_dir() {
            return Vec::new();
        }
        crate::config::policies::read_policies(&own, base).unwrap_or_else(|mut found| {
            problems.append(&mut found);
            Vec::new()
        })
    }

    /// Its members.
    pub(in crate::config) fn members(
        &self,
        base: &Path,
        problems: &mut Vec<FileProblem>,
    ) -> Vec<Member> {
        let path = self.folder.join(MEMBERS);
        file::members((&path, Arc::clone(&self.members)), base, problems)
    }

    /// Where they are.
    pub(in crate::config) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its resources, unread: the file as messages name it, and its text.
    pub(in crate::config) fn resources(&self, base: &Path) -> (String, Arc<str>) {
        (relative(&self.folder.join(RESOURCES), base), Arc::clone(&self.resources))
    }
}
