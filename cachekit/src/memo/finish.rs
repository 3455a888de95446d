//! The computation and what follows it: the value is stored, unless something was deleted since it began.

use std::future::Future;
use std::mem;

use cachekit_backends::simple::Draft;

use super::policy::{Place, Policy};
use super::probe::{Call, Way};
use super::target::{LocalKey, SharedKey};
use super::{Evidence, Lead};
use crate::flight::Shared;
use crate::flight::scope;
use crate::link::{AsyncIo, Delete, Io, PutIf, SyncIo, ready};
use crate::stats::Event;

/// The duty to compute. If it is dropped, by a panic or a cancellation, one of those who wait takes over.
pub struct Ticket {
    call: Call,
    flight: Option<Lead<'static>>,
}

impl Ticket {
    pub(super) fn new(call: Call, flight: Option<Lead<'static>>) -> Self {
        Self { call, flight }
    }

    /// Runs the body of a function.
    #[inline]
    pub fn run<B>(&self, body: impl FnOnce() -> B) -> B {
        let _inside = self.flight.as_ref().and_then(Lead::enter);
        body()
    }

    /// Runs the body of an async function.
    pub fn run_async<B, F: Future<Output = B>>(&self, body: F) -> impl Future<Output = B> + use<B, F> {
        scope(self.flight.as_ref(), body)
    }

    /// Stores the value if it is to be stored, hands it to those who wait, and returns it. Blocks the thread.
    pub fn finish<R>(mut self, policy: &Policy<R>, output: R, cache_if: impl FnOnce(&R) -> bool) -> R {
        if let Some(put) = self.store(policy, &output, cache_if) {
            ready(put_over(SyncIo, &self.call, put));
        }
        self.land(policy, &output);
        output
    }

    /// The same as a task.
    pub async fn finish_async<R>(
        mut self,
        policy: &Policy<R>,
        output: R,
        cache_if: impl FnOnce(&R) -> bool,
    ) -> R {
        // The value is not borrowed while the backend is waited for: it need not be `Sync`.
        let put = self.store(policy, &output, cache_if);
        if let Some(put) = put {
            put_over(AsyncIo, &self.call, put).await;
        }
        self.land(policy, &output);
        output
    }

    /// Stores a value in process, or says what is to be put on the backend. If nothing of it is stored, this ends the flight.
    fn store<R>(
        &mut self,
        policy: &Policy<R>,
        output: &R,
        cache_if: impl FnOnce(&R) -> bool,
    ) -> Option<PutIf> {
        let Self { call, flight } = self;
        if matches!(call.way, Way::Bypass) {
            return None;
        }
        if !(policy.stores(output) && cache_if(output)) {
            if let Some(flight) = flight.take() {
                flight.release();
            }
            return None;
        }
        let flight = flight.as_ref()?;
        match mem::replace(&mut call.way, Way::Bypass) {
            Way::Local(key) => {
                store_local(call, policy, key, flight, output);
                None
            }
            Way::Shared(key) => sealed(call, policy, key, flight, output),
            Way::Bypass => None,
        }
    }

    #[inline]
    fn land<R>(&mut self, policy: &Policy<R>, output: &R) {
        if let Some(flight) = &mut self.flight {
            end(flight, &mut || policy.share(output));
        }
    }
}

/// Ends a flight. Without the type of the value, so that it is compiled with cachekit and not in each program.
fn end(flight: &mut Lead<'static>, value: &mut dyn FnMut() -> Option<Shared>) {
    flight.end(value);
}

/// Stores on the backend.
async fn put_over<D: Io>(io: D, call: &Call, put: PutIf) {
    let Some(link) = &call.inner().link else { return };
    // What others stored meanwhile may be older than a value that was asked for to replace it: it is removed then.
    let replaced = call.refresh.then(|| put.key.clone());
    let result = match (io.call(link, put).await, replaced) {
        (Ok(false), Some(key)) => io.call(link, Delete { key }).await.map(|_| false),
        (result, _) => result,
    };
    match result {
        Ok(true) => call.count(Event::Store),
        Ok(false) => {}
        Err(error) => {
            call.count(Event::Error);
            link.report("a value is returned", &error);
        }
    }
}

#[inline]
fn store_local<R>(call: &Call, policy: &Policy<R>, key: LocalKey, flight: &Lead<'_>, output: &R) {
    let Evidence::Birth { at, .. } = *flight.evidence() else { return };
    let inner = call.inner();
    let draft = Draft {
        digest: key.key.digest,
        bytes: key.key.bytes,
        expiry: inner.local.expiry(call.life),
        birth: at,
        instance: key.instance,
        function: call.function.number,
    };
    let Some(entry) = policy.keep(draft, output) else { return };
    if call.refresh {
        flight.supersede();
    }
    if inner.local.insert(entry, || !flight.doomed()) {
        call.function.count(inner, Event::Store);
    }
}

/// What is to be put on the backend, if it may be.
fn sealed<R>(
    call: &Call,
    policy: &Policy<R>,
    key: SharedKey,
    flight: &Lead<'_>,
    output: &R,
) -> Option<PutIf> {
    let inner = call.inner();
    let (Some(link), Evidence::Seen(Some(seen))) = (&inner.link, *flight.evidence()) else {
        // The backend did not answer before; it isn't known what the value would be stored under.
        return None;
    };
    let place =
        Place { key: &key.entry, now: inner.clock.now(), life: call.life, generation: seen.generation() };
    match policy.seal(&place, output) {
        Ok(Some(value)) => {
            if call.refresh {
                flight.supersede();
            }
            if flight.doomed() {
                return None;
            }
            Some(PutIf { key: key.entry, value, life: call.life, token: seen.token() })
        }
        Ok(None) => None,
        Err(error) => {
            call.count(Event::Error);
            link.report("a value is returned", &error);
            None
        }
    }
}
