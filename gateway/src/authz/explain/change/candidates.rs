//! The changes worth trying: roles at or above the resource, scopes that policies name, and the attributes that
//! the policies in question read.

use std::collections::BTreeSet;

use cedar_policy_core::ast::{Expr, ExprKind, Literal, ValueKind, Var};
use serde_json::Value;

use super::{Change, UNNAMED};
use crate::authz::entity::model_uid;
use crate::authz::explain::parts::{Reader, is_path};
use crate::authz::explain::slice::Slice;
use crate::authz::explain::{Inquiry, Scene};
use crate::authz::pdp::Pdp;
use crate::authz::rule::Rule;
use crate::model::{EntityRecord, EntityUid};

/// Every change worth trying, each once; roles come nearest node first.
pub(super) fn candidates(
    pdp: &Pdp,
    inquiry: &Inquiry<'_>,
    slice: &Slice,
    scene: &Scene,
) -> Vec<Change> {
    let mut found = roles(pdp, inquiry, slice);
    if let Some((asked, rules)) = scene.found(pdp, inquiry) {
        found.append(&mut scopes(inquiry, &rules));
        if let Some(reader) = Reader::new(asked) {
            let attributes = Attributes { inquiry, slice, reader: &reader };
            for rule in &rules {
                attributes.of_rule(rule, &mut found);
            }
        }
    }
    let mut each: Vec<Change> = Vec::with_capacity(found.len());
    for change in found {
        if !each.contains(&change) {
            each.push(change);
        }
    }
    each
}

fn roles(pdp: &Pdp, inquiry: &Inquiry<'_>, slice: &Slice) -> Vec<Change> {
    let kind = inquiry.principal.uid.kind();
    let near = slice.records.iter().take(slice.near);
    let on_node = |record: &EntityRecord| {
        let node = record.uid.clone();
        let given = |role: &&str| pdp.schema().role_node(kind, role) == Some(node.kind());
        let roles: Vec<Change> = pdp
            .schema()
            .role_names(kind)
            .filter(given)
            .map(|role| Change::Role { role: role.to_owned(), on: node.clone() })
            .collect();
        roles
    };
    near.flat_map(on_node).collect()
}

/// The scopes the operation accepts, and those that the policies compare the principal's scopes with.
fn scopes(inquiry: &Inquiry<'_>, rules: &[&Rule]) -> Vec<Change> {
    let Some(Value::Array(held)) = inquiry.principal.attributes.get("scopes") else {
        return Vec::new();
    };
    let reads_scopes = |expr: &Expr| {
        expr.subexpressions().any(|part| match part.expr_kind() {
            ExprKind::GetAttr { expr, attr } => {
                attr == "scopes" && matches!(expr.expr_kind(), ExprKind::Var(Var::Principal))
            }
            _ => false,
        })
    };
    let conditions = rules.iter().filter_map(|rule| rule.condition.as_deref());
    let named = conditions.filter(|condition| reads_scopes(condition)).flat_map(strings);
    let accepted = inquiry.context.scopes.names().map(ToOwned::to_owned);
    accepted
        .chain(named)
        .filter(|scope| !held.iter().any(|held| held == scope))
        .map(|scope| Change::Scope { scope })
        .collect()
}

/// The texts an expression names, sorted.
fn strings(expr: &Expr) -> Vec<String> {
    let text = |part: &Expr| match part.expr_kind() {
        ExprKind::Lit(Literal::String(text)) => Some(text.to_string()),
        _ => None,
    };
    let texts: BTreeSet<String> = expr.subexpressions().filter_map(text).collect();
    texts.into_iter().collect()
}

/// The numbers an expression names, and those beside them: a limit is met or just missed.
fn numbers(expr: &Expr) -> Vec<i64> {
    let number = |part: &Expr| match part.expr_kind() {
        ExprKind::Lit(Literal::Long(number)) => Some(*number),
        _ => None,
    };
    let beside = |n: i64| [n, n.saturating_sub(1), n.saturating_add(1)];
    expr.subexpressions().filter_map(number).flat_map(beside).collect()
}

struct Attributes<'a> {
    inquiry: &'a Inquiry<'a>,
    slice: &'a Slice,
    reader: &'a Reader<'a>,
}

impl Attributes<'_> {
    fn of_rule(&self, rule: &Rule, found: &mut Vec<Change>) {
        let Some(condition) = rule.condition.as_deref() else { return };
        for part in condition.subexpressions() {
            if let Some((of, attribute)) = self.attribute(part)
                && let Some(from) = self.value(&of, &attribute)
            {
                for to in others(&from, condition) {
                    let (of, attribute) = (of.clone(), attribute.clone());
                    found.push(Change::Attribute {
                        of,
                        attribute,
                        from: from.clone(),
                        to: Some(to),
                    });
                }
            }
        }
    }

    /// The entity and the attribute that `expr` reads, where it reads one.
    fn attribute(&self, expr: &Expr) -> Option<(EntityUid, String)> {
        let ExprKind::GetAttr { expr: base, attr } = expr.expr_kind() else { return None };
        if !is_path(base) {
            return None;
        }
        if let ValueKind::Lit(Literal::EntityUID(uid)) = self.reader.value(base).ok()?.value_kind()
        {
            // These two are given, not set: see `Change::Role` and `Change::Scope`.
            let given = matches!(attr.as_str(), "roles" | "scopes");
            let uid = model_uid(uid)?;
            return (!given || uid != self.inquiry.principal.uid).then(|| (uid, attr.to_string()));
        }
        let (uid, path) = self.attribute(base)?;
        Some((uid, format!("{path}.{attr}")))
    }

    fn value(&self, of: &EntityUid, attribute: &str) -> Option<Value> {
        let principal = self.inquiry.principal;
        let record = if *of == principal.uid {
            principal
        } else {
            self.slice.records.iter().find(|record| record.uid == *of)?
        };
        let mut names = attribute.split('.');
        let mut value = record.attributes.get(names.next()?)?;
        for name in names {
            value = value.get(name)?;
        }
        Some(value.clone())
    }
}

/// Other values worth trying: the opposite, or what the condition names. Entities, times and addresses are
/// left alone.
fn others(value: &Value, condition: &Expr) -> Vec<Value> {
    let named = || strings(condition).into_iter().map(Value::from);
    match value {
        Value::Bool(value) => vec![Value::from(!value)],
        Value::String(_) => {
            named().chain([Value::from(UNNAMED)]).filter(|other| other != value).collect()
        }
        Value::Number(_) => {
            let numbers = numbers(condition).into_iter().map(Value::from);
            numbers.filter(|other| other != value).collect()
        }
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let more = named().filter(|text| !items.contains(text));
            let grown = more.map(|text| Value::Array([&items[..], &[text]].concat()));
            let less = named().filter(|text| items.contains(text));
            let shrunk = less.map(|text| {
                Value::Array(items.iter().filter(|item| **item != text).cloned().collect())
            });
            grown.chain(shrunk).collect()
        }
        _ => Vec::new(),
    }
}
