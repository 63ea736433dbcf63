//! Compares one value with what a filter says.

use std::cmp::Ordering;

use scim_v2::filter::{CompValue, CompareOp};
use serde_json::Value;

use super::super::attribute::{Attribute, Form};
use super::super::error::ScimError;
use super::moment::Moment;

/// What is asked of a value.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// `pr`: that it is there.
    Present,
    /// How it compares.
    Compare(CompareOp, CompValue),
}

impl Test {
    /// A comparison with `attribute`, if it is known.
    ///
    /// # Errors
    /// 400 `invalidFilter` if it orders true and false.
    pub(super) fn comparison(
        attribute: Option<&Attribute>,
        operator: CompareOp,
        value: CompValue,
    ) -> Result<Self, ScimError> {
        let orders =
            matches!(operator, CompareOp::Gt | CompareOp::Ge | CompareOp::Lt | CompareOp::Le);
        // RFC 7644 §3.4.2.2 table 3: to order booleans SHALL fail with invalidFilter.
        if let Some(attribute) = attribute
            && orders
            && matches!(attribute.form, Form::Boolean)
        {
            let detail = format!("`{}` has no order", attribute.name);
            return Err(ScimError::invalid_filter(detail));
        }
        Ok(Self::Compare(operator, value))
    }

    /// Whether it asks that a value is there.
    pub(super) const fn is_present(&self) -> bool {
        matches!(self, Self::Present)
    }

    /// The text a value must equal, if that is what is asked.
    pub(super) fn equal_text(&self) -> Option<&str> {
        match self {
            Self::Compare(CompareOp::Eq, CompValue::Str(text)) => Some(text),
            _ => None,
        }
    }

    /// The text or boolean a value must equal, if that is what is asked.
    pub(super) fn equal_value(&self) -> Option<Value> {
        let Self::Compare(CompareOp::Eq, value) = self else { return None };
        match value {
            CompValue::Str(text) => Some(text.as_str().into()),
            CompValue::True => Some(true.into()),
            CompValue::False => Some(false.into()),
            CompValue::Null | CompValue::Number(_) => None,
        }
    }

    /// Whether it holds of a value of `attribute`; of null, if there is none.
    pub(super) fn holds(&self, attribute: &Attribute, value: Option<&Value>) -> bool {
        let (operator, wanted) = match self {
            Self::Present => return value.is_some_and(says_something),
            Self::Compare(operator, wanted) => (operator, wanted),
        };
        match value {
            Some(Value::Bool(value)) => bool_holds(*value, operator, wanted),
            Some(Value::String(value)) => text_holds(attribute, value, operator, wanted),
            // RFC 7643 §2.5: what is not there is null.
            None | Some(Value::Null) => {
                let both = matches!(wanted, CompValue::Null);
                equality(both, operator)
            }
            // RFC 7644 §3.4.2.2: `ne` finds what is not identical.
            Some(_) => equality(false, operator),
        }
    }
}

/// Whether a value is more than null, nothing, or an empty list.
pub(super) fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => values.iter().any(says_something),
        Value::Object(parts) => parts.values().any(says_something),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn equality(equal: bool, operator: &CompareOp) -> bool {
    match operator {
        CompareOp::Eq => equal,
        CompareOp::Ne => !equal,
        _ => false,
    }
}

fn bool_holds(value: bool, operator: &CompareOp, wanted: &CompValue) -> bool {
    let wanted = match wanted {
        CompValue::True => Some(true),
        CompValue::False => Some(false),
        // Some clients put booleans in quotes.
        CompValue::Str(text) if text.eq_ignore_ascii_case("true") => Some(true),
        CompValue::Str(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    };
    equality(wanted == Some(value), operator)
}

fn text_holds(
    attribute: &Attribute,
    value: &str,
    operator: &CompareOp,
    wanted: &CompValue,
) -> bool {
    let CompValue::Str(wanted) = wanted else { return equality(false, operator) };
    // RFC 7644 §3.4.2.2 table 3: moments are ordered by time, not as texts.
    if matches!(attribute.form, Form::DateTime)
        && let (Some(value), Some(wanted)) = (Moment::parse(value), Moment::parse(wanted))
        && let Some(held) = order_holds(value.cmp(&wanted), operator)
    {
        return held;
    }
    if attribute.case_exact {
        return plain_text_holds(value, operator, wanted);
    }
    // RFC 7643 §2.2: texts are compared in any case, unless `caseExact` says otherwise.
    plain_text_holds(&value.to_lowercase(), operator, &wanted.to_lowercase())
}

fn plain_text_holds(value: &str, operator: &CompareOp, wanted: &str) -> bool {
    match operator {
        CompareOp::Co => value.contains(wanted),
        CompareOp::Sw => value.starts_with(wanted),
        CompareOp::Ew => value.ends_with(wanted),
        _ => order_holds(value.cmp(wanted), operator).unwrap_or(false),
    }
}

/// Whether an operator holds of an order; nothing, if it asks for something else.
fn order_holds(order: Ordering, operator: &CompareOp) -> Option<bool> {
    match operator {
        CompareOp::Eq => Some(order.is_eq()),
        CompareOp::Ne => Some(order.is_ne()),
        CompareOp::Gt => Some(order.is_gt()),
        CompareOp::Ge => Some(order.is_ge()),
        CompareOp::Lt => Some(order.is_lt()),
        CompareOp::Le => Some(order.is_le()),
        CompareOp::Co | CompareOp::Sw | CompareOp::Ew => None,
    }
}
