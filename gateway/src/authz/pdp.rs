//! The decision point itself: loaded once, asked many times.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::access::AccessCache;
use super::cache::{DecisionCache, Key};
use super::context::{Facts, Reads};
use super::decision::{Code, Decision, Outcome, Verdict};
use super::entity::Node;
use super::error::PolicyError;
use super::evaluate::{Found, evaluate};
use super::index::RuleSet;
use super::load::{Accepted, accept};
use super::partition::{Partition, PreparedPrincipal};
use super::rule::{Effect, Rule};
use super::schema::{Action, Environment, PolicySchema};
use crate::model::{ActionId, EntityUid, PolicySource, TenantId};

/// One question: may this principal do this to that, under these facts?
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who asks.
    pub principal: &'a PreparedPrincipal,
    /// What for.
    pub action: &'a ActionId,
    /// On what.
    pub resource: &'a EntityUid,
    /// The facts of the request.
    pub context: Facts<'a>,
}

/// A question whose every part is there.
pub(super) struct Located<'a> {
    pub(super) environment: Environment,
    partition: &'a Partition,
    question: &'a Question<'a>,
    action: &'a Action,
    resource: Arc<Node>,
}

impl Located<'_> {
    /// As the evaluation wants it.
    pub(super) fn found(&self) -> Found<'_> {
        Found {
            partition: self.partition,
            principal: self.question.principal,
            action: self.action,
            resource: &self.resource,
            facts: &self.question.context,
        }
    }
}

/// A policy as it is written.
#[derive(Clone, Copy, Debug)]
pub struct Written<'p> {
    /// Its id.
    pub id: &'p str,
    /// Whether it permits; else it forbids.
    pub permits: bool,
    /// The file it stands in.
    pub file: &'p str,
    /// The line it begins on, counted from 1.
    pub line: usize,
    /// Its text, from its annotations to its end.
    pub text: &'p str,
}

/// The decision point: a schema, the base policies and each organisation's own, indexed.
#[derive(Debug)]
pub struct Pdp {
    schema: Arc<PolicySchema>,
    base: RuleSet,
    tenants: HashMap<TenantId, usize>,
    /// The organisations' own policies; their numbers start at 1, 0 is nobody's.
    own: Vec<RuleSet>,
    digest: [u8; 32],
    cache: DecisionCache,
    access_cache: AccessCache,
}

fn written(rule: &Rule) -> Written<'_> {
    Written {
        id: &rule.id,
        permits: rule.effect == Effect::Permit,
        file: &rule.place.file,
        line: rule.place.line(),
        text: rule.place.policy(),
    }
}

impl Pdp {
    /// Loads policies: the base set, and each organisation's own.
    ///
    /// A policy is accepted when it passes Cedar's strict validation and level validation without a
    /// warning, has a unique `@id`, if it forbids a `@reason`, no unknown annotation, and does not
    /// permit everything to everybody.
    ///
    /// # Errors
    /// Every [`PolicyError`] of every file.
    pub fn load(
        schema: Arc<PolicySchema>,
        base: &[PolicySource],
        tenants: &BTreeMap<TenantId, Vec<PolicySource>>,
    ) -> Result<Self, Vec<PolicyError>> {
        let mut errors = Vec::new();
        let mut gather = |accepted: Result<Accepted, Vec<PolicyError>>| match accepted {
            Ok(accepted) => RuleSet::build(&schema, accepted.rules),
            Err(mut found) => {
                errors.append(&mut found);
                RuleSet::default()
            }
        };
        let base_rules = gather(accept(&schema, None, base));
        let mut numbers = HashMap::new();
        let mut own = vec![RuleSet::default()];
        for (tenant, sources) in tenants.iter().filter(|(_, sources)| !sources.is_empty()) {
            numbers.insert(tenant.clone(), own.len());
            own.push(gather(accept(&schema, Some(tenant), sources)));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let digest = digest(&schema, base, tenants);
        let (cache, access_cache) = (DecisionCache::new(), AccessCache::default());
        Ok(Self { base: base_rules, tenants: numbers, own, digest, cache, access_cache, schema })
    }

    /// The schema.
    pub const fn schema(&self) -> &Arc<PolicySchema> {
        &self.schema
    }

    /// SHA-256 over schema and policies; part of the snapshot's name.
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The number of policies, those of all organisations included.
    pub fn policy_count(&self) -> usize {
        self.base.len() + self.own.iter().map(RuleSet::len).sum::<usize>()
    }

    /// The actions a request can ask for.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        self.schema.actions()
    }

    /// The ids of the base policies, in load order.
    pub fn base_policies(&self) -> impl Iterator<Item = &str> {
        self.base.ids()
    }

    /// The base policies as they are written, in load order.
    pub fn written(&self) -> impl Iterator<Item = Written<'_>> {
        self.base.rules().map(written)
    }

    /// The quotas the policies name (`@quota`), those of all organisations included, each with the policy.
    pub fn quotas(&self) -> impl Iterator<Item = (&str, Written<'_>)> {
        let rules = self.base.rules().chain(self.own.iter().flat_map(RuleSet::rules));
        rules.filter_map(|rule| Some((rule.obligations.quota.as_deref()?, written(rule))))
    }

    /// Answers a question on one organisation's entities. `tenant` names the organisation whose own
    /// policies count besides the base set.
    pub fn decide(
        &self,
        tenant: Option<&TenantId>,
        partition: &Partition,
        question: &Question<'_>,
    ) -> Decision {
        let located = match self.locate(partition, question) {
            Ok(located) => located,
            Err(code) => return Decision::refused(code),
        };
        let environment = located.environment;
        let policies = self.policies_of(tenant);
        let own = self.own.get(policies);
        let reads = self.reads(own, environment);
        let key = Key {
            partition: partition.identity(),
            policies,
            principal: question.principal.digest,
            action: located.environment.action,
            resource: located.resource.number,
            authentication: reads
                .has(Reads::AUTHENTICATION)
                .then(|| (question.context.method, question.context.connection.cloned())),
            scopes: reads.has(Reads::OPERATION).then(|| question.context.scopes.clone()),
            source: reads.has(Reads::NETWORK).then_some(question.context.source),
        };
        let remembers = !reads.has(Reads::NOW);
        if remembers && let Some(outcome) = self.cache.find(&key, question.context.now) {
            return Decision::new(outcome, true);
        }
        let outcome = Arc::new(self.ask(own, environment, located.found()));
        if remembers {
            self.cache.insert(key, Arc::clone(&outcome), question.context.now);
        }
        Decision::new(outcome, false)
    }

    /// The number of a tenant's own policies; 0 is nobody's.
    pub(super) fn policies_of(&self, tenant: Option<&TenantId>) -> usize {
        tenant.and_then(|tenant| self.tenants.get(tenant)).copied().unwrap_or(0)
    }

    /// A tenant's own policies, by their number.
    pub(super) fn own(&self, policies: usize) -> Option<&RuleSet> {
        self.own.get(policies)
    }

    /// The base policies.
    pub(super) const fn base(&self) -> &RuleSet {
        &self.base
    }

    /// The access sets given lately.
    pub(super) const fn access_cache(&self) -> &AccessCache {
        &self.access_cache
    }

    /// What the answer to a question of this shape can depend on.
    pub(super) fn reads(&self, own: Option<&RuleSet>, environment: Environment) -> Reads {
        let own = own.map(|own| own.reads(environment)).unwrap_or_default();
        own.and(self.base.reads(environment))
    }

    /// Everything the question speaks of; or why no policy is asked.
    pub(super) fn locate<'a>(
        &'a self,
        partition: &'a Partition,
        question: &'a Question<'_>,
    ) -> Result<Located<'a>, Code> {
        let action = self.schema.action(question.action).ok_or(Code::UnknownAction)?;
        let same_schema = partition.schema().digest() == self.schema.digest();
        if !same_schema || question.principal.partition != partition.identity() {
            return Err(Code::InvalidRequest);
        }
        let resource = partition.find(question.resource).ok_or(Code::UnknownResource)?;
        let environment = Environment {
            principal: question.principal.kind,
            action: action.number,
            resource: resource.kind,
        };
        if !self.schema.environments().contains(&environment) {
            return Err(Code::InvalidRequest);
        }
        Ok(Located { environment, partition, question, action, resource })
    }

    /// What becomes of every rule whose scope matches, remembered by nobody. `None` when the request
    /// cannot be built (a deny).
    pub(super) fn verdicts(
        &self,
        tenant: Option<&TenantId>,
        located: &Located<'_>,
    ) -> Option<Vec<(&Rule, Verdict)>> {
        let (environment, found) = (located.environment, located.found());
        evaluate(found, self.rules(self.own(self.policies_of(tenant)), environment, found))
    }

    /// The rules whose scope matches, base policies first.
    pub(super) fn rules<'r>(
        &'r self,
        own: Option<&'r RuleSet>,
        environment: Environment,
        found: Found<'_>,
    ) -> Vec<&'r Rule> {
        let (principal, resource) = (&found.principal.entity, &found.resource.entity);
        let mut rules = self.base.matching(environment, principal, resource);
        if let Some(own) = own {
            rules.append(&mut own.matching(environment, principal, resource));
        }
        rules
    }

    /// Evaluates the policies, without remembering.
    pub(super) fn ask(
        &self,
        own: Option<&RuleSet>,
        environment: Environment,
        found: Found<'_>,
    ) -> Outcome {
        match evaluate(found, self.rules(own, environment, found)) {
            Some(verdicts) => Outcome::conclude(&verdicts),
            None => Outcome::refused(Code::InvalidRequest),
        }
    }
}

fn digest(
    schema: &PolicySchema,
    base: &[PolicySource],
    tenants: &BTreeMap<TenantId, Vec<PolicySource>>,
) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(schema.digest());
    // Lengths in front keep two different lists from running into the same bytes.
    let mut text = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    let mut sources = |tenant: &str, sources: &[PolicySource]| {
        text(tenant);
        text(&sources.len().to_string());
        for source in sources {
            text(&source.name);
            text(&source.text);
        }
    };
    sources("", base);
    for (tenant, own) in tenants {
        sources(tenant.as_str(), own);
    }
    hash.finalize().into()
}
