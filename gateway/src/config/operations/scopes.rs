//! Which scopes a client may hold to be let into an operation: levels, everything, other spellings.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How scopes of the form `entity:level` include each other. Without `levels` a scope is only itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "scopes")]
pub(super) struct ScopeRules {
    /// The levels, each including those before it, as `["read", "write", "delete"]`.
    levels: Vec<String>,
    /// The entity that stands for every entity, as `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    everything: Option<String>,
    /// The level that a scope without one means.
    #[serde(skip_serializing_if = "Option::is_none")]
    bare: Option<String>,
    /// Other spellings of an entity, each with the one it means: `tariff = "tariffs"`.
    aliases: BTreeMap<String, String>,
}

impl ScopeRules {
    /// Every scope that lets a client into an operation which needs the scope `named`.
    ///
    /// # Errors
    /// A level that is not declared, or a scope without one where nothing says what that means.
    pub(super) fn accepted(&self, named: &str) -> Result<BTreeSet<String>, String> {
        if self.levels.is_empty() {
            return Ok(BTreeSet::from([named.to_owned()]));
        }
        let (entity, level) = match named.split_once(':') {
            Some((entity, level)) => (entity, level),
            None => match &self.bare {
                Some(bare) => (named, bare.as_str()),
                None => return Err(format!("the scope `{named}` has no level")),
            },
        };
        let Some(rank) = self.levels.iter().position(|known| known == level) else {
            return Err(format!(
                "the scope `{named}` has the level `{level}`, which is not declared"
            ));
        };
        let spellings = self.spellings(entity);
        let mut accepted = BTreeSet::new();
        for name in spellings.iter().copied().chain(self.everything.as_deref()) {
            let including = self.levels.iter().skip(rank);
            accepted.extend(including.map(|level| format!("{name}:{level}")));
        }
        // A bare scope includes what its level includes: the levels up to it.
        let bare = self.bare.as_ref().and_then(|bare| self.levels.iter().position(|l| l == bare));
        if bare.is_some_and(|bare| rank <= bare) {
            accepted.extend(spellings.iter().map(|name| (*name).to_owned()));
        }
        Ok(accepted)
    }

    /// An entity under each of its names.
    fn spellings<'a>(&'a self, entity: &'a str) -> BTreeSet<&'a str> {
        let canonical = self.aliases.get(entity).map_or(entity, String::as_str);
        let others = self.aliases.iter().filter(|(_, means)| *means == canonical);
        others.map(|(other, _)| other.as_str()).chain([canonical]).collect()
    }

    /// What is wrong with the rules themselves: key and message.
    pub(super) fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        for level in &self.levels {
            if !seen.insert(level) || level.is_empty() || level.contains(':') {
                found.push(("levels", format!("`{level}` is listed twice, or no level")));
            }
        }
        if let Some(bare) = self.bare.as_ref().filter(|bare| !self.levels.contains(bare)) {
            found.push(("bare", format!("`{bare}` is none of the levels")));
        }
        for (other, means) in &self.aliases {
            if self.aliases.contains_key(means) {
                found
                    .push(("aliases", format!("`{other}` means `{means}`, which is an alias too")));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> ScopeRules {
        toml::from_str(
            "levels = [\"read\", \"write\", \"delete\"]\neverything = \"all\"\nbare = \"read\"\n\
             aliases = { tariff = \"tariffs\" }",
        )
        .unwrap()
    }

    fn accepted(named: &str) -> String {
        rules().accepted(named).unwrap().into_iter().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_level_is_included_in_those_above_it() {
        let read = "all:delete all:read all:write teams teams:delete teams:read teams:write";
        assert_eq!(accepted("teams:read"), read);
        assert_eq!(accepted("teams:write"), "all:delete all:write teams:delete teams:write");
        assert_eq!(accepted("teams:delete"), "all:delete teams:delete");
    }

    #[test]
    fn every_spelling_of_an_entity_counts() {
        for named in ["tariff:delete", "tariffs:delete"] {
            assert_eq!(accepted(named), "all:delete tariff:delete tariffs:delete", "{named}");
        }
    }

    #[test]
    fn a_scope_without_a_level_means_the_declared_one() {
        assert_eq!(accepted("operators"), accepted("operators:read"));
        let without = ScopeRules { bare: None, ..rules() };
        assert!(without.accepted("operators").unwrap_err().contains("has no level"));
        assert!(!without.accepted("operators:read").unwrap().contains("operators"));
    }

    #[test]
    fn an_unknown_level_is_refused_and_no_levels_mean_no_rule() {
        assert!(rules().accepted("teams:reed").unwrap_err().contains("`reed`"));
        let none = ScopeRules::default();
        assert_eq!(none.accepted("a:b").unwrap(), BTreeSet::from([String::from("a:b")]));
    }

    #[test]
    fn the_rules_are_checked() {
        assert!(rules().mistakes().is_empty());
        for (text, key) in [
            ("levels = [\"a\", \"a\"]", "levels"),
            ("levels = [\"a\"]\nbare = \"b\"", "bare"),
            ("aliases = { a = \"b\", b = \"c\" }", "aliases"),
        ] {
            let rules: ScopeRules = toml::from_str(text).unwrap();
            assert_eq!(rules.mistakes().first().map(|(key, _)| *key), Some(key), "{text}");
        }
    }
}
