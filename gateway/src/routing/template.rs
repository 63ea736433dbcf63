//! Path templates: canonical text with parameters in braces.

use std::sync::Arc;

use super::target;

/// Longest template; request targets end at 8 KiB.
const TEMPLATE_BYTES_MAX: usize = 1024;

/// The folder of the gateway's own pages.
pub(super) const GATEWAY_FOLDER: &str = "/.hubgate";

/// Reads the parameter names of a template.
///
/// `{name}` matches within one segment and may have text before or after it; `{*name}` matches the rest
/// of the path and stands alone in the last segment. What remains must be canonical, or no request
/// could ever match it.
///
/// # Errors
/// The rule broken.
pub fn parameters(template: &str) -> Result<Vec<Arc<str>>, &'static str> {
    if template.len() > TEMPLATE_BYTES_MAX {
        return Err("longer than 1024 bytes");
    }
    let Some(segments) = template.strip_prefix('/') else {
        return Err("must begin with `/`");
    };
    if is_gateway_path(template) {
        return Err("`/.hubgate` is the gateway's own");
    }
    let mut names: Vec<Arc<str>> = Vec::new();
    let mut sample = String::with_capacity(template.len());
    let mut pieces = segments.split('/').peekable();
    while let Some(segment) = pieces.next() {
        sample.push('/');
        let Some(parameter) = Parameter::read(segment)? else {
            sample.push_str(segment);
            continue;
        };
        if parameter.rest && pieces.peek().is_some() {
            return Err("`{*name}` must be the last segment");
        }
        if names.iter().any(|name| **name == *parameter.name) {
            return Err("a parameter is named twice");
        }
        names.push(Arc::from(parameter.name));
        sample.push_str(parameter.before);
        sample.push('x');
        sample.push_str(parameter.after);
    }
    target::check_path(sample.as_bytes())
        .map_err(|_| "not canonical: no request could match it")?;
    Ok(names)
}

/// The template with its parameters named by position (`/teams/{p0}`), as the router gets it: two templates
/// that differ in names only are one path, each with its own methods.
pub(super) fn shape(template: &str) -> String {
    let mut shape = String::with_capacity(template.len());
    for (position, piece) in template.split('{').enumerate() {
        let Some(parameter) = position.checked_sub(1) else {
            shape.push_str(piece);
            continue;
        };
        let (name, after) = piece.split_once('}').unwrap_or((piece, ""));
        let rest = if name.starts_with('*') { "*" } else { "" };
        shape.push('{');
        shape.push_str(rest);
        shape.push_str(&parameter_name(parameter));
        shape.push('}');
        shape.push_str(after);
    }
    shape
}

/// The name of parameter number `position` in a [`shape`].
pub(super) fn parameter_name(position: usize) -> String {
    format!("p{position}")
}

/// Whether a path belongs to the gateway itself.
pub fn is_gateway_path(path: &str) -> bool {
    path.strip_prefix(GATEWAY_FOLDER).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path is one of the issuer's, on its host: those of RFC 6749, 7009, 7662, 8414 and 9728.
pub fn is_token_path(path: &str) -> bool {
    let below = |folder: &str| {
        path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    below("/oauth") || WELL_KNOWN.into_iter().any(below)
}

/// Where the metadata of the issuer and of the resource are (RFC 8414 §3, RFC 9728 §3).
const WELL_KNOWN: [&str; 2] =
    ["/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource"];

struct Parameter<'a> {
    before: &'a str,
    name: &'a str,
    after: &'a str,
    rest: bool,
}

impl<'a> Parameter<'a> {
    fn read(segment: &'a str) -> Result<Option<Self>, &'static str> {
        let Some((before, opened)) = segment.split_once('{') else {
            return if segment.contains('}') { Err(BRACES) } else { Ok(None) };
        };
        let Some((name, after)) = opened.split_once('}') else {
            return Err(BRACES);
        };
        if before.contains('}') || after.contains(['{', '}']) {
            return Err(BRACES);
        }
        let (name, rest) = name.strip_prefix('*').map_or((name, false), |name| (name, true));
        if rest && !(before.is_empty() && after.is_empty()) {
            return Err("`{*name}` must be a segment of its own");
        }
        let named = name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !named {
            return Err(
                "a parameter name begins with a letter and holds letters, digits, `_` and `-`",
            );
        }
        Ok(Some(Self { before, name, after, rest }))
    }
}

const BRACES: &str = "braces: one parameter per segment, written `{name}` or `{*name}`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_parameter_names_in_order() {
        for (template, names) in [
            ("/", vec![]),
            ("/teams", vec![]),
            ("/teams/", vec![]),
            ("/teams/{team}", vec!["team"]),
            ("/teams/{team}/members/{member_2}", vec!["team", "member_2"]),
            ("/wallets/{id}:withdraw", vec!["id"]),
            ("/img-{id}.png", vec!["id"]),
            ("/points/{pointId}/logs/{log-id}", vec!["pointId", "log-id"]),
            ("/files/{*rest}", vec!["rest"]),
            ("/a%20b/{x}", vec!["x"]),
            ("/.well-known/{x}", vec!["x"]),
        ] {
            let read = parameters(template).unwrap();
            assert_eq!(read.iter().map(|name| &**name).collect::<Vec<_>>(), names, "{template}");
        }
    }

    #[test]
    fn rejects_templates_no_canonical_path_matches() {
        let long = format!("/{}", "a".repeat(1024));
        for template in [
            "",
            "teams",
            "//",
            "/a//b",
            "/a/../b",
            "/a/.",
            "/a;b",
            "/a%2Fb",
            "/%61",
            "/a b",
            "/a?b",
            "/a#b",
            "/{",
            "/}",
            "/{}",
            "/{*}",
            "/{a}{b}",
            "/{{a}}",
            "/{a}/{a}",
            "/{*a}/b",
            "/x{*a}",
            "/{*a}x",
            "/{-a}",
            "/{_a}",
            "/{a.b}",
            "/{å}",
            "/{1}",
            "/{a}.",
            "/{a/b}",
            "/.hubgate",
            "/.hubgate/x",
            "/.hubgate/{*rest}",
            &long,
        ] {
            assert!(parameters(template).is_err(), "{template}");
        }
    }

    #[test]
    fn a_shape_forgets_the_names() {
        for (template, expected) in [
            ("/", "/"),
            ("/a/{x}/b/{y}:c", "/a/{p0}/b/{p1}:c"),
            ("/a/{x}.png", "/a/{p0}.png"),
            ("/a/{x}/{*rest}", "/a/{p0}/{*p1}"),
        ] {
            assert_eq!(shape(template), expected);
        }
    }

    #[test]
    fn the_gateways_folder_is_one_whole_segment() {
        assert!(is_gateway_path("/.hubgate"));
        assert!(is_gateway_path("/.hubgate/callback"));
        assert!(!is_gateway_path("/.hubgates"));
        assert!(!is_gateway_path("/x/.hubgate"));
    }
}
