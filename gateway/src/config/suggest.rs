//! "Did you mean": the nearest known name to a misspelt one.

/// The candidate nearest to `written`, when it is near enough to be a slip of the pen.
pub(super) fn nearest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // A third of the word may be wrong: `certifcate` yes, `foo` for `key` no.
    let slips_max = (written.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(written, candidate), candidate))
        .filter(|(slips, _)| *slips <= slips_max)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The one of `candidates` that `written` is most likely a slip of.
pub fn nearest_name<'a>(written: &str, candidates: &[&'a str]) -> Option<&'a str> {
    nearest(written, candidates.iter().copied())
}

/// Advice for a misspelt name: the nearest known one, or all of them when they are few.
pub(super) fn advice(written: &str, candidates: &[&str]) -> Option<String> {
    /// More names than this are a list nobody reads.
    const LISTED_MAX: usize = 24;
    if let Some(candidate) = nearest(written, candidates.iter().copied()) {
        return Some(format!("did you mean `{candidate}`?"));
    }
    let few = !candidates.is_empty() && candidates.len() <= LISTED_MAX;
    let mut listed = candidates.to_vec();
    listed.sort_unstable();
    few.then(|| format!("known here: {}", quoted(&listed)))
}

/// "`a`, `b`, `c`".
pub(super) fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_slip_and_no_stranger() {
        assert_eq!(nearest("certifcate", ["key", "certificate"]), Some("certificate"));
        assert_eq!(nearest("htps", ["http", "https"]), Some("https"));
        assert_eq!(nearest("colour", ["key", "certificate"]), None);
    }

    #[test]
    fn lists_few_names_when_none_is_near() {
        assert_eq!(advice("zzz", &["a", "b"]).unwrap(), "known here: `a`, `b`");
        assert_eq!(advice("zzz", &[]), None);
    }
}
