//! A refusal as it goes out: status, fields, and a problem, an API's own form or a page. Every door refuses alike.

mod error_body;
mod page;
mod table;

use bytes::Bytes;

use super::outcome::Refused;
use super::rendered::Rendered;
use crate::model::ErrorStyle;
use error_body::error_body;
use page::refusal_html;
use table::{fields, problem};

impl Rendered {
    /// A refusal, in the `style` of the host, or as a page for a browser that shows one.
    pub fn refused(refused: &Refused, style: ErrorStyle) -> Self {
        let status = problem(&refused.refusal).status;
        let mut wire = Self { status, fields: fields(&refused.refusal), body: Bytes::new() };
        if status.is_redirection() {
            // Where to go on is all there is to say.
        } else if refused.html {
            wire.page();
            wire.body = Bytes::from(refusal_html(refused));
        } else {
            let (media_type, body) = error_body(&refused.refusal, refused.decision, style);
            wire.content(media_type);
            // The line's end is for people with `curl`: JSON does not mind.
            wire.body = Bytes::from(body + "\n");
        }
        wire
    }
}
