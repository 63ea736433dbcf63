//! Filters (RFC 7644 §3.4.2.2): reads one once, and says of each resource whether it is found.

use serde_json::{Map, Value};

use super::attribute::Attribute;
use super::error::ScimError;
use super::kind::{Kind, Named, Place};

mod compare;
mod element;
mod grammar;
mod moment;
#[cfg(test)]
mod tests;
mod tree;

use compare::Test;
pub(crate) use element::Elements;
pub(super) use grammar::FILTER_BYTES_MAX;
pub(crate) use grammar::{Chosen, value_path};
use tree::Tree;

/// A filter that was read.
#[derive(Clone, Debug)]
pub struct Filter(Tree<Term>);

/// One condition.
#[derive(Clone, Debug)]
enum Term {
    /// A comparison of an attribute.
    Attribute(Target, Test),
    /// A filter on the values of one list: any value that matches will do.
    Elements(Target, Elements),
}

/// What a name stands for, in either kind of resource.
#[derive(Clone, Copy, Debug)]
struct Target {
    user: Option<Place>,
    group: Option<Place>,
}

/// The attributes a caller may look up by an index.
const INDEXED: [&str; 4] = ["userName", "externalId", "displayName", "id"];

impl Filter {
    /// Reads a filter of at most `FILTER_BYTES_MAX` bytes and `DEPTH_MAX` brackets within each other.
    ///
    /// # Errors
    /// 400 `invalidFilter` if it cannot be read, is longer or deeper, or orders true and false.
    pub fn parse(text: &str) -> Result<Self, ScimError> {
        grammar::filter(text).map(Self)
    }

    /// Whether the filter finds a resource, given as it is answered: with `schemas`, `id` and `meta`.
    ///
    /// An attribute that is not known finds nothing, and is no error. An attribute that is known and not there is
    /// compared as null: `ne` finds it. A list matches if any of its values does.
    #[must_use]
    pub fn matches(&self, resource: &Value) -> bool {
        let Some(resource) = resource.as_object() else { return false };
        let kind = Kind::of(resource).unwrap_or(Kind::User);
        self.0.holds(&|term| term.holds(kind, resource))
    }

    /// The attribute and the text, where the filter is one `eq` on `userName`, `externalId`, `displayName` or `id`.
    ///
    /// The attribute is spelt as in the schema. `userName` and `displayName` are compared in any case.
    #[must_use]
    pub fn equality(&self) -> Option<(&'static str, &str)> {
        let Tree::Leaf(Term::Attribute(target, test)) = &self.0 else { return None };
        let wanted = test.equal_text()?;
        let place = target.user.or(target.group)?;
        let name = INDEXED.into_iter().find(|name| place.attribute.name == *name)?;
        Some((name, wanted))
    }
}

impl Term {
    fn holds(&self, kind: Kind, resource: &Map<String, Value>) -> bool {
        match self {
            Self::Attribute(target, test) => {
                target.of(kind).is_some_and(|place| place_holds(place, resource, test))
            }
            Self::Elements(target, elements) => target.of(kind).is_some_and(|place| {
                let container = place.container(resource);
                let values = container.and_then(|object| object.get(place.attribute.name));
                each(values).any(|value| elements.matches(value))
            }),
        }
    }
}

impl Target {
    fn named(text: &str) -> Self {
        let place = |kind: Kind| match kind.named(text) {
            Named::Place(place) => Some(place),
            Named::Extension | Named::Unknown => None,
        };
        Self { user: place(Kind::User), group: place(Kind::Group) }
    }

    fn of(self, kind: Kind) -> Option<Place> {
        match kind {
            Kind::User => self.user,
            Kind::Group => self.group,
        }
    }

    /// The attribute or part that is compared.
    fn compared(self) -> Option<&'static Attribute> {
        let place = self.user.or(self.group)?;
        place.part.or_else(|| place.attribute.compared())
    }
}

fn place_holds(place: Place, resource: &Map<String, Value>, test: &Test) -> bool {
    let container = place.container(resource);
    let value = container.and_then(|object| object.get(place.attribute.name));
    let Some(compared) = place.part.or_else(|| place.attribute.compared()) else {
        // A complex attribute without a `value` can be there, and compares with nothing.
        return test.is_present() && each(value).any(compare::says_something);
    };
    if test.is_present() && place.part.is_none() {
        return each(value).any(compare::says_something);
    }
    let within = place.part.is_some() || !place.attribute.parts().is_empty();
    let mut compared_with = each(value)
        .filter_map(|value| if within { value.get(compared.name) } else { Some(value) })
        .peekable();
    if compared_with.peek().is_none() {
        return test.holds(compared, None);
    }
    compared_with.any(|value| test.holds(compared, Some(value)))
}

/// The values of a list, or the one value.
fn each(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let list = value.and_then(Value::as_array);
    let one = if list.is_some() { None } else { value };
    list.into_iter().flatten().chain(one)
}
