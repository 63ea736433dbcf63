//! Reads the decision log as anybody can: JSON lines, one folder per shard.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

/// What the crash test needs of a line.
#[derive(Deserialize)]
struct Line {
    kind: String,
    id: Option<String>,
    decision: Option<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    effect: String,
}

/// What the whole log says.
#[derive(Debug, Default)]
pub(crate) struct DecisionLog {
    /// The ids of all `allow` decisions.
    pub allowed: HashSet<String>,
    /// Ids that stand on more than one decision.
    pub repeated: Vec<String>,
    /// Lines that are no JSON or have no end, with their place.
    pub torn: Vec<String>,
    /// Lines in all.
    pub lines: usize,
    /// Shards.
    pub shards: usize,
}

impl DecisionLog {
    /// Reads every segment of every shard in `folder`.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut log = Self::default();
        for shard in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let shard = shard?.path();
            if !shard.is_dir() {
                continue;
            }
            log.shards += 1;
            for segment in fs::read_dir(&shard)? {
                let segment = segment?.path();
                if segment.extension().is_some_and(|extension| extension == "jsonl") {
                    let name = segment.display().to_string();
                    log.add(&name, &fs::read(&segment).context(name.clone())?);
                }
            }
        }
        Ok(log)
    }

    fn add(&mut self, name: &str, bytes: &[u8]) {
        let mut rest = bytes;
        let mut number = 0;
        while !rest.is_empty() {
            number += 1;
            self.lines += 1;
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                self.torn.push(format!("{name}:{number}: no line end"));
                return;
            };
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            match serde_json::from_slice::<Line>(line) {
                Ok(line) => self.note(line),
                Err(error) => self.torn.push(format!("{name}:{number}: {error}")),
            }
        }
    }

    fn note(&mut self, line: Line) {
        let allows = line.decision.is_some_and(|verdict| verdict.effect == "allow");
        if line.kind != "decision" || !allows {
            return;
        }
        let id = line.id.unwrap_or_default();
        if !self.allowed.insert(id.clone()) {
            self.repeated.push(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> DecisionLog {
        let mut log = DecisionLog::default();
        log.add("segment", text.as_bytes());
        log
    }

    #[test]
    fn keeps_allowed_decisions_only() {
        let log = read(concat!(
            "{\"seq\":1,\"kind\":\"journal\",\"event\":\"opened\"}\n",
            "{\"seq\":2,\"kind\":\"decision\",\"id\":\"a\",\"decision\":{\"effect\":\"allow\"}}\n",
            "{\"seq\":3,\"kind\":\"decision\",\"id\":\"b\",\"decision\":{\"effect\":\"deny\"}}\n",
            "{\"seq\":4,\"kind\":\"outcome\",\"decision_id\":\"a\"}\n",
        ));
        assert_eq!(log.allowed, HashSet::from([String::from("a")]));
        assert_eq!((log.lines, log.torn.len(), log.repeated.len()), (4, 0, 0));
    }

    #[test]
    fn finds_torn_lines_and_repeated_decisions() {
        let allow = "{\"kind\":\"decision\",\"id\":\"a\",\"decision\":{\"effect\":\"allow\"}}\n";
        assert_eq!(read(&format!("{allow}{{\"kind\":\"outc\n{allow}")).torn.len(), 1);
        assert_eq!(read(&format!("{allow}{{\"kind\":\"outc")).torn.len(), 1);
        assert_eq!(read(&format!("{allow}{allow}")).repeated, ["a"]);
    }
}
