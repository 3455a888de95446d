//! The lock among processes, which no call asks for here.

#[path = "../../../../cachekit/src/engine/fleet/contender.rs"]
mod contender;

use std::convert::Infallible;
use std::future::{Future, ready};

use cachekit_backends::Result;

pub(crate) use contender::{Check, Contender, Turn};

use super::remote::Io;

pub(crate) struct Held(Infallible);

impl Held {
    pub(crate) fn open(&mut self) {
        match self.0 {}
    }
}

pub(crate) fn turn<D: Io>(_: D, _: Contender<'_>) -> impl Future<Output = Result<Turn>> + Send {
    ready(Ok(Turn::Compute(None)))
}
