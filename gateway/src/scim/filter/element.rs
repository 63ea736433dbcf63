//! The filter in brackets after the name of a list: which of its values are meant.

use scim_v2::filter::{AttrExp, AttrPath, ValFilter};
use serde_json::{Map, Value};

use super::super::attribute::Attribute;
use super::super::error::ScimError;
use super::compare::Test;
use super::tree::Tree;

/// A filter on the values of a list.
#[derive(Clone, Debug)]
pub(crate) struct Elements(Tree<PartTest>);

/// A comparison of a part; of nothing, if the part is not known.
#[derive(Clone, Debug)]
struct PartTest {
    part: Option<&'static Attribute>,
    test: Test,
}

impl Elements {
    /// Takes what was read over, for the parts of `attribute`.
    ///
    /// # Errors
    /// 400 `invalidFilter` if it orders true and false.
    pub(super) fn of(
        attribute: Option<&'static Attribute>,
        filter: ValFilter,
    ) -> Result<Self, ScimError> {
        tree(attribute, filter).map(Self)
    }

    /// Whether a value of the list is meant.
    pub(crate) fn matches(&self, value: &Value) -> bool {
        self.0.holds(&|condition| {
            let Some(part) = condition.part else { return false };
            condition.test.holds(part, value.get(part.name))
        })
    }

    /// How many comparisons it costs to look at one value, at most.
    pub(crate) fn conditions(&self) -> usize {
        self.0.conditions()
    }

    /// What a value must say to be meant, where the filter says exactly that: `eq`, and `eq` joined by `and`.
    pub(crate) fn equalities(&self) -> Option<Map<String, Value>> {
        let mut said = Map::new();
        let all = match &self.0 {
            Tree::All(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        for condition in all {
            let Tree::Leaf(PartTest { part: Some(part), test }) = condition else { return None };
            said.insert(part.name.to_owned(), test.equal_value()?);
        }
        Some(said)
    }
}

fn tree(
    attribute: Option<&'static Attribute>,
    filter: ValFilter,
) -> Result<Tree<PartTest>, ScimError> {
    let all = |inner: Vec<ValFilter>| inner.into_iter().map(|inner| tree(attribute, inner));
    Ok(match filter {
        ValFilter::Attr(condition) => Tree::Leaf(condition_of(attribute, condition)?),
        ValFilter::Not(inner) => Tree::Not(Box::new(tree(attribute, *inner)?)),
        ValFilter::And(inner) => Tree::All(all(inner.into_vec()).collect::<Result<_, _>>()?),
        ValFilter::Or(inner) => Tree::Any(all(inner.into_vec()).collect::<Result<_, _>>()?),
    })
}

fn condition_of(
    attribute: Option<&'static Attribute>,
    condition: AttrExp,
) -> Result<PartTest, ScimError> {
    let part = |path: &AttrPath| match path {
        // RFC 7644 §3.4.2.2: within brackets the names are those of the parts.
        AttrPath { uri: None, name, sub_attr: None } => attribute?.part(name),
        _ => None,
    };
    Ok(match condition {
        AttrExp::Present(path) => PartTest { part: part(&path), test: Test::Present },
        AttrExp::Comparison(path, operator, value) => {
            let part = part(&path);
            PartTest { part, test: Test::comparison(part, operator, value)? }
        }
    })
}
