//! A refusal as people read it. It says no more than the problem document does (PD-02).

use super::respond::{problem, visible_code, whole_seconds};
use crate::model::{DecisionId, Refusal};
use crate::pipeline::{Answer, Offer, RefusalPage, refusal_page};

/// The page of a refusal.
pub(super) fn refusal_html(refusal: &Refusal, decision: DecisionId) -> String {
    let reason = match refusal {
        Refusal::Denied { reason, hidden: false } => reason.as_deref(),
        _ => None,
    };
    let reference = decision.to_string();
    let page = RefusalPage {
        title: problem(refusal).title,
        text: &text(refusal),
        reason,
        code: visible_code(refusal),
        reference: Some(&reference),
        offer: offer(refusal),
    };
    match refusal_page(page) {
        Answer::Html { body, .. } => body,
        Answer::Redirect { .. } | Answer::Json { .. } | Answer::Style { .. } => String::new(),
    }
}

/// What to do, without the words of the protocol where a person meets them.
fn text(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Denied { hidden: false, .. } => {
            "Ask an administrator of your organisation, and quote the reference below.".into()
        }
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
        _ => Offer::FrontPage,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Dependency, UnixNanos};

    fn page(refusal: &Refusal) -> String {
        refusal_html(refusal, DecisionId::from_parts(UnixNanos::from_seconds(1), [0; 10]))
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
            policy: "address",
            quota: 1,
            window: retry_after,
            retry_after,
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
