//! The computation and what follows it: the value is stored, unless something was deleted since it began.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use cachekit_backends::KeyBytes;
use cachekit_backends::simple::{Insert, Record};

use super::policy::{Entry, Policy};
use super::probe::{Call, Way};
use super::target::{LocalKey, SharedKey};
use super::{Evidence, Lead, Seen};
use crate::flight::Outcome;
use crate::link::{AsyncIo, Io, PutIf, SyncIo, ready};
use crate::stats::Event;

/// The duty to compute. If it is dropped, by a panic or a cancellation, one of those who wait takes over.
pub struct Ticket<P: Policy> {
    call: Call,
    flight: Option<Lead>,
    policy: PhantomData<fn() -> P>,
}

impl<P: Policy> Ticket<P> {
    pub(super) fn new(call: Call, flight: Option<Lead>) -> Self {
        Self { call, flight, policy: PhantomData }
    }

    /// Runs the body of a function.
    #[inline]
    pub fn run<R>(&self, body: impl FnOnce() -> R) -> R {
        let _inside = self.flight.as_ref().map(Lead::enter);
        body()
    }

    /// Runs the body of an async function.
    pub async fn run_async<R, F: Future<Output = R>>(&self, body: F) -> R {
        match &self.flight {
            Some(flight) => flight.scope(body).await,
            None => body.await,
        }
    }

    /// Stores the value if it is to be stored, hands it to those who wait, and returns it. Blocks the thread.
    pub fn finish(self, output: P::Output, cache_if: impl FnOnce(&P::Output) -> bool) -> P::Output {
        let Some((stored, this)) = self.kept(&output, cache_if) else { return output };
        ready(this.store(SyncIo, stored));
        output
    }

    /// The same as a task.
    pub async fn finish_async(self, output: P::Output, cache_if: impl FnOnce(&P::Output) -> bool) -> P::Output {
        let Some((stored, this)) = self.kept(&output, cache_if) else { return output };
        this.store(AsyncIo, stored).await;
        output
    }

    /// The value to be stored, if there is one; else ends the flight.
    fn kept(
        self,
        output: &P::Output,
        cache_if: impl FnOnce(&P::Output) -> bool,
    ) -> Option<(Arc<P::Stored>, Self)> {
        if matches!(self.call.way, Way::Bypass) {
            return None;
        }
        match P::stored(output).filter(|_| cache_if(output)) {
            Some(stored) => Some((Arc::new(stored.clone()), self)),
            None => {
                if let Some(flight) = self.flight {
                    flight.finish(Outcome::Nothing);
                }
                None
            }
        }
    }

    async fn store<D: Io>(self, io: D, value: Arc<P::Stored>) {
        let Self { call, flight, .. } = self;
        let stored = match (&call.way, &flight) {
            (Way::Local(key), Some(flight)) => store_local::<P>(&call, key, flight, &value),
            (Way::Shared(key), Some(flight)) => store_shared::<P, D>(io, &call, key, flight, &value).await,
            _ => false,
        };
        if stored {
            call.count(Event::Store);
        }
        if let Some(flight) = flight {
            flight.finish(Outcome::Value(value));
        }
    }
}

fn store_local<P: Policy>(call: &Call, key: &LocalKey, flight: &Lead, value: &Arc<P::Stored>) -> bool {
    let Evidence::Birth { at, .. } = *flight.evidence() else { return false };
    let inner = call.inner();
    let record = Record {
        expiry: inner.local.expiry(call.life),
        birth: at,
        instance: key.instance,
        function: call.function.number,
        value: Arc::clone(value) as Arc<_>,
    };
    let insert = Insert { digest: key.digest, bytes: KeyBytes::clone(&key.bytes), record };
    inner.local.insert(insert, || !flight.doomed())
}

async fn store_shared<P: Policy, D: Io>(
    io: D,
    call: &Call,
    key: &SharedKey,
    flight: &Lead,
    value: &Arc<P::Stored>,
) -> bool {
    let inner = call.inner();
    let (Some(link), Evidence::Seen(Some(Seen { generation, token }))) = (&inner.link, *flight.evidence()) else {
        // The backend did not answer before; it isn't known what the value would be stored under.
        return false;
    };
    let at = Entry { key: &key.entry, now: inner.clock.now(), life: call.life, generation };
    let sealed = match P::seal(&at, value) {
        Ok(sealed) => sealed,
        Err(error) => {
            call.count(Event::Error);
            link.report("a value is returned", &error);
            return false;
        }
    };
    if flight.doomed() {
        return false;
    }
    let put = PutIf { key: key.entry.clone(), value: sealed, life: call.life, token };
    io.call(link, put).await.unwrap_or_else(|error| {
        call.count(Event::Error);
        link.report("a value is returned", &error);
        false
    })
}
