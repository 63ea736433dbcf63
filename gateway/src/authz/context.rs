//! The context of a decision: the facts about the request that policies may read.

use std::net::IpAddr;
use std::sync::LazyLock;

use cedar_policy_core::ast::{Context, Expr, ExprKind, Literal, Name, PartialValue, Value, Var};
use cedar_policy_core::extensions::Extensions;

use crate::model::{AuthMethod, ConnectionId, Scopes, UnixNanos};

/// What the gateway knows about a request besides who asks what.
///
/// Becomes `context.authentication.method` and `.connection`, `context.network.source`,
/// `context.operation.scopes` and `context.now`. Their types are checked against the schema when it is
/// loaded, for every action: no value can change a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts<'a> {
    /// How the principal proved who it is.
    pub method: AuthMethod,
    /// The connection the person signed in by; without a session, none.
    pub connection: Option<&'a ConnectionId>,
    /// The API scopes of which the operation wants one.
    pub scopes: &'a Scopes,
    /// The peer that connected.
    pub source: IpAddr,
    /// The time of the request.
    pub now: UnixNanos,
}

/// The facts a condition reads, worked out once when it is loaded. Facts nobody reads are not made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reads(u8);

impl Reads {
    pub(super) const AUTHENTICATION: Self = Self(1);
    pub(super) const NETWORK: Self = Self(2);
    pub(super) const NOW: Self = Self(4);
    /// The action variable: the action's entity must be at hand.
    pub(super) const ACTION: Self = Self(8);
    pub(super) const OPERATION: Self = Self(16);
    const ALL: Self = Self(31);

    /// What `condition` reads; everything when it handles the context as a whole.
    pub(super) fn of(condition: &Expr) -> Self {
        let mut reads = Self::default();
        let (mut mentions, mut named) = (0_usize, 0_usize);
        for part in condition.subexpressions() {
            match part.expr_kind() {
                ExprKind::Var(Var::Action) => reads = reads.and(Self::ACTION),
                ExprKind::Var(Var::Context) => mentions += 1,
                ExprKind::GetAttr { expr, attr } | ExprKind::HasAttr { expr, attr }
                    if is_context(expr) =>
                {
                    named += 1;
                    reads = reads.and(Self::named(attr));
                }
                _ => {}
            }
        }
        // Every mention of the context that is not `context.<fact>` or `context has <fact>`.
        if mentions == named { reads } else { Self::ALL }
    }

    fn named(attribute: &str) -> Self {
        match attribute {
            "authentication" => Self::AUTHENTICATION,
            "network" => Self::NETWORK,
            "operation" => Self::OPERATION,
            "now" => Self::NOW,
            _ => Self::ALL,
        }
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) const fn everything() -> Self {
        Self::ALL
    }
}

fn is_context(expr: &Expr) -> bool {
    matches!(expr.expr_kind(), ExprKind::Var(Var::Context))
}

/// Cedar's constructors, found once.
struct Constructors {
    ip: Name,
    duration: Name,
    offset: Name,
    epoch: Value,
}

static CONSTRUCTORS: LazyLock<Option<Constructors>> = LazyLock::new(|| {
    let name = |text: &str| Name::parse_unqualified_name(text).ok();
    let epoch = call(&name("datetime")?, &[Value::from("1970-01-01")])?;
    Some(Constructors {
        ip: name("ip")?,
        duration: name("duration")?,
        offset: name("offset")?,
        epoch,
    })
});

fn call(function: &Name, arguments: &[Value]) -> Option<Value> {
    let function = Extensions::all_available().func(function).ok()?;
    match function.call(arguments).ok()? {
        PartialValue::Value(value) => Some(value),
        PartialValue::Residual(_) => None,
    }
}

/// The Cedar context with the facts in `reads`; `None` when a fact cannot be expressed (a deny).
pub(super) fn context(facts: &Facts<'_>, reads: Reads) -> Option<Context> {
    let mut pairs: Vec<(&str, Value)> = Vec::with_capacity(4);
    if reads.has(Reads::AUTHENTICATION) {
        let connection = facts.connection.map_or("", ConnectionId::as_str);
        let known =
            [("method", Value::from(facts.method.name())), ("connection", Value::from(connection))];
        pairs.push(("authentication", Value::record(known, None)));
    }
    if reads.has(Reads::NETWORK) {
        pairs.push(("network", record("source", source_value(facts.source)?)));
    }
    if reads.has(Reads::OPERATION) {
        let scopes = Value::set_of_lits(facts.scopes.names().map(Literal::from), None);
        pairs.push(("operation", record("scopes", scopes)));
    }
    if reads.has(Reads::NOW) {
        pairs.push(("now", now_value(facts.now)?));
    }
    let record = pairs.into_iter().map(|(name, value)| (name.into(), value)).collect();
    Some(Context::Value(std::sync::Arc::new(record)))
}

fn record(name: &str, value: Value) -> Value {
    Value::record([(name, value)], None)
}

/// A mapped address (`::ffff:192.0.2.1`) counts as the IPv4 address it stands for, or a range in a
/// policy could be stepped around by the listener's address family.
fn source_value(source: IpAddr) -> Option<Value> {
    let constructors = CONSTRUCTORS.as_ref()?;
    call(&constructors.ip, &[Value::from(source.to_canonical().to_string())])
}

fn now_value(now: UnixNanos) -> Option<Value> {
    let constructors = CONSTRUCTORS.as_ref()?;
    let milliseconds = now.nanos() / 1_000_000;
    let since = call(&constructors.duration, &[Value::from(format!("{milliseconds}ms"))])?;
    call(&constructors.offset, &[constructors.epoch.clone(), since])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(condition: &str) -> Reads {
        Reads::of(&condition.parse::<Expr>().unwrap())
    }

    #[test]
    fn finds_the_facts_a_condition_reads() {
        assert_eq!(reads("resource in principal.roles.admin"), Reads::default());
        assert_eq!(reads("context.authentication.method == \"session\""), Reads::AUTHENTICATION);
        let both = reads("context.network.source.isLoopback() && context has now");
        assert_eq!(both, Reads::NETWORK.and(Reads::NOW));
        assert_eq!(reads("action in [Action::\"a\"]"), Reads::ACTION);
    }

    #[test]
    fn reads_everything_when_the_context_is_handled_whole() {
        for condition in
            ["context == {}", "[context].contains({})", "context.other", "context has a.b"]
        {
            assert_eq!(reads(condition), Reads::ALL, "{condition}");
        }
        assert_eq!(reads("context.now == context.now && context == context"), Reads::ALL);
    }

    #[test]
    fn writes_facts_as_cedar_values() {
        let connection = ConnectionId::parse("sso").unwrap();
        let scopes = Scopes::new(["teams:read"]).unwrap();
        let facts = Facts {
            method: AuthMethod::ApiKey,
            connection: Some(&connection),
            scopes: &scopes,
            source: "::ffff:192.0.2.7".parse().unwrap(),
            now: UnixNanos::from_seconds(86_400),
        };
        let Some(Context::Value(record)) = context(&facts, Reads::everything()) else {
            panic!("no context");
        };
        let shown: Vec<_> = record.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert!(shown[0].contains("api_key"), "{shown:?}");
        assert!(shown[0].contains("sso"), "{shown:?}");
        assert!(shown[1].contains("192.0.2.7") && !shown[1].contains("ffff"), "{shown:?}");
        assert!(shown[3].contains("teams:read"), "{shown:?}");
        let day =
            call(&Name::parse_unqualified_name("datetime").unwrap(), &[Value::from("1970-01-02")]);
        assert_eq!(record.get("now"), day.as_ref());
    }
}
