//! The rules of HTTP caching (RFC 9111) for a shared cache, as pure functions: what may be stored, how long it is fresh,
//! which stored response answers a request. Times are milliseconds since the Unix epoch; nothing here waits or does I/O.
//!
//! `docs/src/http-caching.md` lists the rules that hold, those that don't, and why.

mod conditional;
mod control;
mod fields;
mod freshness;
mod invalidate;
mod kept;
mod range;
mod storable;
mod vary;

#[cfg(test)]
mod tests;

pub(super) use conditional::{
    Validators, freshen, is_not_modified, not_modified, revalidates, unconditional,
};
pub(super) use control::{RequestControl, ResponseControl};
pub(super) use freshness::{Freshness, Served, initial_age, lifetime, served, windows};
pub(super) use invalidate::{invalidated, is_safe};
pub(super) use kept::{is_of_connection, kept};
pub(super) use range::{Range, asked_range};
pub(super) use storable::{Rules, Unstorable, asks_more, is_storable, storable};
pub(super) use vary::{Selecting, Vary};
