//! Deletion of a function by its name.

use std::sync::Arc;

use cachekit_backends::{Error, ErrorKind, Result};

use super::function::{named, near};
use crate::__private::default_cache;
use crate::cache::{AsyncCache, Cache};
use crate::call::delete::delete_named;
use crate::engine::Engine;
use crate::engine::remote::{AsyncIo, BlockingIo, Io, ready};
use crate::program;

/// Deletes every entry of the function of a name: the one given by `name = "…"`, or its path.
///
/// In each cache of this process that it was called with; a function that was not called here, or is not part of this program,
/// in the default cache, if that is bound. [`Cache::delete_memoized_named`] deletes in a cache of your choice, and its async form in an
/// async program.
///
/// For functions whose hidden companion can't be named: methods of traits. Their paths read
/// `<shop::Person as shop::Roles>::has_role`. As final as `delete_memoized!`; of all values of the option `version`. Costs one
/// write per cache; blocks, for async functions too.
///
/// # Errors
/// [`ErrorKind::Config`] if two functions have that name; else the backend's error, after the other caches were tried;
/// [`ErrorKind::UnknownFunction`], with names that are near, if the program has no function of that name and its
/// default cache is in this process, where no other program has entries.
pub fn delete_memoized_named(name: &str) -> Result<()> {
    program::check_identity(name)?;
    let mut caches: Vec<Cache> = Vec::new();
    for cache in named(name).into_iter().flat_map(|(_, caches)| caches) {
        if !caches.iter().any(|known| Arc::ptr_eq(known.engine(), cache.engine())) {
            caches.push(cache);
        }
    }
    if caches.is_empty() {
        let engine = default_cache().bound().cloned();
        let shared = engine.as_ref().is_some_and(|engine| engine.remote.is_some());
        if !shared && !program::may_have(name) {
            return Err(unknown(name));
        }
        caches.extend(engine.map(Cache::from));
    }
    let mut result = Ok(());
    for cache in caches {
        result = result.and(cache.delete_memoized_named(name));
    }
    result
}

async fn delete_in<D: Io>(io: D, engine: Arc<Engine>, name: &str) -> Result<()> {
    program::check_identity(name)?;
    let functions: Vec<_> = named(name).into_iter().map(|(function, _)| function).collect();
    functions.iter().try_for_each(|function| function.check())?;
    let numbers: Vec<u32> = functions.iter().map(|function| function.number).collect();
    // Of a function that isn't known here it isn't known whether it is `local` elsewhere.
    let local = !functions.is_empty() && functions.iter().all(|function| function.local);
    delete_named(io, &engine, name, &numbers, local).await
}

impl Cache {
    /// Deletes every entry that the function of a name has in this cache: the name given by `name = "…"`, or its path. Works
    /// for functions that this process has not called, or that are part of another program: on a shared backend the name is
    /// enough. A name that no function has deletes nothing.
    ///
    /// As final as `delete_memoized!`; of all values of the option `version`. One write.
    ///
    /// ```
    /// # fn main() -> cachekit::Result<()> {
    /// cachekit::cache().delete_memoized_named("shop::price")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The backend's; [`ErrorKind::Config`] if two functions of the program have that name.
    pub fn delete_memoized_named(&self, name: &str) -> Result<()> {
        ready(delete_in(BlockingIo, Arc::clone(self.engine()), name))
    }
}

impl AsyncCache {
    /// Deletes every entry that the function of a name has in this cache; see [`Cache::delete_memoized_named`].
    ///
    /// # Errors
    /// As [`Cache::delete_memoized_named`].
    pub async fn delete_memoized_named(&self, name: &str) -> Result<()> {
        delete_in(AsyncIo, Arc::clone(self.engine()), name).await
    }
}

#[cold]
fn unknown(name: &str) -> Error {
    let near = near(name);
    let hint = match near.as_slice() {
        [] => "`cachekit::functions()` lists those that it has".to_owned(),
        near => format!("there is {}", near.join(", ")),
    };
    Error::new(
        ErrorKind::UnknownFunction,
        format!(
            "this program has no memoized function called `{name}`, and no other one has entries in its cache: {hint}"
        ),
    )
}
