//! An explanation for somebody at a terminal.

use std::io::{self, Write};

use super::explain::{Answer, Makers};
use super::recorded::{Same, Then};
use crate::app::cli::wants_colour;
use crate::authz::{Change, Part, PolicyAccount, Truth};

/// Writes an explanation, with colours where a person reads it.
pub(super) struct Story<'o> {
    out: &'o mut dyn Write,
    colour: bool,
}

const GREEN: &str = "32";
const RED: &str = "31";
const YELLOW: &str = "33";
const FAINT: &str = "2";
const BOLD: &str = "1";

impl<'o> Story<'o> {
    pub(super) fn new(out: &'o mut dyn Write) -> Self {
        Self { out, colour: wants_colour(&io::stdout()) }
    }

    pub(super) fn tell(mut self, answer: &Answer) -> io::Result<()> {
        let told = &answer.explanation;
        let word =
            if told.allowed { self.paint(GREEN, "ALLOWED") } else { self.paint(RED, "DENIED") };
        let Answer { principal, action, resource, .. } = answer;
        writeln!(self.out, "{word}  {principal}  {action}  {resource}  ({})", told.code)?;
        for line in told.reason.iter().chain(&answer.remark) {
            writeln!(self.out, "        {line}")?;
        }
        if let Some(then) = &answer.recorded {
            self.then(then)?;
        }
        let (deciding, others): (Vec<_>, Vec<_>) =
            told.policies.iter().partition(|policy| policy.decides);
        if !deciding.is_empty() {
            self.heading("Decided by")?;
        }
        for policy in &deciding {
            self.policy(policy)?;
        }
        if told.policies.is_empty() {
            writeln!(self.out, "\n{}", nothing_considered(told.code))?;
        } else if !others.is_empty() {
            self.heading("Also considered")?;
        }
        for policy in &others {
            self.policy(policy)?;
        }
        if !told.allowed {
            self.remedies(answer)?;
        }
        Ok(())
    }

    /// Says when the log has it otherwise: what is told below is about now.
    fn then(&mut self, then: &Then) -> io::Result<()> {
        let Then { decision, effect, code, policies, same } = then;
        let by = if policies.is_empty() {
            String::new()
        } else {
            format!(" by {}", policies.join(", "))
        };
        writeln!(self.out, "        decision {decision}: {effect} ({code}{by})")?;
        let note = match same {
            None => format!(
                "It was refused for `{code}`, which is not an answer of the policies; what they say is about now."
            ),
            Some(Same { answer: true, snapshot: true }) => return Ok(()),
            Some(Same { answer: true, snapshot: false }) => {
                "Policies, settings or resources are not the ones it was decided under; the answer is the same."
                    .to_owned()
            }
            Some(Same { answer: false, .. }) => {
                "It would be decided otherwise now: policies, settings, resources or roles changed since."
                    .to_owned()
            }
        };
        let note = self.paint(YELLOW, &note);
        writeln!(self.out, "        {note}")
    }

    fn heading(&mut self, text: &str) -> io::Result<()> {
        let text = self.paint(BOLD, text);
        writeln!(self.out, "\n{text}")
    }

    fn policy(&mut self, policy: &PolicyAccount) -> io::Result<()> {
        let (word, colour) = match policy.outcome {
            Truth::True => ("satisfied", GREEN),
            Truth::False | Truth::NotReached => ("not satisfied", FAINT),
            Truth::Error => ("cannot be evaluated", RED),
        };
        let word = self.paint(colour, word);
        let place = self.paint(FAINT, &format!("{}:{}", policy.file, policy.line));
        writeln!(self.out, "  {} {}  {word}  {place}", policy.effect, policy.id)?;
        let mut notes = Vec::new();
        notes.extend(policy.reason.as_ref().map(|reason| format!("@reason {reason}")));
        notes.extend(policy.quota.as_ref().map(|quota| format!("@quota {quota}")));
        notes.extend(policy.log_strict.then(|| "@log strict".to_owned()));
        for note in notes {
            let note = self.paint(FAINT, &note);
            writeln!(self.out, "      {note}")?;
        }
        if policy.conditions.is_empty() {
            writeln!(self.out, "      no condition: its scope is enough")?;
        }
        // What holds explains little about a policy that is not satisfied.
        let whole = policy.outcome == Truth::True;
        for part in policy.conditions.iter().filter(|part| whole || part.outcome != Truth::True) {
            self.part(part, 6)?;
        }
        Ok(())
    }

    fn part(&mut self, part: &Part, indent: usize) -> io::Result<()> {
        let (word, colour) = match part.outcome {
            Truth::True => ("true ", GREEN),
            Truth::False => ("false", RED),
            Truth::Error => ("error", RED),
            Truth::NotReached => ("-    ", FAINT),
        };
        let word = self.paint(colour, word);
        writeln!(self.out, "{:indent$}{word}  {}", "", part.text)?;
        let below = indent + 7;
        if let Some(error) = &part.error {
            writeln!(self.out, "{:below$}{error}", "")?;
        }
        for seen in &part.saw {
            let line = format!("{} = {}", seen.what, seen.value);
            let line = self.paint(YELLOW, &line);
            writeln!(self.out, "{:below$}{line}", "")?;
        }
        for alternative in &part.any_of {
            self.part(alternative, below)?;
        }
        Ok(())
    }

    fn remedies(&mut self, answer: &Answer) -> io::Result<()> {
        let remedies = &answer.explanation.remedies;
        if remedies.is_empty() {
            return writeln!(
                self.out,
                "\nNo one or two changes of roles, scopes or attributes were found that would allow it."
            );
        }
        self.heading("Smallest changes that would allow it")?;
        for (remedy, who) in remedies.iter().zip(&answer.who) {
            let changes: Vec<String> =
                remedy.changes.iter().map(|change| change_text(change, answer)).collect();
            let opens = match remedy.opens {
                0 => "and nothing else on it".to_owned(),
                1 => "and 1 more action on it".to_owned(),
                more => format!("and {more} more actions on it"),
            };
            let opens = self.paint(FAINT, &format!("({opens})"));
            writeln!(self.out, "  {}  {opens}", changes.join(", and "))?;
            for makers in who {
                writeln!(self.out, "      {}", makers_text(makers))?;
            }
        }
        Ok(())
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn nothing_considered(code: &str) -> &'static str {
    match code {
        "unknown_resource" => "There is no such resource in the organisation: no policy was asked.",
        "invalid_request" => {
            "The schema does not have this action for such a principal and such a resource: no policy \
             was asked."
        }
        _ => "The scope of no policy matches: nothing permits it.",
    }
}

fn change_text(change: &Change, answer: &Answer) -> String {
    match change {
        Change::Role { role, on } => format!("give {} the role {role} on {on}", answer.principal),
        Change::Scope { scope } => format!("give {} the scope {scope}", answer.principal),
        Change::Attribute { of, attribute, from, to: Some(to) } => {
            format!("change {attribute} of {of} from {from} to {to}")
        }
        Change::Attribute { of, attribute, from, to: None } => {
            format!("change {attribute} of {of} from {from} to anything no policy names")
        }
    }
}

fn makers_text(makers: &Makers) -> String {
    let Some(action) = &makers.action else {
        return "who may: policies/changes.toml does not say which action makes this change"
            .to_owned();
    };
    let Some(on) = &makers.on else {
        return format!("who may: `{action}` is for nothing at or above it");
    };
    let more = match makers.more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match makers.members.join(", ") {
        none if none.is_empty() => format!("who may: no member ({action} on {on})"),
        members => format!("who may: {members}{more} ({action} on {on})"),
    }
}
