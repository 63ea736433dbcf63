//! Finds the paths in a token list and resolves `crate`, `self` and `super` in them.

use super::lexer::Token;

/// A path from the crate's root, with the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundPath {
    pub segments: Vec<String>,
    pub line: usize,
}

/// Every path that begins with `crate`, `self` or `super`, seen from the module `file_module`.
/// A group in braces gives one path per entry.
pub(super) fn inside(tokens: &[Token<'_>], file_module: &[String]) -> Vec<FoundPath> {
    let mut found = Vec::new();
    let mut modules = Modules::new(file_module);
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        modules.see(tokens, at);
        let starts = matches!(token.text, "crate" | "self" | "super")
            && text(tokens, at + 1) == "::"
            && (at == 0 || text(tokens, at - 1) != "::");
        at = if starts { tree(tokens, at, modules.path(), &mut found) } else { at + 1 };
    }
    found
}

/// Every first word of a path that is none of ours: `name::…`, `use name;` and entries of `use {…}`.
pub(super) fn outside(tokens: &[Token<'_>]) -> Vec<FoundPath> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = if at == 0 { "" } else { text(tokens, at - 1) };
        // `::name` at the start of a path names a crate too.
        let rooted = before == "::" && at > 1 && !continues_path(text(tokens, at - 2));
        let begins = before != "::" && before != "." || rooted;
        let leads = text(tokens, at + 1) == "::" || before == "use";
        if is_word(token.text) && begins && leads {
            let mut segments = vec![String::from(token.text)];
            if text(tokens, at + 1) == "::" {
                tree(tokens, at + 2, segments, &mut found);
            } else {
                segments.truncate(1);
                found.push(FoundPath { segments, line: token.line });
            }
        }
    }
    found
}

/// Leaves out every item under `#[cfg(test)]`.
pub(super) fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let marked =
            MARK.iter().enumerate().all(|(offset, mark)| text(tokens, at + offset) == *mark);
        if marked {
            at = item_end(tokens, at + MARK.len());
        } else {
            kept.push(*token);
            at += 1;
        }
    }
    kept
}

/// Where the item that starts at `at` ends: after its `;` or its closing brace.
fn item_end(tokens: &[Token<'_>], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token.text {
            "{" => depth += 1,
            "}" if depth <= 1 => return at,
            "}" => depth -= 1,
            ";" if depth == 0 => return at,
            _ => {}
        }
    }
    at
}

/// Reads a path or a tree of paths from `at` on, joined to `base`; returns where it ends.
fn tree(
    tokens: &[Token<'_>],
    mut at: usize,
    mut base: Vec<String>,
    found: &mut Vec<FoundPath>,
) -> usize {
    let line = tokens.get(at).map_or(0, |token| token.line);
    loop {
        match text(tokens, at) {
            "crate" => base.clear(),
            "self" | "*" => {}
            "super" => {
                base.pop();
            }
            "{" => return group(tokens, at + 1, &base, found),
            word if is_word(word) => base.push(String::from(word)),
            // A generic argument or a macro mark ends the path.
            _ => break,
        }
        at += 1;
        if text(tokens, at) != "::" {
            break;
        }
        at += 1;
    }
    found.push(FoundPath { segments: base, line });
    at
}

fn group(
    tokens: &[Token<'_>],
    mut at: usize,
    base: &[String],
    found: &mut Vec<FoundPath>,
) -> usize {
    while !matches!(text(tokens, at), "}" | "") {
        let end = tree(tokens, at, base.to_vec(), found);
        at = end.max(at + 1);
        // `as name` and the comma belong to the entry.
        while !matches!(text(tokens, at), "," | "}" | "") {
            at += 1;
        }
        if text(tokens, at) == "," {
            at += 1;
        }
    }
    at + 1
}

/// The inline modules around a token.
struct Modules {
    file: Vec<String>,
    open: Vec<(String, usize)>,
    depth: usize,
}

impl Modules {
    fn new(file: &[String]) -> Self {
        Self { file: file.to_vec(), open: Vec::new(), depth: 0 }
    }

    fn see(&mut self, tokens: &[Token<'_>], at: usize) {
        match text(tokens, at) {
            "{" => {
                self.depth += 1;
                if at >= 2 && text(tokens, at - 2) == "mod" {
                    self.open.push((String::from(text(tokens, at - 1)), self.depth));
                }
            }
            "}" => {
                if self.open.last().is_some_and(|(_, depth)| *depth == self.depth) {
                    self.open.pop();
                }
                self.depth = self.depth.saturating_sub(1);
            }
            _ => {}
        }
    }

    fn path(&self) -> Vec<String> {
        let inline = self.open.iter().map(|(name, _)| name.clone());
        self.file.iter().cloned().chain(inline).collect()
    }
}

fn text<'a>(tokens: &[Token<'a>], at: usize) -> &'a str {
    tokens.get(at).map_or("", |token| token.text)
}

/// Whether a `::` behind `text` goes on with a path; behind anything else it begins one.
fn continues_path(text: &str) -> bool {
    text == ">" || is_word(text) && !matches!(text, "use" | "as" | "dyn" | "impl" | "in" | "return")
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}
