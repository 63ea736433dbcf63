//! Reads the text of filters, and of paths with a filter in them. The grammar is `scim_v2`'s; the bounds are ours.

use scim_v2::filter::{AttrExp, Filter, FilterActionError, ParseError, PatchPath};

use super::super::attribute::Attribute;
use super::super::error::{ScimError, quoted};
use super::super::kind::{Kind, Named, Place};
use super::compare::Test;
use super::element::Elements;
use super::tree::Tree;
use super::{Target, Term};

/// Longest filter or path, in bytes: some twenty comparisons.
pub(crate) const FILTER_BYTES_MAX: usize = 1_024;

/// Most brackets within each other. People write two or three; each costs the stack a frame.
pub(super) const DEPTH_MAX: usize = 16;

/// Chosen values of a list, or a part of each: `emails[type eq "work"].value`.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    /// The list.
    pub(crate) place: Place,
    /// Which of its values.
    pub(crate) elements: Elements,
    /// The part of each, if one is named.
    pub(crate) part: Option<&'static Attribute>,
}

/// Reads a filter.
///
/// # Errors
/// 400 `invalidFilter`, as [`super::Filter::parse`].
pub(super) fn filter(text: &str) -> Result<Tree<Term>, ScimError> {
    let bounded = bounded(text).map_err(ScimError::invalid_filter)?;
    let read: Filter = bounded.parse().map_err(|error| {
        ScimError::invalid_filter(format!("the filter {}", fault(&bounded, &error)))
    })?;
    tree(read)
}

/// Reads a path with a filter, of this kind; nothing, if it leads to what is not kept.
///
/// # Errors
/// 400 `invalidPath` if it cannot be read, is longer or deeper, or its attribute is no list of objects;
/// 400 `invalidFilter` if it orders true and false.
pub(crate) fn value_path(kind: Kind, text: &str) -> Result<Option<Chosen>, ScimError> {
    let bounded = bounded(text).map_err(ScimError::invalid_path)?;
    let read: PatchPath = bounded.parse().map_err(|error| {
        ScimError::invalid_path(format!("the path {}", fault(&bounded, &error)))
    })?;
    let PatchPath::Value(path) = read else {
        return Err(ScimError::invalid_path(format!("{} has no filter", quoted(text))));
    };
    let Named::Place(place) = kind.named(&path.attr.to_string()) else { return Ok(None) };
    let attribute = place.attribute;
    if place.part.is_some() || !attribute.multi_valued || attribute.parts().is_empty() {
        let detail = format!("`{}` is no list of objects to filter", place.name());
        return Err(ScimError::invalid_path(detail));
    }
    let elements = Elements::of(Some(attribute), path.filter)?;
    let part = match path.sub_attr {
        None => None,
        Some(name) => match attribute.part(&name) {
            None => return Ok(None),
            part => part,
        },
    };
    Ok(Some(Chosen { place, elements, part }))
}

fn tree(filter: Filter) -> Result<Tree<Term>, ScimError> {
    let all = |inner: Vec<Filter>| inner.into_iter().map(tree).collect::<Result<_, _>>();
    Ok(match filter {
        Filter::Attr(AttrExp::Present(path)) => {
            Tree::Leaf(Term::Attribute(Target::named(&path.to_string()), Test::Present))
        }
        Filter::Attr(AttrExp::Comparison(path, operator, value)) => {
            let target = Target::named(&path.to_string());
            let test = Test::comparison(target.compared(), operator, value)?;
            Tree::Leaf(Term::Attribute(target, test))
        }
        Filter::ValuePath(path) => {
            let target = Target::named(&path.attr.to_string());
            let attribute = target.user.or(target.group).map(|place| place.attribute);
            Tree::Leaf(Term::Elements(target, Elements::of(attribute, *path.filter)?))
        }
        Filter::Not(inner) => Tree::Not(Box::new(tree(*inner)?)),
        Filter::And(inner) => Tree::All(all(inner.into_vec())?),
        Filter::Or(inner) => Tree::Any(all(inner.into_vec())?),
    })
}

/// The text with a space after each `not`, unless it is too long or too deep.
fn bounded(text: &str) -> Result<String, String> {
    if text.len() > FILTER_BYTES_MAX {
        return Err(format!("it has at most {FILTER_BYTES_MAX} bytes"));
    }
    let mut bounded = String::with_capacity(text.len() + DEPTH_MAX);
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for character in text.chars() {
        match character {
            _ if in_text => {
                in_text = escaped || character != '"';
                escaped = !escaped && character == '\\';
            }
            '"' => in_text = true,
            '(' | '[' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(format!("it has at most {DEPTH_MAX} brackets within each other"));
                }
                // RFC 7644 §3.4.2.2 figure 1: no space between `not` and its bracket. `scim_v2` wants one.
                if character == '(' && ends_with_not(&bounded) {
                    bounded.push(' ');
                }
            }
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        bounded.push(character);
    }
    Ok(bounded)
}

fn ends_with_not(text: &str) -> bool {
    let word = text.rsplit([' ', '\t', '(', '[']).next().unwrap_or_default();
    word.eq_ignore_ascii_case("not")
}

/// What is wrong with a text, as an error tells it after "the filter".
fn fault(text: &str, error: &ParseError) -> String {
    let location = match error {
        ParseError::InvalidToken { location } => *location,
        ParseError::UnrecognizedToken { token, .. } | ParseError::ExtraToken { token } => token.0,
        ParseError::UnrecognizedEof { .. } => return "ends too early".to_owned(),
        ParseError::User { error } => return misused(error),
    };
    match text.get(location..) {
        Some(rest) => format!("cannot be read from {} on", quoted(rest.trim())),
        None => "cannot be read".to_owned(),
    }
}

fn misused(error: &FilterActionError) -> String {
    match error {
        FilterActionError::InvalidAttrPath(name) | FilterActionError::InvalidAttrName(name) => {
            format!("has {} for a name", quoted(name))
        }
        FilterActionError::InvalidCompValue(_) => "has a value that cannot be read".to_owned(),
        _ => "has too much in it".to_owned(),
    }
}
