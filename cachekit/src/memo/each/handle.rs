//! The function that a call for several ids is of, and the one that its entries are of: with `of` these are two.

use std::future::Future;
use std::marker::PhantomData;

use cachekit_backends::Result;

use super::super::function::{Async, Blocking, Function, Handle};
use super::super::handle::Narrowed;
use crate::cache::Cache;
use crate::call::arguments::KeyPart;
use crate::engine::stats::FunctionStats;

/// The functions of a call, with its cache.
#[derive(Clone, Copy)]
pub struct EachOf {
    /// The one that is called.
    pub(super) own: &'static Function,
    /// The one whose entries they are.
    pub(super) entries: &'static Function,
    pub(super) cache: &'static Cache,
}

impl<M> Handle<M> {
    /// The functions of a call for several ids.
    #[must_use]
    pub fn each(self) -> EachOf {
        let function = self.function();
        EachOf { own: function, entries: function, cache: self.cache }
    }

    /// The cache.
    #[must_use]
    pub fn cache(&self) -> &'static Cache {
        self.cache
    }

    /// The handle of the function whose entries they are.
    #[must_use]
    pub fn entries(self) -> Self {
        self
    }
}

/// The handle of a function that shares the entries of another one (`of`). What is deleted is the other one's.
pub struct Sharing<M> {
    pub(in crate::memo) own: Handle<M>,
    pub(in crate::memo) entries: Handle<M>,
}

impl<M> Sharing<M> {
    /// Of these two.
    #[must_use]
    pub fn new<O>(own: Handle<M>, Handle { site, scope, cache, .. }: Handle<O>) -> Self {
        Self { own, entries: Handle { site, scope, cache, mode: PhantomData } }
    }

    /// The functions of a call for several ids.
    #[must_use]
    pub fn each(self) -> EachOf {
        EachOf { own: self.own.function(), ..self.entries.each() }
    }

    /// The cache.
    #[must_use]
    pub fn cache(&self) -> &'static Cache {
        self.entries.cache
    }

    /// The handle of the function whose entries they are.
    #[must_use]
    pub fn entries(self) -> Handle<M> {
        self.entries
    }

    /// The entries of one instance.
    #[must_use]
    pub fn instance(self, instance: &impl KeyPart) -> Narrowed<M> {
        self.entries.instance(instance)
    }

    /// The counters of the function that is called.
    #[must_use]
    pub fn stats(&self) -> FunctionStats {
        self.own.stats()
    }
}

impl Sharing<Blocking> {
    /// Deletes every entry.
    pub fn delete(self) -> Result<()> {
        self.entries.delete()
    }
}

impl Sharing<Async> {
    /// Deletes every entry.
    pub fn delete(self) -> impl Future<Output = Result<()>> + Send {
        self.entries.delete()
    }
}
