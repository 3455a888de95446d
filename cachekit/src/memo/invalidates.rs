//! The end of a function with `#[invalidates(…)]`.

use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use cachekit_backends::{Error, Result};

use super::each::{Batch, Keys, Sharing};
use super::function::Handle;
use super::handle::{Key, Narrowed};
use super::per_request::{KeptHere, RequestKey};
use crate::cache::Cache;
use crate::call::shape::Shape;
use crate::call::tags::{TagList, TagTexts, delete_tags};
use crate::engine::Engine;
use crate::engine::remote::{AsyncIo, BlockingIo, Io, ready};
use crate::engine::stats::Event;

/// A deletion that failed.
pub struct Failure {
    engine: Arc<Engine>,
    error: Error,
}

impl Failure {
    fn of(result: Result<()>, engine: Arc<Engine>) -> std::result::Result<(), Self> {
        result.map_err(|error| Self { engine, error })
    }

    /// Counts and logs it.
    fn survive(self) {
        let Self { engine, error } = self;
        engine.count(Event::Error);
        match &engine.remote {
            Some(remote) => remote.report("a value was changed, and its entries were not deleted", &error),
            None => {
                tracing::error!(target: "cachekit", "a value was changed, and its entries were not deleted: {error}");
            }
        }
    }
}

/// The deletions of one call that failed.
#[derive(Default)]
pub struct Failed(Vec<Failure>);

impl Failed {
    /// Keeps the error of a deletion.
    pub fn note(&mut self, result: std::result::Result<(), Failure>) {
        self.0.extend(result.err());
    }

    fn survive(self) {
        self.0.into_iter().for_each(Failure::survive);
    }
}

/// The entries of some tags in a cache.
pub struct TagDeletion {
    engine: Arc<Engine>,
    tags: TagList,
}

impl TagDeletion {
    /// Those of the tags that a value is.
    #[must_use]
    pub fn new(cache: &Cache, tags: &dyn TagTexts) -> Self {
        Self { engine: Arc::clone(cache.engine()), tags: TagList::of(&[tags]) }
    }
}

/// The deletions of a list. `invalidate` blocks the thread, `invalidate_async` doesn't, whatever function the entries are of.
macro_rules! deletions {
    ($([$($p:ident $(: $bound:path)?),*] $target:ty: |$this:ident, $io:ident| $delete:expr, $cache:expr;)*) => {$(
        impl<$($p $(: $bound)?),*> $target {
            /// Deletes the entries.
            ///
            /// # Errors
            /// The backend's, with the cache.
            pub fn invalidate(self) -> std::result::Result<(), Failure> {
                let ($this, $io) = (self, BlockingIo);
                let engine = Arc::clone($cache);
                Failure::of(ready($delete), engine)
            }

            /// The same as a task.
            ///
            /// # Errors
            /// The backend's, with the cache.
            pub fn invalidate_async(self) -> impl Future<Output = std::result::Result<(), Failure>> + Send {
                let ($this, $io) = (self, AsyncIo);
                let engine = Arc::clone($cache);
                let deletion = $delete;
                async move { Failure::of(deletion.await, engine) }
            }
        }
    )*};
}

deletions! {
    [R, M: Send] Key<R, M>: |this, io| this.delete_over(io), this.cache.engine();
    [M: Send] Narrowed<M>: |this, io| this.handle.delete_over(io, Some(this.instance)), this.handle.cache.engine();
    [] TagDeletion: |this, io| delete_tags(io, Arc::clone(&this.engine), this.tags), &this.engine;
    [M: Send] Handle<M>: |this, io| this.delete_over(io, None), this.cache.engine();
    [M: Send] Sharing<M>: |this, io| this.entries.delete_over(io, None), this.entries.cache.engine();
}

impl<S: Shape, M> RequestKey<S, M>
where
    S::Stored: KeptHere,
{
    /// Deletes the value, which can't fail.
    #[expect(clippy::missing_errors_doc, reason = "it has none")]
    pub fn invalidate(self) -> std::result::Result<(), Failure> {
        self.delete_here();
        Ok(())
    }

    /// The same as a task.
    pub fn invalidate_async(self) -> impl Future<Output = std::result::Result<(), Failure>> + Send {
        self.delete_here();
        std::future::ready(Ok(()))
    }
}

impl<B: Batch, M: Send> Keys<B, M> {
    /// Deletes the entries; see [`Key::invalidate`].
    ///
    /// # Errors
    /// The backend's, with the cache.
    pub fn invalidate(self) -> std::result::Result<(), Failure> {
        ready(self.invalidate_over(BlockingIo))
    }

    /// The same as a task.
    ///
    /// # Errors
    /// The backend's, with the cache.
    pub fn invalidate_async(self) -> impl Future<Output = std::result::Result<(), Failure>> + Send {
        self.invalidate_over(AsyncIo)
    }

    async fn invalidate_over<D: Io>(self, io: D) -> std::result::Result<(), Failure> {
        // No id, no cache.
        let Some(engine) = self.cache().map(|cache| Arc::clone(cache.engine())) else { return Ok(()) };
        Failure::of(self.delete_over(io).await, engine)
    }
}

/// The type that a function returned, by which its end is chosen as `arguments` chooses keys: first by its error type.
pub struct Ended<R>(EndedResult<R>);
/// Second choice: any `Result`.
pub struct EndedResult<R>(EndedAny<R>);
/// Last choice.
pub struct EndedAny<R>(PhantomData<fn(R)>);

/// Makes the first choice.
#[must_use]
pub fn ended<R>(_: &R) -> Ended<R> {
    Ended(EndedResult(EndedAny(PhantomData)))
}

impl<R> Deref for Ended<R> {
    type Target = EndedResult<R>;
    fn deref(&self) -> &EndedResult<R> {
        &self.0
    }
}

impl<R> Deref for EndedResult<R> {
    type Target = EndedAny<R>;
    fn deref(&self) -> &EndedAny<R> {
        &self.0
    }
}

// Found by the type of `self`.
#[allow(clippy::unused_self, reason = "the type of `self` chooses the method")]
impl<T, E: From<Error>> Ended<std::result::Result<T, E>> {
    /// Returns the value, or the first error of the deletions.
    ///
    /// # Errors
    /// A deletion's.
    pub fn __cachekit_end(
        &self,
        value: std::result::Result<T, E>,
        failed: Failed,
    ) -> std::result::Result<T, E> {
        let mut failures = failed.0.into_iter();
        let Some(first) = failures.next() else { return value };
        failures.for_each(Failure::survive);
        first.engine.count(Event::Error);
        Err(first.error.into())
    }
}

#[allow(clippy::unused_self, reason = "the type of `self` chooses the method")]
impl<T, E> EndedResult<std::result::Result<T, E>> {
    /// Whether the deletions are to run.
    pub fn __cachekit_succeeded(&self, value: &std::result::Result<T, E>) -> bool {
        value.is_ok()
    }
}

#[allow(clippy::unused_self, reason = "the type of `self` chooses the method")]
impl<R> EndedAny<R> {
    /// Whether the deletions are to run.
    pub fn __cachekit_succeeded(&self, _: &R) -> bool {
        true
    }

    /// Returns the value; errors of the deletions are counted and logged.
    pub fn __cachekit_end(&self, value: R, failed: Failed) -> R {
        failed.survive();
        value
    }
}
