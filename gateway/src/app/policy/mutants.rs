//! `hubgate policy test --mutants`: which mistakes in the policies no case would notice.

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZero;

use super::PolicyCommandError;
use super::test::painted;
use crate::app::cli::CommandError;
use crate::authz::{Fate, Mutant, MutantTrial, Mutation, Trial, mutants};
use crate::config::PolicyFiles;

/// Most threads: validation is all the work there is, and a shared build machine has other things to do.
const THREADS_MAX: usize = 4;

/// Makes every mutant, tries the cases on each, and tells what came of it. Fails below `minimum` percent.
pub(super) fn run(
    files: &PolicyFiles,
    trial: &Trial,
    minimum: u8,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let prepared = MutantTrial::prepare(&files.pdp, trial).map_err(|failures| {
        PolicyCommandError::NotAsExpected(format!(
            "{} cases fail without a mistake",
            failures.len()
        ))
    })?;
    let all = mutants(&files.base);
    let fates = fates(&prepared, &all);
    let results: Vec<(&Mutant, &Fate)> = all.iter().zip(&fates).collect();
    survivors(&results, out)?;
    let noticed = table(&results, out)?;
    let Some((killed, counted)) = noticed else {
        let message = "there is no policy to make a mistake in".to_owned();
        return Err(PolicyCommandError::NotAsExpected(message).into());
    };
    if killed * 100 < counted * usize::from(minimum) {
        let message = format!("the cases notice less than {minimum} % of the mistakes");
        return Err(PolicyCommandError::NotAsExpected(message).into());
    }
    Ok(())
}

/// What became of each mutant, in their order; the work is shared by as many threads as there are
/// processors for.
fn fates(prepared: &MutantTrial<'_>, all: &[Mutant]) -> Vec<Fate> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
    let share = all.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let work =
            |part: &'_ [Mutant]| part.iter().map(|one| prepared.fate(one)).collect::<Vec<_>>();
        let workers: Vec<_> =
            all.chunks(share).map(|part| scope.spawn(move || work(part))).collect();
        workers
            .into_iter()
            .flat_map(|worker| match worker.join() {
                Ok(fates) => fates,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}

fn survivors(results: &[(&Mutant, &Fate)], out: &mut dyn Write) -> std::io::Result<()> {
    for (mutant, _) in results.iter().filter(|(_, fate)| **fate == Fate::Survived) {
        let Mutant { file, policy, change, .. } = mutant;
        writeln!(out, "\n{} {file}: `{policy}`: {change}", painted("33", "not noticed:"))?;
        for line in mutant.text.iter().flat_map(|text| text.lines()) {
            writeln!(out, "    {line}")?;
        }
    }
    Ok(())
}

/// Counts by kind of mistake, and in all: noticed, and how many there were.
fn table(
    results: &[(&Mutant, &Fate)],
    out: &mut dyn Write,
) -> std::io::Result<Option<(usize, usize)>> {
    let mut kinds: BTreeMap<Mutation, (usize, usize)> = BTreeMap::new();
    let (mut invalid, mut same) = (0, 0);
    for (mutant, fate) in results {
        let (killed, counted) = kinds.entry(mutant.mutation).or_default();
        match fate {
            Fate::Invalid => invalid += 1,
            Fate::Same => same += 1,
            Fate::Killed { .. } => (*killed, *counted) = (*killed + 1, *counted + 1),
            Fate::Survived => *counted += 1,
        }
    }
    writeln!(out, "\n{:<20} {:>8} {:>8}", "mistake", "noticed", "of")?;
    for (kind, (killed, counted)) in kinds.iter().filter(|(_, (_, counted))| *counted > 0) {
        writeln!(out, "{kind:<20} {killed:>8} {counted:>8}")?;
    }
    let killed: usize = kinds.values().map(|(killed, _)| killed).sum();
    let counted: usize = kinds.values().map(|(_, counted)| counted).sum();
    if counted == 0 {
        return Ok(None);
    }
    // Tenths of a percent, rounded down: 90 % is never said of less.
    let tenths = killed * 1000 / counted;
    let percent = format!("{}.{} %", tenths / 10, tenths % 10);
    writeln!(out, "{:<20} {killed:>8} {counted:>8}  {percent}", "all")?;
    writeln!(
        out,
        "not counted: {invalid} that would not load, {same} that by the schema mean the same"
    )?;
    Ok(Some((killed, counted)))
}
