//! Where results go: how wide it is, whether it shows colours, and how text is laid out on it.

use std::io::IsTerminal as _;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::app::cli::wants_colour;

/// Where results go.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Screen {
    /// Columns of the terminal; nothing where it is none, and nothing is cut.
    pub(super) width: Option<usize>,
    pub(super) colour: bool,
}

/// Wider lines are hard to read.
const HELP_WIDTH_MAX: usize = 110;

/// As clap takes it where there is no terminal.
const HELP_WIDTH: usize = 100;

impl Screen {
    /// The standard output.
    pub(super) fn of_output() -> Self {
        Self { width: terminal_width(), colour: wants_colour(&std::io::stdout()) }
    }

    /// The standard error, whose text is broken between words.
    pub(super) fn of_errors() -> Self {
        let width = std::io::stderr().is_terminal().then(terminal_size::terminal_size).flatten();
        let width = width.map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0);
        Self { width, colour: false }
    }

    /// Width of help.
    pub(super) fn help_width() -> usize {
        terminal_width().unwrap_or(HELP_WIDTH).clamp(40, HELP_WIDTH_MAX)
    }

    /// A heading, or the name of a value.
    pub(super) fn strong(self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn terminal_width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let (width, _) = terminal_size::terminal_size_of(stdout)?;
    (width.0 > 0).then(|| usize::from(width.0))
}

/// Without what a terminal would obey: text of others must not move the cursor or hide lines.
pub(super) fn harmless(text: &str) -> String {
    let harmful = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    // Marks that turn the direction of writing make text look like other text.
    let turns = |letter: char| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|it| if harmful(it) || turns(it) { '\u{fffd}' } else { it }).collect()
}

/// How many columns `text` takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// `text` with as many spaces after it as fill `to` columns.
pub(super) fn padded(text: &str, to: usize) -> String {
    format!("{text}{:1$}", "", to.saturating_sub(width(text)))
}

/// `text` in `to` columns at most; `…` tells that something is missing.
pub(super) fn cut(text: &str, to: usize) -> String {
    if width(text) <= to {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut taken = 1;
    for letter in text.chars() {
        taken += letter.width().unwrap_or(0);
        if taken > to {
            break;
        }
        cut.push(letter);
    }
    let end = cut.trim_end().len();
    cut.truncate(end);
    if to > 0 {
        cut.push('…');
    }
    cut
}

/// `text` in lines of `to` columns, broken between words; its own line ends count as spaces, empty lines stay.
pub(super) fn wrapped(text: &str, to: usize) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let mut lines = vec![String::new()];
        for word in paragraph.split_whitespace() {
            let Some(line) = lines.last_mut() else { break };
            if line.is_empty() {
                line.push_str(word);
            } else if width(line) + 1 + width(word) <= to {
                line.push(' ');
                line.push_str(word);
            } else {
                lines.push(word.to_owned());
            }
        }
        lines.join("\n")
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_what_it_takes_on_the_screen() {
        assert_eq!(cut("harbour", 7), "harbour");
        assert_eq!(cut("harbours", 7), "harbou…");
        assert_eq!(cut("港港港港", 6), "港港…");
        assert_eq!(cut("a b", 2), "a…");
        assert_eq!(cut("a", 0), "");
        assert_eq!(padded("港", 4), "港  ");
    }

    #[test]
    fn nothing_a_terminal_obeys_is_shown() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{202e}c\nd"), "a\u{fffd}[2Jb\u{fffd}c\nd");
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("one two\nthree\n\nfour", 8), "one two\nthree\n\nfour");
    }
}
