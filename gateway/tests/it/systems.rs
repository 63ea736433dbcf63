//! Each system of the help centre's index, from the browser through the gateway to the demo hub, as each role.
//!
//! A table has a line for each request and a column for each person: what they must be answered. The tables were
//! written from what the hub's documentation says and `policies/README.md` assumes, not from a run.
//!
//! 2xx came from the hub, which says what it did and for whom; of everything else the hub saw nothing. 403 is a
//! denial within one's reach, that is below an account or team one has a role on; everything outside is 404,
//! with the same body as what is not there.
//!
//! | who | role | on |
//! |---|---|---|
//! | ada | admin | the main account, which has the sub-accounts east, west and lab |
//! | oskar | operations manager | the main account |
//! | bea | bookkeeper | the main account |
//! | sam | support agent | the main account |
//! | edda | admin | the sub-account east (Sweden) |
//! | wes, olga | admin, operations manager | the sub-account west (Denmark) |
//! | otto | owner | the teams harbour (east) and depot (west) |
//! | tina | team admin | the team airport (west), with its wallet and members |
//! | max | member | the team harbour, may pay in the shop |
//! | gina | owner | the team quay (east), which is not verified |
//! | nils | none | |

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

mod accounts;
mod help;
mod lists;
mod menu;
mod named;
mod services;
mod world;
