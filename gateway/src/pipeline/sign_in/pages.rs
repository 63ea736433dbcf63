//! The pages people see. No script, no inline style, one style sheet: a strict CSP holds them all.

use std::sync::Arc;

use askama::Template;

use crate::directory::Organisation;
use crate::model::Connection;

use super::super::answer::{Answer, PageKind};

/// The style sheet of every page.
pub(super) fn style() -> Answer {
    Answer::Style { body: include_str!("../../../templates/style.css") }
}

/// What the sign-in page says and offers.
#[derive(Debug, Default)]
pub(super) struct Choice {
    problem: Option<Problem>,
    typed: String,
    organisation: String,
    connections: Vec<(String, String)>,
    slug: String,
}

#[derive(Clone, Copy, Debug)]
enum Problem {
    Unknown,
    Closed,
}

impl Choice {
    /// Nothing matches what was typed.
    pub(super) fn unknown(typed: &str) -> Self {
        let typed = typed.chars().take(254).collect();
        Self { problem: Some(Problem::Unknown), typed, ..Self::default() }
    }

    /// The organisation has no way in at the moment.
    pub(super) fn closed() -> Self {
        Self { problem: Some(Problem::Closed), ..Self::default() }
    }

    /// The organisation has several ways in.
    pub(super) fn among(organisation: &Organisation, connections: &[&Arc<Connection>]) -> Self {
        let offered = |connection: &&Arc<Connection>| {
            (connection.key.id.to_string(), connection.display_name.clone())
        };
        Self {
            organisation: organisation.name().to_owned(),
            slug: organisation.id().to_string(),
            connections: connections.iter().map(offered).collect(),
            ..Self::default()
        }
    }
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    choice: &'a Choice,
    return_to: &'a str,
    unknown: bool,
    closed: bool,
}

/// Asks for an e-mail address or an organisation, or which of several ways in.
pub(super) fn sign_in(choice: &Choice, return_to: &str) -> Answer {
    let page = SignInPage {
        choice,
        return_to,
        unknown: matches!(choice.problem, Some(Problem::Unknown)),
        closed: matches!(choice.problem, Some(Problem::Closed)),
    };
    html(&page, Vec::new(), PageKind::Plain)
}

#[derive(Template)]
#[template(path = "onward.html")]
struct OnwardPage<'a> {
    title: &'a str,
    text: &'a str,
    provider: &'a str,
    url: &'a str,
}

/// Leads on to the provider after a form.
pub(super) fn onward(provider: &str, url: &str, cookies: Vec<String>) -> Answer {
    let page = OnwardPage {
        title: "Taking you to sign-in",
        text: "Your organisation signs you in. You will come back here afterwards.",
        provider,
        url,
    };
    html(&page, cookies, PageKind::Onward)
}

/// Leads on to the provider's sign-out.
pub(super) fn leaving(provider: &str, url: &str, cookies: Vec<String>) -> Answer {
    let page = OnwardPage {
        title: "Signing you out",
        text: "You are signed out here. Your organisation's sign-in comes next.",
        provider,
        url,
    };
    html(&page, cookies, PageKind::Onward)
}

#[derive(Template)]
#[template(path = "sign_out.html")]
struct SignOutPage<'a> {
    name: &'a str,
    organisation: &'a str,
    csrf: &'a str,
}

/// Asks whether to sign out.
pub(super) fn sign_out(name: &str, organisation: &str, csrf: &str) -> Answer {
    html(&SignOutPage { name, organisation, csrf }, Vec::new(), PageKind::Form)
}

/// Where a person is signed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nowhere: the session is alive.
    Not,
    /// At the gateway.
    Here,
    /// At the gateway and at the provider.
    Everywhere,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutPage {
    not: bool,
    everywhere: bool,
}

/// Says where one is signed out.
pub(super) fn signed_out(left: Left, cookies: Vec<String>) -> Answer {
    let page = SignedOutPage { not: left == Left::Not, everywhere: left == Left::Everywhere };
    let kind = if left == Left::Not { PageKind::Plain } else { PageKind::SignedOut };
    html(&page, cookies, kind)
}

#[derive(Template)]
#[template(path = "not_member.html")]
pub(super) struct NotMemberPage<'a> {
    /// The organisation's name.
    pub(super) organisation: &'a str,
    /// What the provider knows the person by.
    pub(super) subject: &'a str,
    /// Where they wanted to go.
    pub(super) return_to: &'a str,
}

/// Says that a person is signed in and still may do nothing, and whom to ask for what.
pub(super) fn not_member(page: &NotMemberPage<'_>, cookies: Vec<String>) -> Answer {
    html(page, cookies, PageKind::NotMember)
}

/// What the page of a refusal says. Filled where the status and its words are known.
#[derive(Clone, Copy, Debug)]
pub(in crate::pipeline) struct RefusalPage<'a> {
    /// The headline, a short sentence.
    pub title: &'a str,
    /// What it means and what to do.
    pub text: &'a str,
    /// The `@reason` of the deciding policies.
    pub reason: Option<&'a str>,
    /// Who may make the change that would allow it.
    pub people: &'a [String],
    /// The refusal's code.
    pub code: &'a str,
    /// The decision id, for support.
    pub reference: Option<&'a str>,
    /// The way on.
    pub offer: Offer,
}

/// What the page of a refusal offers to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum Offer {
    /// The front page.
    FrontPage,
    /// The front page, or coming back another way.
    Otherwise,
    /// Signing in anew.
    SignIn,
    /// Signing out, to come back as somebody else.
    SignOut,
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalTemplate<'a> {
    page: RefusalPage<'a>,
}

/// The page of a refusal, for browsers; everybody else gets a problem document.
pub(in crate::pipeline) fn refusal_page(page: RefusalPage<'_>) -> Answer {
    html(&RefusalTemplate { page }, Vec::new(), PageKind::Refused)
}

fn html(page: &impl Template, cookies: Vec<String>, kind: PageKind) -> Answer {
    // Rendering into a string fails only when a value's own `Display` does; strings' do not.
    let body = page.render().unwrap_or_default();
    Answer::Html { body, cookies, kind }
}
