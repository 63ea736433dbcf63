//! A refusal as people read it. It says no more than the problem document does (PD-02), but whom to ask.

use super::table::{problem, visible_code, whole_seconds};
use crate::model::Refusal;
use crate::pipeline::answer::Answer;
use crate::pipeline::outcome::{Help, Refused};
use crate::pipeline::sign_in::{Offer, RefusalPage, refusal_page};

/// The page of a refusal.
pub(super) fn refusal_html(refused: &Refused) -> String {
    let refusal = &refused.refusal;
    let (reason, help) = match refusal {
        Refusal::Denied { reason, hidden: false } => (reason.as_deref(), refused.help.as_ref()),
        _ => (None, None),
    };
    let reference = refused.decision.to_string();
    let page = RefusalPage {
        title: problem(refusal).title,
        text: &text(refusal, help),
        reason,
        people: help.map_or(&[], |help| &help.people),
        code: visible_code(refusal),
        reference: Some(&reference),
        offer: offer(refusal),
    };
    match refusal_page(page) {
        Answer::Html { body, .. } => body,
        Answer::Redirect { .. }
        | Answer::Json { .. }
        | Answer::Tokens { .. }
        | Answer::Style { .. } => String::new(),
    }
}

/// What to do about a denial.
fn advice(help: Option<&Help>) -> String {
    match help {
        None => "Ask an administrator of your organisation, and quote the reference below.".into(),
        Some(Help { yourself: true, .. }) => {
            "You may make the change that would allow it yourself.".into()
        }
        Some(Help { people, organisation, .. }) if people.is_empty() => {
            format!("Ask an administrator of {organisation}, and quote the reference below.")
        }
        Some(Help { organisation, .. }) => format!(
            "Somebody at {organisation} can make the change that would allow it: ask, and quote the \
             reference below."
        ),
    }
}

/// What to do, without the words of the protocol where a person meets them.
fn text(refusal: &Refusal, help: Option<&Help>) -> String {
    match refusal {
        Refusal::Denied { hidden: false, .. } => advice(help),
        Refusal::TooManyRequests { retry_after, .. } => match whole_seconds(*retry_after) {
            0 | 1 => "Try again in a second.".into(),
            seconds => format!("Try again in {seconds} seconds."),
        },
        Refusal::Unavailable(_) => "Nothing was done. Try again in a moment.".into(),
        Refusal::MethodNotAllowed { .. } => "This page cannot be used that way.".into(),
        _ => sentence(problem(refusal).detail),
    }
}

/// A detail as a sentence.
fn sentence(detail: &str) -> String {
    let mut letters = detail.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().collect::<String>());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

const fn offer(refusal: &Refusal) -> Offer {
    match refusal {
        Refusal::SignInFailed { .. } | Refusal::CredentialInvalid | Refusal::CredentialMissing => {
            Offer::SignIn
        }
        Refusal::NotMember => Offer::SignOut,
        Refusal::Denied { hidden: false, .. } => Offer::Otherwise,
        _ => Offer::FrontPage,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{DecisionId, Dependency, UnixNanos};

    fn page(refusal: &Refusal) -> String {
        page_with(refusal, None)
    }

    fn page_with(refusal: &Refusal, help: Option<Help>) -> String {
        let decision = DecisionId::from_parts(UnixNanos::from_seconds(1), [0; 10]);
        refusal_html(&Refused { refusal: refusal.clone(), decision, html: true, help })
    }

    fn help(people: &[&str], yourself: bool) -> Help {
        let people = people.iter().map(|name| (*name).to_owned()).collect();
        Help { organisation: String::from("Nord & Co"), people, yourself }
    }

    #[test]
    fn a_denial_names_those_who_may_help_and_else_the_organisation() {
        let denied = Refusal::Denied { reason: None, hidden: false };
        let named = page_with(&denied, Some(help(&["Ada <Admin>", "Bo"], false)));
        for words in
            ["Who can help", "<li>Ada &#60;Admin&#62;</li>", "<li>Bo</li>", "Somebody at Nord"]
        {
            assert!(named.contains(words), "{words}: {named}");
        }
        let nobody = page_with(&denied, Some(help(&[], false)));
        assert!(nobody.contains("Ask an administrator of Nord &#38; Co"), "{nobody}");
        assert!(!nobody.contains("Who can help"), "{nobody}");
        let own = page_with(&denied, Some(help(&[], true)));
        assert!(own.contains("You may make the change that would allow it yourself"), "{own}");
    }

    #[test]
    fn nothing_but_a_shown_denial_names_anybody() {
        for refusal in [Refusal::Denied { reason: None, hidden: true }, Refusal::NotMember] {
            assert_eq!(page_with(&refusal, Some(help(&["Ada"], true))), page(&refusal));
        }
    }

    #[test]
    fn a_denial_shows_its_reason_and_where_to_turn() {
        let denied = Refusal::Denied { reason: Some(String::from("It is frozen.")), hidden: false };
        let shown = page(&denied);
        for words in ["It is frozen.", "quote the reference below", "<code>denied</code>"] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
    }

    #[test]
    fn a_hidden_denial_reads_like_no_route() {
        let denied = Refusal::Denied { reason: Some(String::from("secret")), hidden: true };
        assert_eq!(page(&denied), page(&Refusal::RouteNotFound));
        assert!(page(&denied).contains("There is nothing at this path."));
    }

    #[test]
    fn a_person_reads_seconds_not_header_names() {
        let retry_after = Duration::from_millis(2_100);
        let busy = Refusal::TooManyRequests {
            policy: "address".into(),
            quota: 1,
            window: retry_after,
            retry_after,
            fair_use: true,
        };
        assert!(page(&busy).contains("Try again in 3 seconds."));
        assert!(!page(&Refusal::Unavailable(Dependency::Store)).contains("Retry-After"));
    }

    #[test]
    fn who_is_no_member_may_sign_out_and_come_back_as_another() {
        assert!(page(&Refusal::NotMember).contains("/.hubgate/sign-out"));
        assert!(page(&Refusal::SignInFailed { code: "x" }).contains("/.hubgate/sign-in"));
    }
}
