//! Query and form parameters, each at most once.

use crate::model::{Malformed, Refusal};

/// Parsed parameters. A name that comes twice refuses the whole: whoever reads the first and whoever
/// reads the last would disagree (RFC 6749 §3.1: parameters MUST NOT be included more than once).
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Parses `application/x-www-form-urlencoded` text.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Refusal> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text) {
            let repeated = pairs.iter().any(|(known, _)| *known == name);
            if repeated || pairs.len() == COUNT_MAX {
                return Err(Refusal::Malformed(Malformed::Parameter));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter; an empty one counts as absent (RFC 6749 §3.1).
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        if value.is_empty() { None } else { Some(value) }
    }
}

/// Most parameters read: providers add a handful of their own, nobody adds dozens.
const COUNT_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_each_parameter_once() {
        let parameters = Parameters::parse(b"code=a%20b&state=s&empty=").unwrap();
        assert_eq!(parameters.value("code"), Some("a b"));
        assert_eq!(parameters.value("empty"), None);
        assert_eq!(parameters.value("missing"), None);
    }

    #[test]
    fn refuses_what_comes_twice_in_any_spelling() {
        for text in ["code=a&code=b", "code=a&co%64e=b", "state=&state=x", "iss=a&iss=a"] {
            assert!(Parameters::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_dozens() {
        let many: Vec<String> = (0..40).map(|n| format!("p{n}=1")).collect();
        assert!(Parameters::parse(many.join("&").as_bytes()).is_err());
    }
}
