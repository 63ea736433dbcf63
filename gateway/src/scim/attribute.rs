//! What an attribute is: its name, form and rules, as RFC 7643 §7 describes them. The table itself is in `table`.

pub(super) mod table;

/// One attribute, or one part of a complex attribute.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// The name as it is answered. Requests may spell it in any case.
    pub name: &'static str,
    /// What it is, for people.
    pub description: &'static str,
    /// What a value looks like.
    pub form: Form,
    /// Whether it has a list of values.
    pub multi_valued: bool,
    /// Whether a resource must have it.
    pub required: bool,
    /// Whether upper and lower case differ when values are compared.
    pub case_exact: bool,
    /// Who may change it.
    pub mutability: Mutability,
    /// When it is answered.
    pub returned: Returned,
    /// Whether two resources may have the same value.
    pub uniqueness: Uniqueness,
    /// The values clients usually send. Others are taken too.
    pub canonical_values: &'static [&'static str],
}

/// What a value looks like (RFC 7643 §2.3).
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// A text.
    Text,
    /// True or false.
    Boolean,
    /// A moment, as RFC 3339 writes it.
    DateTime,
    /// A URI of one of these kinds.
    Reference(&'static [&'static str]),
    /// An object with these parts.
    Complex(&'static [Attribute]),
}

/// Who may change it (RFC 7643 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    /// The server alone.
    ReadOnly,
    /// The client, any time.
    ReadWrite,
    /// The client, once.
    Immutable,
}

/// When it is answered (RFC 7643 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// Whatever the request says.
    Always,
    /// Unless the request says otherwise.
    Default,
}

/// Whether two resources may have the same value (RFC 7643 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uniqueness {
    /// They may.
    None,
    /// They may not, within one organisation.
    Server,
}

impl Attribute {
    /// A text.
    #[must_use]
    pub const fn text(name: &'static str, description: &'static str) -> Self {
        Self::of(Form::Text, name, description)
    }

    /// True or false.
    #[must_use]
    pub const fn boolean(name: &'static str, description: &'static str) -> Self {
        Self::of(Form::Boolean, name, description)
    }

    /// A moment.
    #[must_use]
    pub const fn date_time(name: &'static str, description: &'static str) -> Self {
        Self::of(Form::DateTime, name, description)
    }

    /// A URI of one of `kinds`.
    #[must_use]
    pub const fn reference(
        name: &'static str,
        kinds: &'static [&'static str],
        description: &'static str,
    ) -> Self {
        // RFC 7643 §2.3.7: a reference is case-exact.
        Self::of(Form::Reference(kinds), name, description).case_exact()
    }

    /// An object with `parts`.
    #[must_use]
    pub const fn complex(
        name: &'static str,
        parts: &'static [Attribute],
        description: &'static str,
    ) -> Self {
        Self::of(Form::Complex(parts), name, description)
    }

    /// The same with a list of values.
    #[must_use]
    pub const fn multi_valued(mut self) -> Self {
        self.multi_valued = true;
        self
    }

    /// The same, not to be left out.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same, compared with upper and lower case apart.
    #[must_use]
    pub const fn case_exact(mut self) -> Self {
        self.case_exact = true;
        self
    }

    /// The same, changed by the server alone.
    #[must_use]
    pub const fn read_only(mut self) -> Self {
        self.mutability = Mutability::ReadOnly;
        self
    }

    /// The same, given once.
    #[must_use]
    pub const fn immutable(mut self) -> Self {
        self.mutability = Mutability::Immutable;
        self
    }

    /// The same, always answered.
    #[must_use]
    pub const fn always_returned(mut self) -> Self {
        self.returned = Returned::Always;
        self
    }

    /// The same, with one resource for each value.
    #[must_use]
    pub const fn unique(mut self) -> Self {
        self.uniqueness = Uniqueness::Server;
        self
    }

    /// The same with the values clients usually send.
    #[must_use]
    pub const fn usually(mut self, values: &'static [&'static str]) -> Self {
        self.canonical_values = values;
        self
    }

    /// The parts of a complex attribute; none of any other.
    #[must_use]
    pub const fn parts(&self) -> &'static [Attribute] {
        match self.form {
            Form::Complex(parts) => parts,
            _ => &[],
        }
    }

    /// The part with this name, in any case.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<&'static Attribute> {
        find(self.parts(), name)
    }

    /// What is compared where only the attribute is named: its `value` if it has parts, else itself.
    #[must_use]
    pub fn compared(&'static self) -> Option<&'static Attribute> {
        if matches!(self.form, Form::Complex(_)) { self.part("value") } else { Some(self) }
    }

    const fn of(form: Form, name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            description,
            form,
            multi_valued: false,
            required: false,
            case_exact: false,
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            uniqueness: Uniqueness::None,
            canonical_values: &[],
        }
    }
}

/// The attribute with this name in a list.
#[must_use]
pub(super) fn find(attributes: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    // RFC 7643 §2.1: attribute names are case insensitive.
    attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::table::{GROUP, USER};
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(find(USER, "USERNAME").unwrap().name, "userName");
        assert_eq!(find(USER, "emails").unwrap().part("VALUE").unwrap().name, "value");
        assert!(find(USER, "members").is_none());
        assert!(find(USER, "userName").unwrap().part("value").is_none());
    }

    #[test]
    fn a_list_of_objects_is_compared_by_their_value() {
        assert_eq!(find(GROUP, "members").unwrap().compared().unwrap().name, "value");
        assert_eq!(find(USER, "title").unwrap().compared().unwrap().name, "title");
        assert!(find(USER, "name").unwrap().compared().is_none());
    }
}
