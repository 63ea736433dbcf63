//! How limits are told in fields: the one place that knows of the two ways (RL-01).

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::Standing;
use crate::model::ErrorStyle;

/// A limit as it is told.
#[derive(Clone, Copy, Debug)]
pub(in crate::pipeline) struct ToldLimit<'a> {
    /// Its name.
    pub(in crate::pipeline) policy: &'a str,
    /// Requests in a window.
    pub(in crate::pipeline) quota: u32,
    /// The window, in seconds.
    pub(in crate::pipeline) window: u64,
    /// Requests left.
    pub(in crate::pipeline) remaining: u32,
    /// Seconds until there are more.
    pub(in crate::pipeline) resets_in: u64,
    /// Whether it bounds misuse, and is no allowance.
    pub(in crate::pipeline) fair_use: bool,
}

impl<'a> From<&'a Standing> for ToldLimit<'a> {
    fn from(standing: &'a Standing) -> Self {
        Self {
            policy: &standing.quota.name,
            quota: standing.quota.requests.get(),
            window: standing.quota.window.get().into(),
            remaining: standing.remaining,
            resets_in: standing.resets_in.into(),
            fair_use: standing.quota.fair_use,
        }
    }
}

/// The fields that tell limits: those of the IETF draft (draft-ietf-httpapi-ratelimit-headers-10 §3, §4), or where errors
/// are in an API's own form, the fields its clients know. A limit that is no allowance is told by number only to who is
/// beyond it.
pub(in crate::pipeline) fn limit_fields(
    told: &[ToldLimit<'_>],
    style: ErrorStyle,
    is_refusal: bool,
) -> HeaderMap {
    match style {
        ErrorStyle::StatusMessageCode => plain_fields(told),
        ErrorStyle::Problem | ErrorStyle::OAuth => structured_fields(told, is_refusal),
    }
}

fn structured_fields(told: &[ToldLimit<'_>], is_refusal: bool) -> HeaderMap {
    let shown = || told.iter().filter(|limit| is_refusal || !limit.fair_use);
    let limits = shown()
        .map(|limit| format!("\"{}\";r={};t={}", limit.policy, limit.remaining, limit.resets_in));
    let rules =
        shown().map(|limit| format!("\"{}\";q={};w={}", limit.policy, limit.quota, limit.window));
    let mut fields = HeaderMap::new();
    put(&mut fields, "ratelimit", limits.collect::<Vec<_>>().join(", "));
    put(&mut fields, "ratelimit-policy", rules.collect::<Vec<_>>().join(", "));
    fields
}

/// One limit has room in them: the allowance that is nearest to its end.
fn plain_fields(told: &[ToldLimit<'_>]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    let allowances = told.iter().filter(|limit| !limit.fair_use);
    if let Some(limit) = allowances.min_by_key(|limit| limit.remaining) {
        put(&mut fields, "ratelimit-policy", "Quota".into());
        put(&mut fields, "ratelimit-quota", limit.quota.to_string());
        put(&mut fields, "ratelimit-timewindow", limit.window.to_string());
        put(&mut fields, "ratelimit-remaining", limit.remaining.to_string());
        put(&mut fields, "ratelimit-resetsin", limit.resets_in.to_string());
    } else if !told.is_empty() {
        put(&mut fields, "ratelimit-policy", "Fair-Use".into());
    }
    fields
}

fn put(fields: &mut HeaderMap, name: &'static str, value: String) {
    if !value.is_empty()
        && let Ok(value) = HeaderValue::try_from(value)
    {
        fields.insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTNER: ToldLimit<'_> = ToldLimit {
        policy: "partner",
        quota: 1_000,
        window: 600,
        remaining: 998,
        resets_in: 17,
        fair_use: false,
    };
    const REPORTS: ToldLimit<'_> = ToldLimit { policy: "reports", remaining: 3, ..PARTNER };
    const MAP: ToldLimit<'_> = ToldLimit { policy: "map", fair_use: true, ..PARTNER };

    fn lines(told: &[ToldLimit<'_>], style: ErrorStyle, is_refusal: bool) -> Vec<String> {
        let fields = limit_fields(told, style, is_refusal);
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        let mut lines: Vec<String> = fields.iter().map(line).collect();
        lines.sort();
        lines
    }

    #[test]
    fn the_fields_of_the_draft_tell_every_allowance() {
        let style = ErrorStyle::Problem;
        assert_eq!(
            lines(&[PARTNER, REPORTS, MAP], style, false),
            [
                r#"ratelimit-policy: "partner";q=1000;w=600, "reports";q=1000;w=600"#,
                r#"ratelimit: "partner";r=998;t=17, "reports";r=3;t=17"#,
            ]
        );
        assert!(lines(&[MAP], style, false).is_empty());
        assert_eq!(lines(&[MAP], style, true).len(), 2, "who is refused learns by what");
    }

    #[test]
    fn the_plain_fields_tell_the_allowance_nearest_to_its_end() {
        let style = ErrorStyle::StatusMessageCode;
        assert_eq!(
            lines(&[PARTNER, REPORTS, MAP], style, false),
            [
                "ratelimit-policy: Quota",
                "ratelimit-quota: 1000",
                "ratelimit-remaining: 3",
                "ratelimit-resetsin: 17",
                "ratelimit-timewindow: 600",
            ]
        );
        assert_eq!(lines(&[MAP], style, true), ["ratelimit-policy: Fair-Use"]);
    }
}
