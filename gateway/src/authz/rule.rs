//! One policy, ready to be asked: its scope, its condition as an expression, its obligations.

use std::sync::Arc;

use cedar_policy_core::ast::{
    Entity, EntityReference, EntityType, EntityUID, Expr, Policy, PrincipalOrResourceConstraint,
};

use super::context::Reads;

/// What a policy does when it is satisfied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Permit,
    Forbid,
}

/// What the annotations of a policy ask of the gateway when the policy decides.
#[derive(Clone, Debug, Default)]
pub(super) struct Obligations {
    pub(super) reason: Option<Arc<str>>,
    pub(super) quota: Option<Arc<str>>,
    pub(super) log_strict: bool,
    /// Whoever it denies is not to know whether the resource is there.
    pub(super) hides: bool,
}

/// A policy prepared for evaluation.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) id: Arc<str>,
    pub(super) effect: Effect,
    pub(super) principal: Scope,
    pub(super) resource: Scope,
    /// The `when` and `unless` clauses; none is always satisfied.
    pub(super) condition: Option<Arc<Expr>>,
    pub(super) reads: Reads,
    pub(super) obligations: Obligations,
    pub(super) place: Place,
}

/// Where a policy is written.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) file: Arc<str>,
    pub(super) text: Arc<str>,
    /// The byte of the text it begins with.
    pub(super) start: usize,
    /// The byte after its last one.
    pub(super) end: usize,
}

impl Place {
    /// The policy alone.
    pub(super) fn policy(&self) -> &str {
        self.text.get(self.start..self.end).unwrap_or_default()
    }

    /// The line it begins on, counted from 1.
    pub(super) fn line(&self) -> usize {
        1 + self.text.bytes().take(self.start).filter(|byte| *byte == b'\n').count()
    }
}

impl Rule {
    /// Prepares a static policy; `None` for one with template slots.
    pub(super) fn prepare(
        id: Arc<str>,
        policy: &Policy,
        obligations: Obligations,
        place: Place,
    ) -> Option<Self> {
        let condition = policy.non_scope_constraints_arc().cloned();
        Some(Self {
            id,
            effect: match policy.effect() {
                cedar_policy_core::ast::Effect::Permit => Effect::Permit,
                cedar_policy_core::ast::Effect::Forbid => Effect::Forbid,
            },
            principal: Scope::prepare(policy.principal_constraint().as_inner())?,
            resource: Scope::prepare(policy.resource_constraint().as_inner())?,
            reads: condition.as_deref().map(Reads::of).unwrap_or_default(),
            condition,
            obligations,
            place,
        })
    }
}

/// The principal or the resource part of a policy's scope.
#[derive(Clone, Debug)]
pub(super) enum Scope {
    Any,
    Is(Arc<EntityType>),
    Equal(Arc<EntityUID>),
    Within(Arc<EntityUID>),
    IsWithin(Arc<EntityType>, Arc<EntityUID>),
}

impl Scope {
    fn prepare(constraint: &PrincipalOrResourceConstraint) -> Option<Self> {
        let uid = |reference: &EntityReference| match reference {
            EntityReference::EUID(uid) => Some(Arc::clone(uid)),
            EntityReference::Slot(_) => None,
        };
        Some(match constraint {
            PrincipalOrResourceConstraint::Any => Self::Any,
            PrincipalOrResourceConstraint::Is(kind) => Self::Is(Arc::clone(kind)),
            PrincipalOrResourceConstraint::Eq(reference) => Self::Equal(uid(reference)?),
            PrincipalOrResourceConstraint::In(reference) => Self::Within(uid(reference)?),
            PrincipalOrResourceConstraint::IsIn(kind, reference) => {
                Self::IsWithin(Arc::clone(kind), uid(reference)?)
            }
        })
    }

    /// Whether an entity of type `kind` can be in this scope.
    pub(super) fn may_hold(&self, kind: &str) -> bool {
        match self {
            Self::Any | Self::Within(_) => true,
            Self::Is(wanted) | Self::IsWithin(wanted, _) => wanted.to_string() == kind,
            Self::Equal(uid) => uid.entity_type().to_string() == kind,
        }
    }

    /// The one entity this scope is tied to: the asked-for entity or one above it.
    pub(super) fn anchor(&self) -> Option<&EntityUID> {
        match self {
            Self::Any | Self::Is(_) => None,
            Self::Equal(uid) | Self::Within(uid) | Self::IsWithin(_, uid) => Some(uid),
        }
    }

    /// Whether `entity` is in this scope; the entity knows everything above it.
    pub(super) fn holds(&self, entity: &Entity) -> bool {
        let within = |uid: &EntityUID| entity.uid() == uid || entity.is_descendant_of(uid);
        match self {
            Self::Any => true,
            Self::Is(kind) => entity.uid().entity_type() == &**kind,
            Self::Equal(uid) => entity.uid() == &**uid,
            Self::Within(uid) => within(uid),
            Self::IsWithin(kind, uid) => entity.uid().entity_type() == &**kind && within(uid),
        }
    }
}
