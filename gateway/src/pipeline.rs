//! The one request path: route, authenticate, limit, authorize, record. No I/O types.
//!
//! [`Pipeline::admit`] is the only way to a [`Forward`], and a [`Forward`] the only way to an upstream. Every
//! stage hands on to the next; none looks back. What the stages need from outside comes as traits.

mod admission;
mod answer;
mod asker;
mod denial;
mod evaluation;
mod floods;
mod further;
mod gateway_paths;
mod help;
mod ids;
mod in_force;
mod listing;
mod lists;
mod live_binding;
mod navigation;
mod operation;
mod organisations;
mod outcome;
mod parameters;
mod quotas;
mod recording;
mod refusing;
mod rendered;
mod sign_in;
mod snapshot;
mod tokens;
mod unsent;
mod walk;
mod wording;

pub use admission::{Pipeline, PipelineParts};
pub use answer::{Answer, PageKind, STYLE_PATH};
pub use asker::Asker;
pub use evaluation::{Evaluated, Evaluation, Ground};
pub use live_binding::LiveBinding;
pub use navigation::{Area, Menu, Navigation};
pub use operation::{
    Admitted, ChangeNote, ChangeNoter, Entered, NotAdmitted, Operation, QUESTIONS_MAX, Unasked,
};
pub use organisations::{Content, OrganisationSource, SourceError, Version};
pub use outcome::{Arrival, BodySource, Enforcement, Forward, Help, Outcome, Refused, Reply};
pub use quotas::Counting;
pub use recording::Identity;
pub use rendered::Rendered;
pub use sign_in::{
    Answered, GatewayRequest, Memberships, Places, ReturnTo, SignIn, SignInEvent, SignInParts,
    callback_path,
};
pub use snapshot::{
    ChangeError, OrganisationsRefused, PoliciesRefused, Snapshot, SnapshotError, SnapshotParts,
};
pub use tokens::{Issuer, Issuing};
pub use wording::Wording;
