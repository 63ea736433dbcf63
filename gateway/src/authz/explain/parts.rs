//! Takes a condition apart and tells of each part whether it holds, and what it saw.

use cedar_policy_core::ast::{
    BinaryOp, Expr, ExprKind, Literal, PartialValue, Request, SlotEnv, UnaryOp, Value, ValueKind,
    Var,
};
use cedar_policy_core::entities::Entities;
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;
use serde::Serialize;

use super::values::{name, shown};
use crate::authz::evaluate::{Found, scene};
use crate::authz::partition::Partition;

/// What became of a condition, or of a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It could not be evaluated.
    Error,
    /// A part before it settled the matter, and it means nothing without that part.
    NotReached,
}

/// A part of a condition.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// Its text, on one line.
    pub text: String,
    /// What became of it.
    pub outcome: Truth,
    /// Why it could not be evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The values it saw.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub saw: Vec<Seen>,
    /// The parts one of which must hold; where there are none, it is not taken apart further.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any_of: Vec<Part>,
}

/// A value that a part of a condition saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// What was looked at, as the policy writes it.
    pub what: String,
    /// What it was.
    pub value: String,
}

/// Evaluates parts of conditions for one question.
pub(super) struct Reader<'a> {
    partition: &'a Partition,
    request: Request,
    entities: Entities,
}

/// A part and whether it is meant the other way round.
type Piece<'e> = (&'e Expr, bool);

impl<'a> Reader<'a> {
    /// `None` when the request cannot be built.
    pub(super) fn new(found: Found<'a>) -> Option<Self> {
        let (request, entities) = scene(found)?;
        Some(Self { partition: found.partition, request, entities })
    }

    /// The parts of `condition`, all of which must hold.
    pub(super) fn read(&self, condition: &Expr) -> Vec<Part> {
        self.each(&together((condition, false), Group::All), Truth::False)
    }

    /// Evaluates an expression; its error as text.
    pub(super) fn value(&self, expr: &Expr) -> Result<Value, String> {
        let evaluator =
            Evaluator::new(self.request.clone(), &self.entities, Extensions::all_available());
        match evaluator.partial_interpret(expr, &SlotEnv::new()) {
            Ok(PartialValue::Value(value)) => Ok(value),
            Ok(PartialValue::Residual(_)) => Err("its value is not known".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Parts in a row, of which one with `settles` ends the evaluation.
    fn each(&self, pieces: &[Piece<'_>], settles: Truth) -> Vec<Part> {
        let mut settled = false;
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let mut part = self.part(*piece);
            if settled && part.outcome == Truth::Error {
                (part.outcome, part.error) = (Truth::NotReached, None);
                part.saw.clear();
                part.any_of.clear();
            }
            settled |= part.outcome == settles;
            parts.push(part);
        }
        parts
    }

    fn part(&self, piece: Piece<'_>) -> Part {
        let (expr, negated) = piece;
        let (outcome, error) = match self.value(expr).map(|value| value.value_kind().clone()) {
            Ok(ValueKind::Lit(Literal::Bool(held))) if held != negated => (Truth::True, None),
            Ok(ValueKind::Lit(Literal::Bool(_))) => (Truth::False, None),
            Ok(_) => (Truth::Error, Some("it is no truth value".to_owned())),
            Err(error) => (Truth::Error, Some(error)),
        };
        let alternatives = together(piece, Group::Any);
        let (saw, any_of) = if alternatives.len() > 1 {
            (Vec::new(), self.each(&alternatives, Truth::True))
        } else {
            let mut saw = Vec::new();
            self.see(expr, &mut saw);
            (saw, Vec::new())
        };
        let text = text(expr);
        let text = match (negated, is_simple(expr)) {
            (false, _) => text,
            (true, true) => format!("!{text}"),
            (true, false) => format!("!({text})"),
        };
        Part { text, outcome, error, saw, any_of }
    }

    /// Gathers what `expr` looks at: attributes, and the entities it compares.
    fn see(&self, expr: &Expr, saw: &mut Vec<Seen>) {
        if is_path(expr) {
            if let Ok(value) = self.value(expr) {
                note(saw, path_text(expr), shown(&value));
            }
            return;
        }
        if let ExprKind::BinaryApp { op: BinaryOp::In, arg1, arg2 } = expr.expr_kind() {
            if let Ok(value) = self.value(arg1) {
                note(saw, path_text(arg1), self.with_ancestors(&value));
            }
            self.see(arg2, saw);
            return;
        }
        for child in children(expr) {
            self.see(child, saw);
        }
    }

    /// An entity and what it stands below, nearest first.
    fn with_ancestors(&self, value: &Value) -> String {
        let own = shown(value);
        let ValueKind::Lit(Literal::EntityUID(uid)) = value.value_kind() else { return own };
        let Some(node) = self.partition.find_cedar(uid) else { return own };
        let mut above: Vec<(usize, String)> = node
            .entity
            .ancestors()
            .map(|uid| {
                let found = self.partition.find_cedar(uid);
                (found.map_or(0, |node| node.entity.ancestors().count()), name(uid))
            })
            .collect();
        above.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        if above.is_empty() {
            return format!("{own}, at the top");
        }
        let above: Vec<String> = above.into_iter().map(|(_, name)| name).collect();
        format!("{own}, below {}", above.join(", "))
    }
}

/// How parts are joined.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    All,
    Any,
}

/// The parts of `piece` that are joined as `group` says; one when it is not joined so.
fn together(piece: Piece<'_>, group: Group) -> Vec<Piece<'_>> {
    let (expr, negated) = piece;
    match expr.expr_kind() {
        ExprKind::UnaryApp { op: UnaryOp::Not, arg } => together((&**arg, !negated), group),
        ExprKind::And { left, right } if (group == Group::All) != negated => {
            [together((&**left, negated), group), together((&**right, negated), group)].concat()
        }
        ExprKind::Or { left, right } if (group == Group::Any) != negated => {
            [together((&**left, negated), group), together((&**right, negated), group)].concat()
        }
        _ => vec![piece],
    }
}

/// `principal`, `resource.team.frozen`: a variable, or what its attributes lead to.
pub(super) fn is_path(expr: &Expr) -> bool {
    match expr.expr_kind() {
        ExprKind::Var(Var::Principal | Var::Resource) => true,
        ExprKind::GetAttr { expr, .. } => {
            matches!(expr.expr_kind(), ExprKind::Var(_)) || is_path(expr)
        }
        _ => false,
    }
}

/// A path as it is written. Its place in the source may take in more: the call it stands in front of.
fn path_text(expr: &Expr) -> String {
    match expr.expr_kind() {
        ExprKind::Var(variable) => variable.to_string(),
        ExprKind::GetAttr { expr, attr } => format!("{}.{attr}", path_text(expr)),
        _ => text(expr),
    }
}

/// Whether a `!` in front of the text means the whole of it.
fn is_simple(expr: &Expr) -> bool {
    matches!(
        expr.expr_kind(),
        ExprKind::Var(_)
            | ExprKind::GetAttr { .. }
            | ExprKind::ExtensionFunctionApp { .. }
            | ExprKind::BinaryApp {
                op: BinaryOp::Contains | BinaryOp::ContainsAll | BinaryOp::ContainsAny,
                ..
            }
    )
}

fn children(expr: &Expr) -> Vec<&Expr> {
    match expr.expr_kind() {
        ExprKind::If { test_expr, then_expr, else_expr } => vec![test_expr, then_expr, else_expr],
        ExprKind::And { left, right } | ExprKind::Or { left, right } => vec![left, right],
        ExprKind::UnaryApp { arg, .. } => vec![arg],
        ExprKind::BinaryApp { arg1, arg2, .. } => vec![arg1, arg2],
        ExprKind::ExtensionFunctionApp { args, .. } => args.iter().collect(),
        ExprKind::GetAttr { expr, .. }
        | ExprKind::Like { expr, .. }
        | ExprKind::Is { expr, .. } => {
            vec![expr]
        }
        ExprKind::Set(items) => items.iter().collect(),
        ExprKind::Record(fields) => fields.values().collect(),
        // `has` asks whether something is there; its truth tells all.
        _ => Vec::new(),
    }
}

fn note(saw: &mut Vec<Seen>, what: String, value: String) {
    let seen = Seen { what, value };
    if !saw.contains(&seen) {
        saw.push(seen);
    }
}

/// As the policy writes it, on one line; Cedar's own writing where the text is gone.
pub(super) fn text(expr: &Expr) -> String {
    let written = expr.source_loc().and_then(|loc| loc.snippet()).map(ToOwned::to_owned);
    let text = written.unwrap_or_else(|| expr.to_string());
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
