//! Reads resources into a partition: parsed and checked on all processors, put together on one.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use crate::authz::{Checked, Checker, EntityError, Partition, PartitionBuilder, PolicySchema};
use crate::model::{EntityRecord, EntityUid};

use super::tenants::{FileProblem, resource_lines};

/// Text handed to a thread at once: some thousand resources. What is shorter is not worth a thread.
const BLOCK_BYTES: usize = 256 * 1024;

/// Blocks a thread may be ahead of what was put together: bounds memory.
const AHEAD_MAX: usize = 4;

/// Most threads: one organisation does not get a large machine to itself.
const THREADS_MAX: usize = 8;

/// Most problems told of one file: whoever mends the first hundred has mended the generator.
const PROBLEMS_MAX: usize = 100;

/// A line's place in the text, and what came of it.
struct Line {
    offset: usize,
    read: Result<Checked, Fault>,
}

enum Fault {
    Json(serde_json::Error),
    Entity(EntityError),
}

/// A file of resources on its way into a partition.
pub(super) struct Resources<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a Arc<str>,
    pub(super) schema: &'a Arc<PolicySchema>,
}

impl Resources<'_> {
    /// The partition of the resources of the file and of `others`.
    ///
    /// # Errors
    /// Every fault of single lines, up to a hundred; without one, what does not hang together.
    pub(super) fn partition(
        &self,
        others: Vec<EntityRecord>,
    ) -> Result<Partition, Vec<FileProblem>> {
        let mut builder = Partition::builder(self.schema);
        let mut problems = Vec::new();
        self.fill(&mut builder, &mut problems);
        let mut checker = Checker::new(self.schema);
        for record in others {
            let added = checker.check(record).and_then(|checked| builder.add(checked));
            problems.extend(added.err().map(|error| self.of_other(&error)));
        }
        if !problems.is_empty() {
            problems.truncate(PROBLEMS_MAX);
            return Err(problems);
        }
        builder.finish().map_err(|errors| errors.iter().map(|error| self.of_whole(error)).collect())
    }

    fn fill(&self, builder: &mut PartitionBuilder, problems: &mut Vec<FileProblem>) {
        let blocks = blocks(self.text);
        let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = processors.min(THREADS_MAX).min(blocks.len());
        if threads < 2 {
            let mut checker = Checker::new(self.schema);
            for block in blocks {
                self.put(read_block(block, &mut checker), builder, problems);
            }
            return;
        }
        thread::scope(|scope| {
            let read: Vec<Receiver<Vec<Line>>> = (0..threads)
                .map(|first| {
                    let (sender, receiver) = sync_channel(AHEAD_MAX);
                    let (blocks, schema) = (&blocks, self.schema);
                    scope.spawn(move || {
                        let mut checker = Checker::new(schema);
                        for block in blocks.iter().skip(first).step_by(threads) {
                            if sender.send(read_block(*block, &mut checker)).is_err() {
                                return;
                            }
                        }
                    });
                    receiver
                })
                .collect();
            // In the order of the file, so that the second of two is the duplicate.
            let turns = (0..blocks.len()).map_while(|turn| read.get(turn % threads)?.recv().ok());
            for lines in turns {
                self.put(lines, builder, problems);
                if problems.len() >= PROBLEMS_MAX {
                    return;
                }
            }
        });
    }

    fn put(
        &self,
        lines: Vec<Line>,
        builder: &mut PartitionBuilder,
        problems: &mut Vec<FileProblem>,
    ) {
        for Line { offset, read } in lines {
            match read {
                Err(Fault::Json(error)) => {
                    problems.push(FileProblem::in_json(self.file, self.text, offset, &error));
                }
                Err(Fault::Entity(error)) => problems.push(self.at(offset, &error)),
                Ok(checked) => {
                    let added = builder.add(checked);
                    problems.extend(added.err().map(|error| self.at(offset, &error)));
                }
            }
        }
    }

    fn at(&self, offset: usize, error: &EntityError) -> FileProblem {
        let line = self.text.get(offset..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let span = offset..offset + line.trim_end().len();
        FileProblem::of_file(Path::new(self.file), error.to_string()).at(self.text, span)
    }

    /// An error found when everything was put together: about a line, if the file has the resource.
    fn of_whole(&self, error: &EntityError) -> FileProblem {
        match line_of(self.text, error.uid()) {
            Some(offset) => self.at(offset, error),
            None => self.of_other(error),
        }
    }

    fn of_other(&self, error: &EntityError) -> FileProblem {
        let message = match error {
            EntityError::Duplicate(uid) => format!(
                "`{uid}` is owned by its hub, which pushed it: take it out of this file, or have the hub \
                 delete it"
            ),
            error => format!("with what was pushed: {error}"),
        };
        FileProblem::of_file(Path::new(self.file), message)
    }
}

/// The text in pieces that end with a line, each with its place.
fn blocks(text: &str) -> Vec<(usize, &str)> {
    let mut blocks = Vec::new();
    let (mut offset, mut rest) = (0, text);
    while !rest.is_empty() {
        let from = BLOCK_BYTES.min(rest.len());
        let after = rest.as_bytes().get(from..).unwrap_or_default();
        let end = after.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |n| from + n + 1);
        let Some((block, next)) = rest.split_at_checked(end) else { break };
        blocks.push((offset, block));
        (offset, rest) = (offset + end, next);
    }
    blocks
}

fn read_block((offset, block): (usize, &str), checker: &mut Checker<'_>) -> Vec<Line> {
    let read = |json: &str| {
        let record: EntityRecord = serde_json::from_str(json).map_err(Fault::Json)?;
        checker.check(record).map_err(Fault::Entity)
    };
    let mut read = read;
    resource_lines(block)
        .map(|(line, json)| Line { offset: offset + line, read: read(json) })
        .collect()
}

/// Where the resource of this name is.
fn line_of(text: &str, uid: &EntityUid) -> Option<usize> {
    let mut lines = resource_lines(text).filter(|(_, json)| json.contains(uid.id()));
    let is_it = |json: &str| {
        let record: Result<EntityRecord, _> = serde_json::from_str(json);
        record.is_ok_and(|record| record.uid == *uid)
    };
    lines.find(|(_, json)| is_it(json)).map(|(offset, _)| offset)
}
