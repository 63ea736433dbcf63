//! Lists of resources, and which page of one is asked for (RFC 7644 §3.4.2).

use serde_json::{Value, json};

use super::error::ScimError;

/// The schema of a list.
pub(super) const LIST_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// Resources of a page where nothing is said.
pub(super) const COUNT_DEFAULT: usize = 100;

/// Most resources of a page. The service provider's configuration says it as `filter.maxResults`.
pub(super) const COUNT_MAX: usize = 200;

/// Which page of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The first resource, counted from 1.
    pub start_index: usize,
    /// How many at most, 0 to `COUNT_MAX`. With 0 only the total is asked for.
    pub count: usize,
}

impl Page {
    /// Reads the parameters `startIndex` and `count`.
    ///
    /// # Errors
    /// 400 `invalidValue` if one is no whole number, or one beyond 64 bits.
    pub fn parse(start_index: Option<&str>, count: Option<&str>) -> Result<Self, ScimError> {
        // RFC 7644 §3.4.2.4: a start below 1 is 1, a count below 0 is 0.
        let start_index = number("startIndex", start_index)?.map_or(1, |number| number.max(1));
        let count = number("count", count)?.map_or(COUNT_DEFAULT, |number| number.min(COUNT_MAX));
        Ok(Self { start_index, count })
    }

    /// How many resources go before the page.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.start_index.saturating_sub(1)
    }
}

/// A page of a list that has `total` resources, beginning with the one counted `start_index`.
#[must_use]
pub fn list_response(resources: Vec<Value>, total: usize, start_index: usize) -> Value {
    let mut list = json!({
        "schemas": [LIST_SCHEMA],
        "totalResults": total,
        "startIndex": start_index,
        "itemsPerPage": resources.len(),
    });
    if let Some(list) = list.as_object_mut() {
        list.insert("Resources".into(), resources.into());
    }
    list
}

/// A number, a negative one being 0.
fn number(name: &str, given: Option<&str>) -> Result<Option<usize>, ScimError> {
    let Some(given) = given else { return Ok(None) };
    let Ok(number) = given.trim().parse::<i64>() else {
        return Err(ScimError::invalid_value(format!("`{name}` is a whole number")));
    };
    Ok(Some(usize::try_from(number.max(0)).unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_how_much_it_is_of() {
        let list = list_response(vec![json!({"id": "1"}), json!({"id": "2"})], 7, 3);
        assert_eq!(
            list,
            json!({
                "schemas": [LIST_SCHEMA], "totalResults": 7, "startIndex": 3, "itemsPerPage": 2,
                "Resources": [{"id": "1"}, {"id": "2"}],
            })
        );
        assert_eq!(list_response(Vec::new(), 0, 1)["Resources"], json!([]));
    }

    #[test]
    fn a_page_is_brought_within_its_bounds() {
        let cases = [
            (None, None, (1, 100)),
            (Some("0"), Some("0"), (1, 0)),
            (Some("-5"), Some("-5"), (1, 0)),
            (Some("11"), Some("10"), (11, 10)),
            (Some("1"), Some("201"), (1, 200)),
            (Some("9223372036854775807"), Some("9223372036854775807"), (usize::MAX / 2, 200)),
        ];
        for (start, count, (start_index, expected)) in cases {
            let page = Page::parse(start, count).unwrap();
            assert_eq!(page, Page { start_index, count: expected });
        }
        assert_eq!(Page::parse(Some("11"), None).unwrap().offset(), 10);
        assert_eq!(Page::parse(None, None).unwrap().offset(), 0);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for wrong in ["", "x", "1.5", "1e2", "9223372036854775808", "١"] {
            for (start, count) in [(Some(wrong), None), (None, Some(wrong))] {
                let error = Page::parse(start, count).unwrap_err();
                assert_eq!((error.status, error.scim_type), (400, Some("invalidValue")), "{wrong}");
            }
        }
    }
}
