//! The first look: a hit ends here, without a lock that serializes readers, without an allocation and without a clock.

use std::hash::Hasher;
use std::sync::Arc;

use cachekit_backends::simple::{Record, SimpleStore};
use cachekit_backends::{KeyBytes, Lifetime, Matcher, Timeout};

use super::Op;
use super::parts::KeyPart;
use super::policy::Policy;
use super::site::{Function, Handle};
use super::target::{LocalKey, SharedKey, feed_local};
use crate::cache::{Cache, Inner};
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
    Pending(Pending<R, F>),
}

/// A call that missed; owns all it needs, so that the arguments are free for the body.
pub struct Pending<R, F> {
    pub(super) call: Call,
    pub(super) stale_if: F,
    pub(super) policy: Policy<R>,
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
}

/// Looks a call up.
#[inline]
// The handle is made for this call.
#[allow(clippy::needless_pass_by_value)]
pub fn probe<M, R, K, I, U, Q, F, T>(
    handle: Handle<M>,
    policy: Policy<R>,
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
        return bypass(function, cache, policy, options.stale_if);
    }
    let inner = cache.inner();
    if inner.discards {
        return bypass(function, cache, policy, options.stale_if);
    }
    let refresh = op == Op::Refresh || (options.refresh_if)();
    let local = inner.link.is_none() || function.local;
    if !refresh
        && local
        && let Some(output) = look(&inner.local, function, &policy, parts)
        && !(options.stale_if)(&output)
    {
        function.count_hit(inner);
        return Probe::Done(output);
    }
    Probe::Pending(Pending {
        call: Call {
            function,
            cache,
            way: way(inner, function, parts, instance, local),
            life: options.timeout.timeout().resolve(inner.default_timeout),
            refresh,
            single_flight: options.single_flight,
        },
        stale_if: options.stale_if,
        policy,
    })
}

fn bypass<R, F>(
    function: &'static Function,
    cache: &'static Cache,
    policy: Policy<R>,
    stale_if: F,
) -> Probe<R, F> {
    let call = Call { function, cache, way: Way::Bypass, life: None, refresh: false, single_flight: false };
    Probe::Pending(Pending { call, stale_if, policy })
}

#[cold]
fn way(
    inner: &Inner,
    function: &Function,
    parts: &impl KeyPart,
    instance: &impl KeyPart,
    local: bool,
) -> Way {
    if local {
        Way::Local(function.local_key(inner, parts, instance))
    } else {
        Way::Shared(function.shared_key(inner, parts, instance))
    }
}

/// The hit path.
#[inline]
fn look<R, K>(store: &SimpleStore, function: &Function, policy: &Policy<R>, parts: &K) -> Option<R>
where
    K: KeyPart,
{
    let digest = store.digest(|w| feed_local(function, parts, w));
    let feed = |m: &mut Matcher<'_>| feed_local(function, parts, m);
    if policy.is_quiet() {
        let read = |record: &Record| policy.take(&record.value);
        let small = |record: &Record| policy.is_small(&record.value);
        return if K::TRUSTED {
            store.read_near(digest, feed, read, small).flatten()
        } else {
            store.read_near_foreign(digest, feed, read, small).flatten()
        };
    }
    let value = if K::TRUSTED {
        store.read(digest, feed, |record| Arc::clone(&record.value))?
    } else {
        store.read_foreign(digest, feed)?.value
    };
    policy.take(&value)
}

/// Looks a recorded key up again.
pub(super) fn look_again<R>(
    store: &SimpleStore,
    policy: &Policy<R>,
    digest: u64,
    bytes: &KeyBytes,
) -> Option<R> {
    let feed = |m: &mut Matcher<'_>| m.write(bytes.as_slice());
    let value = store.read(digest, feed, |record| Arc::clone(&record.value))?;
    policy.take(&value)
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
