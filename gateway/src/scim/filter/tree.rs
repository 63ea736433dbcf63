//! Conditions joined by `and`, `or` and `not`, whatever a condition is.

/// A condition, or conditions joined.
#[derive(Clone, Debug)]
pub(super) enum Tree<T> {
    /// One condition.
    Leaf(T),
    /// What is not so.
    Not(Box<Self>),
    /// All of these.
    All(Vec<Self>),
    /// At least one of these.
    Any(Vec<Self>),
}

impl<T> Tree<T> {
    /// How many conditions it has.
    pub(super) fn conditions(&self) -> usize {
        match self {
            Self::Leaf(_) => 1,
            Self::Not(inner) => inner.conditions(),
            Self::All(inner) | Self::Any(inner) => inner.iter().map(Self::conditions).sum(),
        }
    }

    /// Whether it holds, where `leaf` says it of a condition. Trees are as deep as their text, and that is bounded.
    pub(super) fn holds(&self, leaf: &impl Fn(&T) -> bool) -> bool {
        match self {
            Self::Leaf(condition) => leaf(condition),
            Self::Not(inner) => !inner.holds(leaf),
            Self::All(inner) => inner.iter().all(|inner| inner.holds(leaf)),
            Self::Any(inner) => inner.iter().any(|inner| inner.holds(leaf)),
        }
    }
}
