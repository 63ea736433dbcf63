//! Looks through all organisations: reads and checks each whole, and keeps only what is needed at all times.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::authz::PolicySchema;
use crate::directory::{DirectoryError, Organisation};

use super::organisations::Organisations;
use super::problem::Problem;
use super::source::read_content;
use super::tenants::{FileProblem, Texts, Variables};

/// Most threads that look through organisations: the disk gains nothing from more.
const THREADS_MAX: usize = 8;

/// How much there is of an organisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Members, disabled ones included.
    pub members: usize,
    /// Resources, those of its files.
    pub resources: usize,
}

/// What reading takes besides the places.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    /// Where paths in messages start.
    pub(super) base: &'a Path,
    /// The environment.
    pub(super) variables: Variables<'a>,
    /// What was read and checked before: what is the same is not checked again.
    pub(super) before: Option<&'a Organisations>,
}

/// An organisation that was checked whole.
type Known = (Arc<Organisation>, Sizes);

/// Looks through the organisations in `folders`; without a schema only through what needs none. Those without
/// a problem, in the order of the folders.
pub(super) fn survey(
    folders: &[PathBuf],
    schema: Option<&Arc<PolicySchema>>,
    from: &Reading<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Known> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::with_capacity(folders.len()));
    let look = || {
        while let Some((number, folder)) = take(folders, &next) {
            let looked = look_at(folder, schema, from);
            found.lock().unwrap_or_else(PoisonError::into_inner).push((number, looked));
        }
    };
    let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 1..processors.min(THREADS_MAX).min(folders.len()) {
            scope.spawn(look);
        }
        look();
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_unstable_by_key(|(number, _)| *number);
    let mut known = Vec::with_capacity(found.len());
    for (_, looked) in found {
        match looked {
            Ok(organisation) => known.push(organisation),
            Err(found) => {
                problems.extend(found.into_iter().map(|problem| problem.problem(from.base)));
            }
        }
    }
    known
}

fn take<'f>(folders: &'f [PathBuf], next: &AtomicUsize) -> Option<(usize, &'f PathBuf)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    Some((number, folders.get(number)?))
}

fn look_at(
    folder: &Path,
    schema: Option<&Arc<PolicySchema>>,
    from: &Reading<'_>,
) -> Result<Known, Vec<FileProblem>> {
    let texts = Texts::read(folder, from.base)?;
    let mut problems = Vec::new();
    let data = texts.organisation(from.base, from.variables, &mut problems);
    let organisation = data.and_then(|data| {
        let built = Organisation::build(data);
        built.map_err(|errors| problems.extend(of_directory(&errors, folder, from.base))).ok()
    });
    let (Some(organisation), Some(schema)) = (organisation, schema) else {
        // Its members are judged all the same: a fault in one file hides nothing in the others.
        drop(texts.members(from.base, &mut problems));
        return Err(problems);
    };
    if let Some(sizes) = unchanged(&organisation, schema, from.before)
        && problems.is_empty()
    {
        return Ok((Arc::new(organisation), sizes));
    }
    match read_content(&texts, &organisation, (schema, Vec::new()), from.base) {
        Ok(content) if problems.is_empty() => {
            let sizes =
                Sizes { members: content.members.len(), resources: content.partition.len() };
            Ok((Arc::new(organisation), sizes))
        }
        Ok(_) => Err(problems),
        Err(mut found) => {
            problems.append(&mut found);
            Err(problems)
        }
    }
}

/// The sizes of an organisation that was checked before, against the same schema.
fn unchanged(
    organisation: &Organisation,
    schema: &PolicySchema,
    before: Option<&Organisations>,
) -> Option<Sizes> {
    let before = before.filter(|before| before.schema.digest() == schema.digest())?;
    let known = before.directory.organisation(organisation.id())?;
    let same = known.digest() == organisation.digest();
    if same { before.sizes.get(organisation.id()).copied() } else { None }
}

/// The errors as problems with the files they are about.
pub(super) fn of_directory(
    errors: &[DirectoryError],
    folder: &Path,
    base: &Path,
) -> Vec<FileProblem> {
    let file = |error: &DirectoryError| match error {
        DirectoryError::UnknownRoot(_) => "organisation.toml",
        DirectoryError::TooManyMembers(_)
        | DirectoryError::DuplicateMember(_)
        | DirectoryError::UnknownNode { .. }
        | DirectoryError::UnknownConnection { .. }
        | DirectoryError::SharedIdentity { .. } => "members.toml",
        DirectoryError::DuplicateConnection(_) | DirectoryError::ForeignConnection(_) => {
            "connections.toml"
        }
    };
    let folder = folder.strip_prefix(base).unwrap_or(folder);
    let problem = |error| FileProblem::of_file(folder.join(file(error)), error.to_string());
    errors.iter().map(problem).collect()
}
