//! The decision point itself: loaded once, asked many times.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::cache::{DecisionCache, Key};
use super::context::{Facts, Reads};
use super::decision::{Code, Decision, Outcome};
use super::error::PolicyError;
use super::evaluate::{Found, evaluate};
use super::index::RuleSet;
use super::load::{Accepted, accept};
use super::partition::{Partition, PreparedPrincipal};
use super::schema::{Environment, PolicySchema};
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
        let cache = DecisionCache::new();
        Ok(Self { base: base_rules, tenants: numbers, own, digest, cache, schema })
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

    /// Answers a question on one organisation's entities. `tenant` names the organisation whose own
    /// policies count besides the base set.
    pub fn decide(
        &self,
        tenant: Option<&TenantId>,
        partition: &Partition,
        question: &Question<'_>,
    ) -> Decision {
        let Some(action) = self.schema.action(question.action) else {
            return Decision::refused(Code::UnknownAction);
        };
        let same_schema = partition.schema().digest() == self.schema.digest();
        if !same_schema || question.principal.partition != partition.identity() {
            return Decision::refused(Code::InvalidRequest);
        }
        let Some(resource) = partition.find(question.resource) else {
            return Decision::refused(Code::UnknownResource);
        };
        let principal = question.principal;
        let environment = Environment {
            principal: principal.kind,
            action: action.number,
            resource: resource.kind,
        };
        if !self.schema.environments().contains(&environment) {
            return Decision::refused(Code::InvalidRequest);
        }
        let policies = tenant.and_then(|tenant| self.tenants.get(tenant)).copied().unwrap_or(0);
        let own = self.own.get(policies);
        let reads = own
            .map(|own| own.reads(environment))
            .unwrap_or_default()
            .and(self.base.reads(environment));
        let key = Key {
            partition: partition.identity(),
            policies,
            principal: principal.digest,
            action: action.number,
            resource: resource.number,
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
        let resource = &*resource;
        let found = Found { partition, principal, action, resource, facts: &question.context };
        let outcome = Arc::new(self.ask(own, environment, found));
        if remembers {
            self.cache.insert(key, Arc::clone(&outcome), question.context.now);
        }
        Decision::new(outcome, false)
    }

    fn ask(&self, own: Option<&RuleSet>, environment: Environment, found: Found<'_>) -> Outcome {
        let (principal, resource) = (&found.principal.entity, &found.resource.entity);
        let mut rules = self.base.matching(environment, principal, resource);
        if let Some(own) = own {
            rules.append(&mut own.matching(environment, principal, resource));
        }
        match evaluate(found, rules) {
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
