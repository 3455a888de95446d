//! The first look: a hit ends here, without a lock that serializes readers, without an allocation and without a clock.

use std::hash::Hasher;
use std::sync::Arc;

use cachekit_backends::simple::{Entry, SimpleStore};
use cachekit_backends::{Lifetime, Matcher, Timeout};

use super::Op;
use super::parts::KeyPart;
use super::policy::Policy;
use super::site::{Function, Handle};
use super::target::{LocalKey, SharedKey, feed_local};
use crate::cache::{Cache, Inner};
use crate::flight::Key;
use crate::stats::Event;

/// The options of a call, as the attribute's expressions.
pub struct Options<U, Q, F, T> {
    /// True: neither read nor write.
    pub unless: U,
    /// True: compute and overwrite.
    pub refresh_if: Q,
    /// Asked on a hit; true: compute and overwrite.
    pub stale_if: F,
    /// How long the entry lives.
    pub timeout: T,
    /// Wait for a computation of the same call that is under way.
    pub single_flight: bool,
}

/// How long an entry is to live; asked after a miss.
pub trait Lifespan {
    /// The timeout.
    fn timeout(self) -> Timeout;
}

/// The same for each call. A value and no closure, so that functions of one signature share their code.
#[derive(Debug)]
pub struct Fixed(pub Timeout);

impl Lifespan for Fixed {
    fn timeout(self) -> Timeout {
        self.0
    }
}

/// What an expression says.
#[derive(Debug)]
pub struct Computed<F>(pub F);

impl<F: FnOnce() -> Timeout> Lifespan for Computed<F> {
    fn timeout(self) -> Timeout {
        self.0()
    }
}

/// What a first look gave.
pub enum Probe<R, F> {
    /// The value.
    Done(R),
    /// It takes more than a look.
    Pending(Pending<F>),
}

/// A call that missed; owns all it needs, so that the arguments are free for the body.
pub struct Pending<F> {
    pub(super) call: Call,
    pub(super) stale_if: F,
    /// How many computations of the key had ended before it was looked for in vain; unknown if it wasn't.
    pub(super) since: Option<u64>,
}

/// A call without its types.
pub(super) struct Call {
    pub(super) function: &'static Function,
    pub(super) cache: &'static Cache,
    pub(super) way: Way,
    pub(super) life: Lifetime,
    pub(super) refresh: bool,
    pub(super) single_flight: bool,
}

/// Where a call's entry is.
pub(super) enum Way {
    /// Nowhere: just compute.
    Bypass,
    Local(LocalKey),
    Shared(SharedKey),
}

impl Call {
    pub(super) fn inner(&self) -> &'static Arc<Inner> {
        self.cache.inner()
    }

    pub(super) fn count(&self, event: Event) {
        self.inner().functions.get(self.function.number).counters.count(event);
    }

    /// Makes the function known as one of the cache, for deletions by name.
    pub(super) fn note_use(&self) {
        if self.inner().functions.get(self.function.number).first_time() {
            self.function.used_with(self.cache);
        }
    }
}

/// Looks a call up.
#[inline]
// The handle is made for this call.
#[allow(clippy::needless_pass_by_value)]
pub fn probe<M, R, K, I, U, Q, F, T>(
    handle: Handle<M>,
    policy: &Policy<R>,
    parts: &K,
    instance: &I,
    op: Op,
    options: Options<U, Q, F, T>,
) -> Probe<R, F>
where
    K: KeyPart,
    I: KeyPart,
    U: FnOnce() -> bool,
    Q: FnOnce() -> bool,
    F: Fn(&R) -> bool,
    T: Lifespan,
{
    let Handle { function, cache, .. } = handle;
    // Before the cache is looked at, which would bind it.
    if op == Op::Uncached || (options.unless)() {
        return bypass(function, cache, options.stale_if);
    }
    let inner = cache.inner();
    if inner.discards {
        return bypass(function, cache, options.stale_if);
    }
    let refresh = op == Op::Refresh || (options.refresh_if)();
    let (mut known, mut since) = (None, None);
    if inner.link.is_none() || function.local {
        let digest = function.digest(&inner.local, parts);
        known = Some(digest);
        if !refresh {
            match look(inner, digest, function, policy, parts) {
                Ok(output) if (options.stale_if)(&output) => {}
                Ok(output) => {
                    function.count_hit(inner);
                    return Probe::Done(output);
                }
                Err(before) => since = Some(before),
            }
        }
    }
    let call = Call {
        function,
        cache,
        way: way(inner, function, parts, instance, known),
        life: options.timeout.timeout().resolve(inner.default_timeout),
        refresh,
        single_flight: options.single_flight,
    };
    Probe::Pending(Pending { call, stale_if: options.stale_if, since })
}

#[cold]
fn bypass<R, F>(function: &'static Function, cache: &'static Cache, stale_if: F) -> Probe<R, F> {
    let call = Call { function, cache, way: Way::Bypass, life: None, refresh: false, single_flight: false };
    Probe::Pending(Pending { call, stale_if, since: None })
}

/// Where the entry is; with a digest, in process.
#[cold]
fn way(
    inner: &Inner,
    function: &'static Function,
    parts: &impl KeyPart,
    instance: &impl KeyPart,
    digest: Option<u64>,
) -> Way {
    match digest {
        Some(digest) => Way::Local(function.local_key(inner, digest, parts, instance)),
        None => Way::Shared(function.shared_key(inner, parts, instance)),
    }
}

/// The hit path. Without a hit, how many computations of the key had ended before the look.
///
/// One function for all memoized functions of a signature, so that each adds little code to the program.
#[inline(never)]
fn look<R, K>(
    inner: &Inner,
    digest: u64,
    function: &Function,
    policy: &Policy<R>,
    parts: &K,
) -> Result<R, u64>
where
    K: KeyPart,
{
    let store = &*inner.local;
    let feed = |m: &mut Matcher<'_>| feed_local(function, parts, m);
    let take = |entry: &Entry| policy.take(entry.any());
    if policy.may_be_near()
        && let Some(output) = store.read_near(digest, feed, take).flatten()
    {
        return Ok(output);
    }
    let since = inner.flights.completions(&digest);
    look_far(store, digest, policy, K::TRUSTED, feed).ok_or(since)
}

/// Looks into the shared tables.
#[inline(never)]
fn look_far<R>(
    store: &SimpleStore,
    digest: u64,
    policy: &Policy<R>,
    trusted: bool,
    feed: impl Fn(&mut Matcher<'_>),
) -> Option<R> {
    let take = |entry: &Entry| policy.take(entry.any());
    let small = |entry: &Entry| policy.may_be_near() && policy.is_small(entry.any());
    if trusted && policy.is_quiet() {
        store.read_far(digest, feed, take, small).flatten()
    } else {
        // The clone of a key or of a value is the user's code.
        store.read_far_foreign(digest, feed, take, small, trusted).flatten()
    }
}

/// Looks a recorded key up again.
pub(super) fn look_again<R>(store: &SimpleStore, policy: &Policy<R>, key: &Key) -> Option<R> {
    let feed = |m: &mut Matcher<'_>| m.write(key.bytes.as_slice());
    let entry = store.read(key.digest, feed, Arc::clone)?;
    policy.take(entry.any())
}

/// The default of `unless` and `refresh_if`.
#[inline]
#[must_use]
pub fn no() -> bool {
    false
}

/// The default of `stale_if`.
#[inline]
pub fn keep<R>(_: &R) -> bool {
    false
}

/// The default of `cache_if`.
#[inline]
pub fn keep_all<R>(_: &R) -> bool {
    true
}

/// Tells the compiler what a predicate is of.
#[inline]
pub fn predicate<R, F: Fn(&R) -> bool>(f: F) -> F {
    f
}
