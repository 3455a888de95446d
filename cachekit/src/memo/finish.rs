//! The computation and what follows it: the value is stored, unless something was deleted since it began.

use std::future::Future;
use std::sync::Arc;

use cachekit_backends::simple::{Insert, Record, Value};

use super::policy::{Entry, Policy};
use super::probe::{Call, Way};
use super::target::{LocalKey, SharedKey};
use super::{Evidence, Lead, Seen};
use crate::flight::Outcome;
use crate::link::{AsyncIo, Io, PutIf, SyncIo, ready};
use crate::stats::Event;

/// The duty to compute. If it is dropped, by a panic or a cancellation, one of those who wait takes over.
pub struct Ticket<R> {
    call: Call,
    policy: Policy<R>,
    flight: Option<Lead>,
}

impl<R> Ticket<R> {
    pub(super) fn new(call: Call, policy: Policy<R>, flight: Option<Lead>) -> Self {
        Self { call, policy, flight }
    }

    /// Runs the body of a function.
    #[inline]
    pub fn run<B>(&self, body: impl FnOnce() -> B) -> B {
        let _inside = self.flight.as_ref().map(Lead::enter);
        body()
    }

    /// Runs the body of an async function.
    pub async fn run_async<B, F: Future<Output = B>>(&self, body: F) -> B {
        match &self.flight {
            Some(flight) => flight.scope(body).await,
            None => body.await,
        }
    }

    /// Stores the value if it is to be stored, hands it to those who wait, and returns it. Blocks the thread.
    pub fn finish(self, output: R, cache_if: impl FnOnce(&R) -> bool) -> R {
        let Some((stored, this)) = self.kept(&output, cache_if) else { return output };
        ready(this.store(SyncIo, stored));
        output
    }

    /// The same as a task.
    pub async fn finish_async(self, output: R, cache_if: impl FnOnce(&R) -> bool) -> R {
        let Some((stored, this)) = self.kept(&output, cache_if) else { return output };
        this.store(AsyncIo, stored).await;
        output
    }

    /// The value to be stored, if there is one; else ends the flight.
    fn kept(self, output: &R, cache_if: impl FnOnce(&R) -> bool) -> Option<(Value, Self)> {
        if matches!(self.call.way, Way::Bypass) {
            return None;
        }
        if self.policy.stores(output)
            && cache_if(output)
            && let Some(value) = self.policy.wrap(output)
        {
            return Some((value, self));
        }
        if let Some(flight) = self.flight {
            flight.finish(Outcome::Nothing);
        }
        None
    }

    async fn store<D: Io>(self, io: D, value: Value) {
        let Self { call, policy, flight } = self;
        let stored = match (&call.way, &flight) {
            (Way::Local(key), Some(flight)) => store_local(&call, key, flight, &value),
            (Way::Shared(key), Some(flight)) => store_shared(io, &call, &policy, key, flight, &value).await,
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

fn store_local(call: &Call, key: &LocalKey, flight: &Lead, value: &Value) -> bool {
    let Evidence::Birth { at, .. } = *flight.evidence() else { return false };
    let inner = call.inner();
    if call.refresh {
        flight.supersede();
    }
    let record = Record {
        expiry: inner.local.expiry(call.life),
        birth: at,
        instance: key.instance,
        function: call.function.number,
        value: Arc::clone(value),
    };
    let insert = Insert { digest: key.digest, bytes: key.bytes.clone(), record };
    inner.local.insert(insert, || !flight.doomed())
}

async fn store_shared<R, D: Io>(
    io: D,
    call: &Call,
    policy: &Policy<R>,
    key: &SharedKey,
    flight: &Lead,
    value: &Value,
) -> bool {
    let inner = call.inner();
    let (Some(link), Evidence::Seen(Some(Seen { generation, token }))) = (&inner.link, *flight.evidence())
    else {
        // The backend did not answer before; it isn't known what the value would be stored under.
        return false;
    };
    let at = Entry { key: &key.entry, now: inner.clock.now(), life: call.life, generation };
    let sealed = match policy.seal(&at, value) {
        Ok(sealed) => sealed,
        Err(error) => {
            call.count(Event::Error);
            link.report("a value is returned", &error);
            return false;
        }
    };
    if call.refresh {
        flight.supersede();
    }
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
