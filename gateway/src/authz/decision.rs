//! The answer to one question, and the two proofs it can become.

use std::sync::Arc;

use super::rule::{Effect, Rule};

/// Why the answer is what it is. A contract: the names are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Permitted,
    NoPermit,
    Forbidden,
    PolicyError,
    UnknownResource,
    UnknownAction,
    InvalidRequest,
    NoPrincipal,
}

impl Code {
    const fn name(self) -> &'static str {
        match self {
            Self::Permitted => "permitted",
            Self::NoPermit => "no_permit",
            Self::Forbidden => "forbidden",
            Self::PolicyError => "policy_error",
            Self::UnknownResource => "unknown_resource",
            Self::UnknownAction => "unknown_action",
            Self::InvalidRequest => "invalid_request",
            Self::NoPrincipal => "no_principal",
        }
    }
}

/// What a decision says, shared between repetitions of the same question.
#[derive(Debug)]
pub(super) struct Outcome {
    code: Code,
    determining: Vec<Arc<str>>,
    erring: Vec<Arc<str>>,
    /// Whether a permit is satisfied too, so that only forbids stand in the way, and none of them hides the
    /// resource.
    otherwise_permitted: bool,
    reason: Option<Arc<str>>,
    quota: Option<Arc<str>>,
    log_strict: bool,
}

/// What became of one rule whose scope matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Satisfied,
    NotSatisfied,
    Erred,
}

impl Outcome {
    /// Whether the policies allow it.
    pub(super) fn allows(&self) -> bool {
        self.code == Code::Permitted
    }

    /// A denial before any policy was asked.
    pub(super) const fn refused(code: Code) -> Self {
        Self {
            code,
            determining: Vec::new(),
            erring: Vec::new(),
            otherwise_permitted: false,
            reason: None,
            quota: None,
            log_strict: false,
        }
    }

    /// Draws the conclusion: a satisfied forbid denies, then an erring forbid (Cedar would skip it),
    /// then the lack of a satisfied permit.
    pub(super) fn conclude(verdicts: &[(&Rule, Verdict)]) -> Self {
        let any = |effect: Effect, verdict: Verdict| {
            verdicts.iter().any(|(rule, v)| rule.effect == effect && *v == verdict)
        };
        let code = if any(Effect::Forbid, Verdict::Satisfied) {
            Code::Forbidden
        } else if any(Effect::Forbid, Verdict::Erred) {
            Code::PolicyError
        } else if any(Effect::Permit, Verdict::Satisfied) {
            Code::Permitted
        } else {
            Code::NoPermit
        };
        let deciding = match code {
            Code::Permitted => Some(Effect::Permit),
            Code::Forbidden => Some(Effect::Forbid),
            _ => None,
        };
        let mut outcome = Self::refused(code);
        let hides = |(rule, verdict): &(&Rule, Verdict)| {
            *verdict == Verdict::Satisfied && rule.obligations.hides
        };
        outcome.otherwise_permitted = code == Code::Forbidden
            && any(Effect::Permit, Verdict::Satisfied)
            && !verdicts.iter().any(hides);
        for (rule, verdict) in verdicts {
            match verdict {
                Verdict::Erred => outcome.erring.push(Arc::clone(&rule.id)),
                Verdict::Satisfied if deciding == Some(rule.effect) => outcome.determine(rule),
                _ => {}
            }
        }
        outcome
    }

    fn determine(&mut self, rule: &Rule) {
        self.determining.push(Arc::clone(&rule.id));
        let obligations = &rule.obligations;
        self.log_strict |= obligations.log_strict;
        if self.quota.is_none() {
            self.quota.clone_from(&obligations.quota);
        }
        // A permit's reason is no answer to somebody denied.
        if rule.effect == Effect::Forbid && self.reason.is_none() {
            self.reason.clone_from(&obligations.reason);
        }
    }
}

/// The answer to one question.
#[derive(Clone, Debug)]
#[must_use]
pub struct Decision {
    outcome: Arc<Outcome>,
    cached: bool,
}

impl Decision {
    pub(super) const fn new(outcome: Arc<Outcome>, cached: bool) -> Self {
        Self { outcome, cached }
    }

    pub(super) fn refused(code: Code) -> Self {
        Self::new(Arc::new(Outcome::refused(code)), false)
    }

    /// The answer to somebody no policy can speak of: signed in, but not a member.
    pub fn without_principal() -> Self {
        Self::refused(Code::NoPrincipal)
    }

    /// Whether the request is allowed.
    pub fn allowed(&self) -> bool {
        self.outcome.allows()
    }

    /// The machine-readable reason: `permitted`, `no_permit`, `forbidden`, `policy_error`,
    /// `unknown_resource`, `unknown_action`, `invalid_request` or `no_principal`.
    pub fn reason_code(&self) -> &'static str {
        self.outcome.code.name()
    }

    /// The ids of the policies that decided: satisfied permits, or satisfied forbids; in load order,
    /// base policies first.
    pub fn determining(&self) -> &[Arc<str>] {
        &self.outcome.determining
    }

    /// The ids of the policies whose condition could not be evaluated, permits and forbids.
    pub fn erring(&self) -> &[Arc<str>] {
        &self.outcome.erring
    }

    /// The `@reason` of the first deciding forbid, for the person denied.
    pub fn reason(&self) -> Option<&str> {
        self.outcome.reason.as_deref()
    }

    /// Whether a permit is satisfied and only forbids stand in the way, none with `@hides("resource")`: who is denied like this is told nothing
    /// about the resource that the policies do not mean them to see.
    pub fn otherwise_permitted(&self) -> bool {
        self.outcome.otherwise_permitted
    }

    /// The `@quota` of the first deciding policy that has one.
    pub fn quota(&self) -> Option<&str> {
        self.outcome.quota.as_deref()
    }

    /// Whether a deciding policy wants its record on disk before the answer leaves (`@log("strict")`).
    pub fn log_strict(&self) -> bool {
        self.outcome.log_strict
    }

    /// Whether the answer was remembered from the same question a moment ago.
    pub const fn cached(&self) -> bool {
        self.cached
    }

    /// The proof that the policies allow the request.
    ///
    /// # Errors
    /// [`Denial`] when they do not.
    pub fn into_permit(self) -> Result<Permit, Denial> {
        if self.allowed() { Ok(Permit(self)) } else { Err(Denial(self)) }
    }
}

/// Proof that the policies allow a request. Only [`Decision::into_permit`] makes one.
#[derive(Debug)]
#[must_use]
pub struct Permit(Decision);

impl Permit {
    /// The decision behind it.
    pub const fn decision(&self) -> &Decision {
        &self.0
    }
}

/// Proof that the policies do not allow a request.
#[derive(Debug)]
#[must_use]
pub struct Denial(Decision);

impl Denial {
    /// The decision behind it.
    pub const fn decision(&self) -> &Decision {
        &self.0
    }
}
