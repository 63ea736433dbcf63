//! YAML (and so JSON) as a tree that knows where each value stands.
//!
//! What a document of operations has no use for, and what has made YAML readers fall over, is refused:
//! aliases, tags, two documents in one file, a key written twice.

use std::ops::Range;

use saphyr_parser::{Event, Marker, Parser, ScanError};

/// Deepest nesting. Published API documents stay below 20; beyond this somebody wants to see a reader fall.
const DEPTH_MAX: usize = 64;

/// A value and its place.
#[derive(Debug)]
pub(super) struct Node {
    /// The bytes it stands at, or those it begins with.
    pub(super) span: Range<usize>,
    /// What it is.
    pub(super) content: Content,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Content {
    /// Text, a number, a truth value or nothing: as written.
    Scalar(String),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in the file's order.
    Mapping(Vec<(Key, Node)>),
}

/// A key and its place.
#[derive(Debug)]
pub(super) struct Key {
    /// The key.
    pub(super) name: String,
    /// The bytes it stands at.
    pub(super) span: Range<usize>,
}

/// Why a text is not read, and the bytes it is about.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) span: Range<usize>,
}

impl Node {
    /// What a reference into this document leads to: `#/` and a JSON Pointer.
    pub(super) fn referenced(&self, reference: &str) -> Option<&Self> {
        let mut at = reference.strip_prefix("#/").map(|_| self);
        for step in reference.split('/').skip(1) {
            // RFC 6901 §4: `~1` is `/`, then `~0` is `~`.
            let step = step.replace("~1", "/").replace("~0", "~");
            at = at.and_then(|node| node.get(&step));
        }
        at
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list; none when it is no list.
    pub(super) fn items(&self) -> &[Node] {
        match &self.content {
            Content::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The keys and values of a mapping; none when it is no mapping.
    pub(super) fn entries(&self) -> &[(Key, Node)] {
        match &self.content {
            Content::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.entries().iter().find(|(key, _)| key.name == name).map(|(_, value)| value)
    }
}

/// Reads `text`.
///
/// # Errors
/// The first thing that is not YAML, or that is refused.
pub(super) fn read(text: &str) -> Result<Node, Wrong> {
    let mut builder = Builder { lines: line_starts(text), text, open: Vec::new(), root: None };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| builder.scan_error(&error))?;
        let span = builder.offset(span.start)..builder.offset(span.end);
        builder.take(event, span)?;
    }
    builder.root.ok_or_else(|| Wrong { message: String::from("is empty"), span: 0..0 })
}

fn line_starts(text: &str) -> Vec<usize> {
    let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(after).collect()
}

/// A list or mapping that is not closed yet.
struct Open {
    span: Range<usize>,
    kind: Kind,
}

enum Kind {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<(Key, Node)>, key: Option<Key> },
}

struct Builder<'t> {
    text: &'t str,
    lines: Vec<usize>,
    open: Vec<Open>,
    root: Option<Node>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Range<usize>) -> Result<(), Wrong> {
        match event {
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => refuse("tags are not read here", span),
            Event::Alias(_) => {
                refuse("aliases are not read here: write it out, or use `$ref`", span)
            }
            Event::Scalar(text, ..) => {
                let content = Content::Scalar(text.into_owned());
                self.put(Node { span, content })
            }
            Event::SequenceStart(..) => self.enter(Kind::Sequence(Vec::new()), span),
            Event::MappingStart(..) => {
                self.enter(Kind::Mapping { entries: Vec::new(), key: None }, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(),
            Event::DocumentStart(_) if self.root.is_some() => {
                refuse("one file holds one document", span)
            }
            _ => Ok(()),
        }
    }

    fn enter(&mut self, kind: Kind, span: Range<usize>) -> Result<(), Wrong> {
        if self.open.len() >= DEPTH_MAX {
            return refuse("is nested deeper than 64 levels", span);
        }
        self.open.push(Open { span, kind });
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Wrong> {
        let Some(Open { span, kind }) = self.open.pop() else {
            return refuse("ends what was not begun", 0..0);
        };
        let content = match kind {
            Kind::Sequence(items) => Content::Sequence(items),
            Kind::Mapping { entries, .. } => Content::Mapping(entries),
        };
        self.put(Node { span, content })
    }

    /// A complete value goes into what is open, or is the whole.
    fn put(&mut self, node: Node) -> Result<(), Wrong> {
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(Kind::Sequence(items)) => items.push(node),
            Some(Kind::Mapping { entries, key }) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => *key = Some(new_key(entries, node)?),
            },
        }
        Ok(())
    }

    fn scan_error(&self, error: &ScanError) -> Wrong {
        let at = self.offset(*error.marker());
        Wrong { message: format!("is no YAML: {}", error.info()), span: at..at }
    }

    /// The parser counts characters, the text is bytes.
    fn offset(&self, marker: Marker) -> usize {
        let start = self.lines.get(marker.line().saturating_sub(1)).copied();
        let line = start.and_then(|start| Some((start, self.text.get(start..)?)));
        let Some((start, line)) = line else { return self.text.len() };
        let within = line.char_indices().nth(marker.col()).map_or(line.len(), |(at, _)| at);
        start + within
    }
}

fn new_key(entries: &[(Key, Node)], node: Node) -> Result<Key, Wrong> {
    let Content::Scalar(name) = node.content else {
        return Err(Wrong { message: String::from("a key must be text"), span: node.span });
    };
    if entries.iter().any(|(known, _)| known.name == name) {
        let message = format!("the key `{name}` is written twice");
        return Err(Wrong { message, span: node.span });
    }
    Ok(Key { name, span: node.span })
}

fn refuse(message: &str, span: Range<usize>) -> Result<(), Wrong> {
    Err(Wrong { message: message.to_owned(), span })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_yaml_and_json_with_places() {
        for text in ["å: x\nb:\n  - c: 'd e'\n", "{\"å\": \"x\", \"b\": [{\"c\": \"d e\"}]}"] {
            let root = read(text).unwrap();
            assert_eq!(root.get("å").unwrap().text(), Some("x"));
            let inner = root.get("b").unwrap().items()[0].get("c").unwrap();
            assert_eq!(inner.text(), Some("d e"));
            assert!(text.get(inner.span.clone()).unwrap().contains("d e"), "{:?}", inner.span);
        }
    }

    #[test]
    fn keeps_scalars_as_written() {
        let root = read("a: true\nb: 007\nc:\nd: ~\ne: |\n  two\n  lines\n").unwrap();
        let text = |key| root.get(key).unwrap().text().unwrap().to_owned();
        assert_eq!(["a", "b", "d", "e"].map(text), ["true", "007", "~", "two\nlines\n"]);
    }

    #[test]
    fn refuses_what_it_has_no_use_for() {
        let deep = "[".repeat(65) + &"]".repeat(65);
        for (text, message, place) in [
            ("a: &x 1\nb: *x\n", "aliases", "*x"),
            ("a: !!set {}\n", "tags", ""),
            ("a: 1\nb: 2\na: 3\n", "the key `a` is written twice", "a"),
            ("a: 1\n---\nb: 2\n", "one document", ""),
            ("[a]: 1\n", "a key must be text", ""),
            ("a: [1\n", "is no YAML", ""),
            ("a: 'x\n", "is no YAML", ""),
            ("", "is empty", ""),
            ("# nothing\n", "is empty", ""),
            (&deep, "deeper than 64", ""),
        ] {
            let wrong = read(text).unwrap_err();
            assert!(wrong.message.contains(message), "{text}: {}", wrong.message);
            assert!(
                text.get(wrong.span.clone()).unwrap().starts_with(place),
                "{text}: {:?}",
                wrong.span
            );
        }
    }
}
