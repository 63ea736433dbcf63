//! A refusal as it goes out: status, fields, and a problem, an API's own form or a page. Every door refuses alike.

mod error_body;
mod limits;
mod page;
mod table;

use bytes::Bytes;

use super::outcome::Refused;
use super::rendered::Rendered;
use super::wording::Wording;
use error_body::error_body;
use page::refusal_html;
use table::{fields, problem};

pub(super) use limits::{ToldLimit, limit_fields};

impl Rendered {
    /// A refusal, worded as the host does, or as a page for a browser that shows one.
    pub fn refused(refused: &Refused, wording: &Wording) -> Self {
        let status = problem(&refused.refusal).status;
        let mut wire =
            Self { status, fields: fields(&refused.refusal, wording), body: Bytes::new() };
        if status.is_redirection() {
            // Where to go on is all there is to say.
        } else if refused.html {
            wire.page();
            wire.body = Bytes::from(refusal_html(refused));
        } else {
            let (media_type, body) = error_body(&refused.refusal, refused.decision, wording.style);
            wire.content(media_type);
            // The line's end is for people with `curl`: JSON does not mind.
            wire.body = Bytes::from(body + "\n");
        }
        wire
    }
}
