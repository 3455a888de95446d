//! The lock among processes, which no call asks for here.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use cachekit_backends::Result;

use super::RemoteState;
use super::remote::{Budget, Io, Remote};

pub(crate) struct Held(Infallible);

impl Held {
    pub(crate) fn open(&mut self) {
        match self.0 {}
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Check<'a> {
    Token,
    Bytes(Option<&'a [u8]>),
}

pub(crate) struct Contender<'a> {
    pub(crate) remote: &'a Arc<Remote>,
    pub(crate) budget: &'a Budget,
    pub(crate) entry: &'a str,
    pub(crate) state: RemoteState,
    pub(crate) check: Check<'a>,
    pub(crate) wait: Duration,
    pub(crate) limit: Duration,
    pub(crate) looked_again: bool,
}

pub(crate) enum Turn {
    Compute(Option<Held>),
    Look,
    LookAnew,
    GiveUp,
}

pub(crate) fn turn<D: Io>(_: D, _: Contender<'_>) -> impl Future<Output = Result<Turn>> + Send {
    ready(Ok(Turn::Compute(None)))
}
