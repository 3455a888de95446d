//! The names of generated code. No part of the public interface.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

pub use crate::cache::Cache;
pub use crate::call::arguments::{
    ArgHash, ArgNone, HashAlone, KeyPart, NotDebug, NotHash, TellsApart, arg, arg_debug, arg_hash,
    arg_or_debug, of_self, of_type, of_val,
};
pub use crate::call::freshness::Windows;
pub use crate::call::judge::{
    as_said, err_of, if_error, none_of, none_too, of_err, of_none, of_value, timed, timeout_of,
};
pub use crate::call::policy::{
    Policy, PortableAny, PortableEq, PortableEqText, PortableText, local, portable,
};
pub use crate::call::shape::{Returns, Shape, weighed, whole};
pub use crate::call::tags::{TagList, TagTexts};
pub use crate::call::trace::{Outcome, traced};
pub use crate::call::verdict::Verdict;
pub use crate::call::view_argument::view_argument;
pub use crate::memo::Op;
pub use crate::memo::behind::{Behind, Reached, Rest, Task, own_ref, own_value, task};
pub use crate::memo::each::{
    Again, Batch, BatchOf, EachKey, EachOf, EntryOf, IdAs, Ids, Keys, Like, OneKey, PendingEach, PrimesEach,
    Sharing, TracesEach, each, id_as, ids_of,
};
pub use crate::memo::function::{Async, Blocking, Handle, Site};
pub use crate::memo::handle::{Key, Narrowed};
pub use crate::memo::invalidates::{Failed, TagDeletion, ended};
pub use crate::memo::life::{Computed, Fixed, Jittered, NoTags, Tags, Windowed};
pub use crate::memo::lookup::{Pending, Probe, found, probe, value};
pub use crate::memo::options::{
    Join, Judged, Never, Options, SingleFlight, future, keep_all, no, plain, predicate, result, weighs,
};
pub use crate::memo::owned::{Own, OwnAny, Owned, own, owned};
pub use crate::memo::per_request::{Kept, KeptHere, RequestKey, per_request};
pub use crate::memo::prime::prime;
pub use crate::memo::view::{ViewKey, ViewPath};
pub use crate::program::Declared;
pub use crate::program::list::site;
pub use crate::{Result, Timeout};

use crate::call::request;
use crate::memo::function::Scope;

/// The scope of a method.
#[inline]
#[must_use]
pub fn scope_method<T: ?Sized>() -> Scope {
    Scope::method::<T>()
}

/// The scope of a method of a trait, by a function in its body.
#[inline]
#[must_use]
pub fn scope_inline<T: ?Sized>(here: impl Copy) -> Scope {
    Scope::inline::<T, _>(here)
}

/// Returns the default cache, or the one that a test has put in its place.
#[inline]
#[must_use]
pub fn default_cache() -> &'static Cache {
    #[cfg(feature = "testing")]
    if let Some(cache) = crate::testing::current() {
        return cache;
    }
    crate::default_cache()
}

/// The types that `cache = PATH` may name.
#[diagnostic::on_unimplemented(
    message = "`cache` names a `Cache`, not a value of `{Self}`",
    label = "no `Cache`",
    note = "declare `static SESSIONS: cachekit::Cache = cachekit::Cache::new();`, bind it at start-up, and write `cache = SESSIONS`; \
            an `Arc` or a `LazyLock` of one works as well"
)]
pub trait AsCache {
    /// The cache.
    fn as_cache(&self) -> &Cache;
}

impl AsCache for Cache {
    #[inline]
    fn as_cache(&self) -> &Cache {
        self
    }
}

impl<C: AsCache + ?Sized> AsCache for &C {
    #[inline]
    fn as_cache(&self) -> &Cache {
        (**self).as_cache()
    }
}

impl<C: AsCache + ?Sized> AsCache for Arc<C> {
    #[inline]
    fn as_cache(&self) -> &Cache {
        (**self).as_cache()
    }
}

impl<C: AsCache, F: FnOnce() -> C> AsCache for LazyLock<C, F> {
    #[inline]
    fn as_cache(&self) -> &Cache {
        (**self).as_cache()
    }
}

/// The cache that a path names.
#[inline]
pub fn as_cache<C: AsCache + ?Sized>(cache: &'static C) -> &'static Cache {
    cache.as_cache()
}

/// A timeout that the attribute gave in milliseconds.
#[inline]
#[must_use]
pub const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Whether a request is being handled whose path can be a key. Outside of one, says once that there is none.
#[must_use]
pub fn in_request() -> bool {
    static SAID: std::sync::Once = std::sync::Once::new();
    if let Some(request) = request::current() {
        return request.keeps;
    }
    SAID.call_once(|| {
        tracing::warn!(
            target: "cachekit",
            "a function that is cached by the request's path was called outside of a request: it is computed, not cached; \
             put `cachekit::web::RequestScopeLayer` (feature `tower`) around the router",
        );
    });
    false
}

/// The key of a view: the text and, for its `%s`, the request.
#[inline]
#[must_use]
pub fn view_key(text: &'static str) -> ViewKey {
    ViewKey::whole(text)
}

/// The key of a function that has none: the path of the request, if one is being handled.
#[inline]
#[must_use]
pub fn request_key() -> ViewKey {
    ViewKey::path()
}

/// The path by which the entry can be deleted.
#[inline]
#[must_use]
pub fn request_path() -> ViewPath {
    ViewPath::current()
}
