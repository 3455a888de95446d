//! The first look: a hit ends here, without a lock that serializes readers, without an allocation and without a clock.

use std::future::Future;
use std::hash::Hasher;
use std::pin::Pin;
use std::sync::Arc;

use cachekit_backends::simple::{Entry, SimpleStore};
use cachekit_backends::{Lifetime, Matcher, Timeout};

use super::Op;
use super::lead::Lead;
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

/// Options without expressions.
#[inline]
#[must_use]
pub fn plain<R>(
    timeout: Timeout,
    single_flight: bool,
) -> Options<impl FnOnce() -> bool, impl FnOnce() -> bool, impl Fn(&R) -> bool, Fixed> {
    Options { unless: no, refresh_if: no, stale_if: keep::<R>, timeout: Fixed(timeout), single_flight }
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
    #[inline]
    pub(super) fn inner(&self) -> &'static Arc<Inner> {
        self.cache.inner()
    }

    pub(super) fn count(&self, event: Event) {
        self.inner().functions.get(self.function.number).counters.count(event);
    }

    /// Makes the function known as one of the cache, for deletions by name.
    pub(super) fn note_use(&self) {
        self.function.note_use(self.inner());
    }
}

/// Looks a call up. Puts the value into the empty slot `found`, from where it is moved once, or gives what it takes to go on.
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
    found: &mut Option<R>,
) -> Option<Pending<F>>
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
        return Some(bypass(function, cache, options.stale_if));
    }
    let inner = cache.inner();
    if inner.discards {
        return Some(bypass(function, cache, options.stale_if));
    }
    let refresh = op == Op::Refresh || (options.refresh_if)();
    let (mut known, mut since) = (None, None);
    if inner.link.is_none() || function.local {
        let digest = function.digest(&inner.local, parts);
        known = Some(digest);
        if !refresh {
            since = look(inner, digest, function, policy, parts, found);
            if since.is_none() && !found.as_ref().is_some_and(&options.stale_if) {
                function.count_hit(inner);
                return None;
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
    Some(Pending { call, stale_if: options.stale_if, since })
}

/// The body of a function, for one call.
trait Body<R> {
    fn run(&mut self) -> R;
}

struct Once<B>(Option<B>);

impl<R, B: FnOnce() -> R> Body<R> for Once<B> {
    fn run(&mut self) -> R {
        match self.0.take() {
            Some(body) => body(),
            None => unreachable!("a body runs once"),
        }
    }
}

/// The value that a look which left nothing to do has put into its slot.
#[inline]
pub fn found<R>(slot: Option<R>) -> R {
    slot.unwrap_or_else(|| unreachable!("`probe` gives a value or what it takes to go on"))
}

impl<F> Pending<F> {
    /// The rest of a call that missed: leaves the computation to somebody else, or runs the body and stores what it gives.
    /// Blocks the thread.
    #[inline]
    pub fn finish<R>(
        self,
        policy: &Policy<R>,
        cache_if: impl FnOnce(&R) -> bool,
        body: impl FnOnce() -> R,
    ) -> R
    where
        F: Fn(&R) -> bool,
    {
        self.finish_by(policy, cache_if, &mut Once(Some(body)))
    }

    /// One function for all memoized functions of a return type, so that each adds little code to the program.
    #[inline(never)]
    fn finish_by<R>(self, policy: &Policy<R>, cache_if: impl FnOnce(&R) -> bool, body: &mut dyn Body<R>) -> R
    where
        F: Fn(&R) -> bool,
    {
        match self.lead(policy) {
            Lead::Done(output) => output,
            Lead::Compute(ticket) => {
                let output = ticket.run(|| body.run());
                ticket.finish(policy, output, cache_if)
            }
        }
    }

    /// The same as a task. In a box, so that the future of a call, which most of the time is a hit, is small to move.
    pub fn finish_async<R, B>(
        self,
        policy: &Policy<R>,
        cache_if: impl FnOnce(&R) -> bool,
        body: B,
    ) -> Pin<Box<impl Future<Output = R>>>
    where
        F: Fn(&R) -> bool,
        B: Future<Output = R>,
    {
        Box::pin(async move {
            match self.lead_async(policy).await {
                Lead::Done(output) => output,
                Lead::Compute(ticket) => {
                    let output = ticket.run_async(body).await;
                    ticket.finish_async(policy, output, cache_if).await
                }
            }
        })
    }
}

#[cold]
fn bypass<F>(function: &'static Function, cache: &'static Cache, stale_if: F) -> Pending<F> {
    let call = Call { function, cache, way: Way::Bypass, life: None, refresh: false, single_flight: false };
    Pending { call, stale_if, since: None }
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
    found: &mut Option<R>,
) -> Option<u64>
where
    K: KeyPart,
{
    let store = &*inner.local;
    let feed = |m: &mut Matcher<'_>| feed_local(function, parts, m);
    if policy.may_be_near() && store.read_near(digest, feed, take(policy, found)) == Some(true) {
        return None;
    }
    let since = inner.flights.completions(&digest);
    (!look_far(store, digest, policy, K::TRUSTED, feed, found)).then_some(since)
}

/// Looks into the shared tables.
#[inline(never)]
fn look_far<R>(
    store: &SimpleStore,
    digest: u64,
    policy: &Policy<R>,
    trusted: bool,
    feed: impl Fn(&mut Matcher<'_>),
    found: &mut Option<R>,
) -> bool {
    let small = |entry: &Entry| policy.may_be_near() && policy.is_small(entry.any());
    let taken = if trusted && policy.is_quiet() {
        store.read_far(digest, feed, take(policy, found), small)
    } else {
        // The clone of a key or of a value is the user's code.
        store.read_far_foreign(digest, feed, take(policy, found), small, trusted)
    };
    taken == Some(true)
}

/// Takes the value of an entry into a slot.
#[inline]
fn take<R>(policy: &Policy<R>, slot: &mut Option<R>) -> impl FnOnce(&Entry) -> bool {
    |entry| policy.take_into(entry.any(), slot)
}

/// Looks a recorded key up again.
pub(super) fn look_again<R>(store: &SimpleStore, policy: &Policy<R>, key: &Key) -> Option<R> {
    let feed = |m: &mut Matcher<'_>| m.write(key.bytes.as_slice());
    let entry = store.read(key.digest, feed, Arc::clone)?;
    policy.take(entry.any())
}

/// What a body gives.
#[inline]
pub fn result<R>(body: impl FnOnce() -> R) -> R {
    body()
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
