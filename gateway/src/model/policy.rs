//! Policy text as it was read, before anybody has judged it.

/// One file of policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySource {
    /// Where it came from, as error messages name it: a path relative to the configuration.
    pub name: String,
    /// Cedar text.
    pub text: String,
}
