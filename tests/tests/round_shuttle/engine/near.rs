//! The near tier, which no cache has here.

use std::convert::Infallible;
use std::sync::Arc;

use cachekit_backends::Ttl;
use cachekit_backends::simple::Entry;

use super::flight::Key;

/// The change that an operation makes, which no tier hears of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    Overwrite,
    Deletion,
}

pub(crate) struct Near(Infallible);

#[derive(Clone, Copy)]
pub(crate) struct Birth(Infallible);

impl Near {
    pub(crate) fn birth(&self) -> Option<Birth> {
        match self.0 {}
    }

    pub(crate) fn get(&self, _: &Key) -> Option<Arc<Entry>> {
        match self.0 {}
    }

    pub(crate) fn serves(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn expiry(&self, _: &Key) -> Option<u64> {
        match self.0 {}
    }

    pub(crate) fn keep(&self, _: &Key, _: Arc<Entry>, _: Ttl, birth: Birth) {
        match birth.0 {}
    }
}
