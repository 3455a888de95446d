//! The computation and what follows it: the value is stored, unless something was deleted since it began.

use std::future::Future;

use cachekit_backends::simple::Draft;

use super::policy::{Place, Policy};
use super::probe::{Call, Way};
use super::target::{LocalKey, SharedKey};
use super::{Evidence, Lead, Seen};
use crate::link::{AsyncIo, Delete, Io, PutIf, SyncIo, ready};
use crate::stats::Event;

/// The duty to compute. If it is dropped, by a panic or a cancellation, one of those who wait takes over.
pub struct Ticket {
    call: Call,
    flight: Option<Lead>,
}

impl Ticket {
    pub(super) fn new(call: Call, flight: Option<Lead>) -> Self {
        Self { call, flight }
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
    pub fn finish<R>(mut self, policy: &Policy<R>, output: R, cache_if: impl FnOnce(&R) -> bool) -> R {
        let step = self.begin(policy, &output, cache_if);
        if let Step::Put(put) = step {
            ready(self.put(SyncIo, put));
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
        let step = self.begin(policy, &output, cache_if);
        if let Step::Put(put) = step {
            self.put(AsyncIo, put).await;
        }
        self.land(policy, &output);
        output
    }

    /// All but the wait for a backend. If nothing is to be stored, it ends the flight as well.
    fn begin<R>(&mut self, policy: &Policy<R>, output: &R, cache_if: impl FnOnce(&R) -> bool) -> Step {
        if matches!(self.call.way, Way::Bypass) {
            return Step::Done;
        }
        if !(policy.stores(output) && cache_if(output)) {
            if let Some(flight) = self.flight.take() {
                flight.release();
            }
            return Step::Done;
        }
        let Some(flight) = &self.flight else { return Step::Done };
        match &self.call.way {
            Way::Local(key) => store_local(&self.call, policy, key, flight, output),
            Way::Shared(key) => return sealed(&self.call, policy, key, flight, output),
            Way::Bypass => {}
        }
        Step::Done
    }

    async fn put<D: Io>(&self, io: D, put: PutIf) {
        let call = &self.call;
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

    fn land<R>(self, policy: &Policy<R>, output: &R) {
        if let Some(flight) = self.flight {
            flight.finish(|| policy.share(output));
        }
    }
}

/// What is left to do after the computation.
enum Step {
    Done,
    /// Store this on the backend.
    Put(PutIf),
}

fn store_local<R>(call: &Call, policy: &Policy<R>, key: &LocalKey, flight: &Lead, output: &R) {
    let Evidence::Birth { at, .. } = *flight.evidence() else { return };
    let inner = call.inner();
    let draft = Draft {
        digest: key.key.digest,
        bytes: key.key.bytes.clone(),
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
        call.count(Event::Store);
    }
}

/// What is to be put on the backend, if it may be.
fn sealed<R>(call: &Call, policy: &Policy<R>, key: &SharedKey, flight: &Lead, output: &R) -> Step {
    let inner = call.inner();
    let (Some(link), Evidence::Seen(Some(Seen { generation, token }))) = (&inner.link, *flight.evidence())
    else {
        // The backend did not answer before; it isn't known what the value would be stored under.
        return Step::Done;
    };
    let place = Place { key: &key.entry, now: inner.clock.now(), life: call.life, generation };
    match policy.seal(&place, output) {
        Ok(Some(value)) => {
            if call.refresh {
                flight.supersede();
            }
            if flight.doomed() {
                return Step::Done;
            }
            Step::Put(PutIf { key: key.entry.clone(), value, life: call.life, token })
        }
        Ok(None) => Step::Done,
        Err(error) => {
            call.count(Event::Error);
            link.report("a value is returned", &error);
            Step::Done
        }
    }
}
