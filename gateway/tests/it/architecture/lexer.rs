//! Cuts Rust source into the words and marks a path is made of, without comments and literals.

/// A word or mark, with the line it stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

/// Cuts `source` into tokens: identifiers, `::`, and single characters. Comments, strings, characters
/// and lifetimes are left out.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { rest: source, line: 1 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next_token() {
        tokens.push(token);
    }
    tokens
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Lexer<'a> {
    fn next_token(&mut self) -> Option<Token<'a>> {
        loop {
            let first = self.rest.chars().next()?;
            if self.skip_comment() || self.skip_literal() {
                continue;
            }
            let line = self.line;
            let length = if is_word(first) {
                self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len())
            } else if self.rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let text = self.advance(length);
            if !first.is_whitespace() {
                return Some(Token { text, line });
            }
        }
    }

    fn skip_comment(&mut self) -> bool {
        if self.rest.starts_with("//") {
            self.advance(self.rest.find('\n').unwrap_or(self.rest.len()));
            return true;
        }
        if !self.rest.starts_with("/*") {
            return false;
        }
        self.advance(2);
        let mut depth = 1;
        while depth > 0 && !self.rest.is_empty() {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.advance(2);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.advance(2);
            } else {
                self.advance_char();
            }
        }
        true
    }

    fn skip_literal(&mut self) -> bool {
        if let Some(hashes) = raw_string_hashes(self.rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let open = self.rest.find('"').map_or(self.rest.len(), |at| at + 1);
            self.advance(open);
            let close = self.rest.find(&end).map_or(self.rest.len(), |at| at + end.len());
            self.advance(close);
            return true;
        }
        for prefix in ["\"", "b\"", "c\""] {
            if self.rest.starts_with(prefix) {
                self.advance(prefix.len());
                self.skip_to_quote('"');
                return true;
            }
        }
        if self.rest.starts_with("b'") || self.rest.starts_with('\'') {
            self.skip_character_or_lifetime();
            return true;
        }
        false
    }

    /// `'x'` and `'\n'` are characters; `'a` without a closing quote is a lifetime.
    fn skip_character_or_lifetime(&mut self) {
        self.advance(self.rest.find('\'').map_or(0, |at| at + 1));
        let mut ahead = self.rest.chars();
        let escaped = ahead.next() == Some('\\');
        if escaped || ahead.next() == Some('\'') {
            self.skip_to_quote('\'');
        } else {
            self.advance(self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len()));
        }
    }

    fn skip_to_quote(&mut self, quote: char) {
        while let Some(next) = self.rest.chars().next() {
            self.advance_char();
            if next == quote {
                return;
            }
            if next == '\\' {
                self.advance_char();
            }
        }
    }

    fn advance_char(&mut self) {
        self.advance(self.rest.chars().next().map_or(0, char::len_utf8));
    }

    fn advance(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        self.line += taken.matches('\n').count();
        taken
    }
}

/// How many `#` open the raw string at the start of `text`; `None` when there is no raw string.
fn raw_string_hashes(text: &str) -> Option<usize> {
    let after = ["r", "br", "cr"].into_iter().find_map(|prefix| {
        text.strip_prefix(prefix).filter(|after| after.starts_with(['#', '"']))
    })?;
    let hashes = after.chars().take_while(|c| *c == '#').count();
    // `r#name` is a raw identifier.
    (after.chars().nth(hashes) == Some('"')).then_some(hashes)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
