//! The calls of `delete_memoized!`, `peek!`, `explain!` and `stats!`.

use std::future::Future;
use std::marker::PhantomData;

use cachekit_backends::Result;

use super::EXPLAIN;
use super::explain::{Explanation, explain};
use super::function::{Async, Blocking, Function, Handle};
use super::steering::steering;
use crate::cache::Cache;
use crate::call::arguments::KeyPart;
use crate::call::delete::delete_all;
use crate::call::nearest::Parts;
use crate::call::policy::Policy;
use crate::call::tags::TagList;
use crate::call::{Identity, Instance, Place, peek};
use crate::engine::remote::{AsyncIo, BlockingIo, Io, ready};
use crate::engine::stats::FunctionStats;

impl Function {
    /// The identity of the function, as it is in keys.
    #[inline]
    pub(crate) fn identity(&self) -> Identity<'_> {
        Identity {
            number: self.number,
            name: &self.name,
            version: self.version,
            local: self.local,
            stamped: self.declared.stamped,
            calls: Some(&self.calls),
        }
    }
}

/// One call of a function: the place of its entry, and its policy.
pub struct Key<R, M> {
    pub(super) function: &'static Function,
    pub(super) cache: &'static Cache,
    pub(super) place: Place,
    pub(super) policy: Policy<R>,
    /// Of a key that is to be explained.
    parts: Option<Parts>,
    mode: PhantomData<M>,
}

impl<R, M> Key<R, M> {
    /// The key of a call whose entry has no tags, or has those of the list. One that is to be explained has its parts with their
    /// `names`, by which the nearest other key is found.
    #[expect(clippy::needless_pass_by_value, reason = "made for this call")]
    pub fn new<const PURPOSE: u8>(
        handle: Handle<M>,
        policy: &Policy<R>,
        arguments: &impl KeyPart,
        instance: &impl KeyPart,
        tags: Option<TagList>,
        names: &'static [&'static str],
    ) -> Self {
        let (function, cache) = (handle.function(), handle.cache);
        let (identity, engine) = (function.identity(), cache.engine());
        let place = identity.place(engine, (policy.words)(), arguments, instance, tags.as_ref());
        let parts = match &place {
            Place::Local { .. } if const { PURPOSE == EXPLAIN } => Some(Parts::of(arguments, names)),
            _ => None,
        };
        Self { function, cache, place, policy: *policy, parts, mode: PhantomData }
    }

    pub(super) async fn delete_over<D: Io>(self, io: D) -> Result<()> {
        self.function.check()?;
        let engine = self.cache.engine();
        engine.count_deletion(&self.function.name);
        self.place.delete(io, engine).await.map(drop)
    }

    async fn peek_over<D: Io>(self, io: D) -> Result<Option<R>> {
        self.function.check()?;
        peek(io, self.cache.engine(), self.function.number, &self.place, &self.policy).await
    }

    async fn explain_over<D: Io>(self, io: D) -> Explanation {
        let Self { function, cache, place, policy, parts, .. } = self;
        let engine = cache.engine();
        if let Err(error) = function.check() {
            return Explanation::not_cached(&function.name, error.to_string());
        }
        if engine.discards {
            return Explanation::not_cached(&function.name, "the cache is of the type `null`".to_owned());
        }
        if steering(function, engine).is_some_and(|steering| !steering.is_enabled()) {
            let reason = "it is switched off, by its name or its policy".to_owned();
            return Explanation::not_cached(&function.name, reason);
        }
        explain(io, engine, function.identity(), (&place, parts.as_ref()), &policy).await
    }
}

impl<R> Key<R, Blocking> {
    /// Deletes the entry of this call.
    pub fn delete(self) -> Result<()> {
        ready(self.delete_over(BlockingIo))
    }

    /// Returns the stored value of this call.
    pub fn peek(self) -> Result<Option<R>> {
        ready(self.peek_over(BlockingIo))
    }

    /// Returns the reason why this call would hit or miss.
    pub fn explain(self) -> Explanation {
        ready(self.explain_over(BlockingIo))
    }
}

impl<R> Key<R, Async> {
    /// Deletes the entry of this call.
    pub fn delete(self) -> impl Future<Output = Result<()>> + Send {
        self.delete_over(AsyncIo)
    }

    /// Returns the stored value of this call.
    pub fn peek(self) -> impl Future<Output = Result<Option<R>>> + Send {
        self.peek_over(AsyncIo)
    }

    /// Returns the reason why this call would hit or miss.
    pub fn explain(self) -> impl Future<Output = Explanation> + Send {
        self.explain_over(AsyncIo)
    }
}

/// A method, narrowed to one instance.
pub struct Narrowed<M> {
    pub(super) handle: Handle<M>,
    pub(super) instance: Instance,
}

impl<M> Handle<M> {
    /// The same function, narrowed to one instance.
    #[must_use]
    pub fn instance(self, instance: &impl KeyPart) -> Narrowed<M> {
        let instance = self.function().identity().instance(self.cache.engine(), instance);
        Narrowed { handle: self, instance }
    }

    /// The counters of the function in its cache, or of all requests.
    #[must_use]
    pub fn stats(&self) -> FunctionStats {
        let function = self.function();
        let in_cache = || {
            // To ask binds no cache.
            let engine = self.cache.bound()?;
            Some(engine.functions.get(function.number).counters.function())
        };
        function.stats_of_requests().or_else(in_cache).unwrap_or_default()
    }

    pub(super) async fn delete_over<D: Io>(self, io: D, instance: Option<Instance>) -> Result<()> {
        let function = self.function();
        function.check()?;
        delete_all(io, function.identity(), self.cache.engine().clone(), instance).await
    }
}

impl Handle<Blocking> {
    /// Deletes every entry of the function.
    pub fn delete(self) -> Result<()> {
        ready(self.delete_over(BlockingIo, None))
    }
}

impl Handle<Async> {
    /// Deletes every entry of the function.
    pub fn delete(self) -> impl Future<Output = Result<()>> + Send {
        self.delete_over(AsyncIo, None)
    }
}

impl Narrowed<Blocking> {
    /// Deletes every entry of the instance.
    pub fn delete(self) -> Result<()> {
        ready(self.handle.delete_over(BlockingIo, Some(self.instance)))
    }
}

impl Narrowed<Async> {
    /// Deletes every entry of the instance.
    pub fn delete(self) -> impl Future<Output = Result<()>> + Send {
        self.handle.delete_over(AsyncIo, Some(self.instance))
    }
}
