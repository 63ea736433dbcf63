//! Reads queries of lists: how many, from where, and which.

use super::problem::Problem;

/// Items of a page where nothing is said.
const LIMIT_DEFAULT: usize = 50;

/// Most items of a page.
pub(super) const LIMIT_MAX: usize = 200;

/// Longest value of a filter.
const VALUE_BYTES_MAX: usize = 256;

/// The query of a list, each key once.
#[derive(Debug)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads a query that may say `keys` and nothing else.
    pub(super) fn read(query: Option<&str>, keys: &[&str]) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !keys.contains(&&*key) {
                let known: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
                let detail = format!("the query may say {} and nothing else", known.join(", "));
                return Err(Problem::bad(detail));
            }
            if pairs.iter().any(|(given, _)| *given == key) {
                return Err(Problem::bad(format!("the query says `{key}` twice")));
            }
            if value.is_empty() || value.len() > VALUE_BYTES_MAX {
                let detail = format!("`{key}` has 1 to {VALUE_BYTES_MAX} bytes");
                return Err(Problem::bad(detail));
            }
            pairs.push((key.into_owned(), value.into_owned()));
        }
        Ok(Self { pairs })
    }

    /// What it says of `key`.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(given, _)| given == key).map(|(_, value)| value.as_str())
    }

    /// What it says of `key`, one of `known`.
    pub(super) fn one_of<T: Copy>(
        &self,
        key: &str,
        known: &[(&str, T)],
    ) -> Result<Option<T>, Problem> {
        let Some(given) = self.value(key) else { return Ok(None) };
        let found = known.iter().find(|(name, _)| *name == given).map(|(_, value)| *value);
        found.map(Some).ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|(name, _)| format!("`{name}`")).collect();
            Problem::bad(format!("`{key}` is one of {}", names.join(", ")))
        })
    }

    /// How many items are wanted, by `limit`.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        self.count("limit", LIMIT_DEFAULT, LIMIT_MAX)
    }

    /// How many are wanted, by `key`.
    pub(super) fn count(&self, key: &str, default: usize, max: usize) -> Result<usize, Problem> {
        let Some(given) = self.value(key) else { return Ok(default) };
        let count = given.parse().ok().filter(|count| (1..=max).contains(count));
        count.ok_or_else(|| Problem::bad(format!("`{key}` is a number from 1 to {max}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_may_be_said() {
        let query = Query::read(Some("limit=7&state=on"), &["limit", "state"]).unwrap();
        assert_eq!(query.limit().unwrap(), 7);
        assert_eq!(query.one_of("state", &[("on", 1), ("off", 2)]).unwrap(), Some(1));
        assert_eq!(Query::read(None, &["limit"]).unwrap().limit().unwrap(), 50);
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for wrong in ["x=1", "limit=1&limit=2", "limit=", &format!("limit={}", "1".repeat(300))] {
            assert!(Query::read(Some(wrong), &["limit"]).is_err(), "{wrong}");
        }
        for wrong in ["limit=0", "limit=201", "limit=-1", "limit=ten"] {
            assert!(Query::read(Some(wrong), &["limit"]).unwrap().limit().is_err(), "{wrong}");
        }
        let query = Query::read(Some("state=on"), &["state"]).unwrap();
        assert!(query.one_of("state", &[("off", 2)]).is_err());
    }
}
