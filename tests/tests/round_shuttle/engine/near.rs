//! The near tier, which no cache has here.

use std::convert::Infallible;
use std::sync::Arc;

use cachekit_backends::simple::Shape;
use cachekit_backends::{KeyHasher, Ttl};

use super::flight::Key;
use super::{Cell, Content, InProcess, LocalTable};

/// The change that an operation makes, which no tier hears of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    Overwrite,
    Deletion,
}

pub(crate) struct Near(Infallible);

pub(crate) struct NearPlace {
    pub(crate) key: Key,
    pub(crate) table: LocalTable,
}

#[derive(Clone, Copy)]
pub(crate) struct Birth(Infallible);

impl Near {
    pub(crate) fn birth(&self) -> Option<Birth> {
        match self.0 {}
    }

    pub(crate) fn serves(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn keep(&self, _: &NearPlace, _: Content, _: Ttl, birth: Birth) {
        match birth.0 {}
    }
}

impl InProcess for Near {
    fn digest(&self, _: impl FnOnce(&mut KeyHasher)) -> u64 {
        match self.0 {}
    }

    fn plain_table(&self, _: u32, _: Shape, _: bool) -> Option<Infallible> {
        match self.0 {}
    }

    fn values(&self, _: u32, _: bool) -> &Arc<Cell> {
        match self.0 {}
    }
}
