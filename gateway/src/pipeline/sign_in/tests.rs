//! The flow against stores in memory and a relying party that believes what the test says.

mod callback;
mod fixture;
mod sign_out;
mod start;
