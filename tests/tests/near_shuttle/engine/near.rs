//! `cachekit/src/engine/near` over a tier of one value, with time that the programs move.

#[path = "../../../../cachekit/src/engine/near/beat.rs"]
mod beat;
#[path = "../../../../cachekit/src/engine/near/change.rs"]
mod change;
#[path = "../../../../cachekit/src/engine/near/protocol.rs"]
mod protocol;
#[path = "../../../../cachekit/src/engine/near/registry.rs"]
mod registry;
#[path = "../../../../cachekit/src/engine/near/step.rs"]
mod step;

use std::sync::Arc;
use std::time::Duration;

use cachekit_backends::Backend;

pub(crate) use change::{Change, Known, announce, learn, restore};
use protocol::{APPROACH, CLASSES, Classes, DISBELIEVE_AFTER, Keys, PROLONG_AFTER, REGISTERED, TRUSTED};
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicU64, Ordering};

use super::remote::{Remote, Store};
use step::Step;

shuttle::lazy_static! {
    static ref NOW: AtomicU64 = AtomicU64::new(1);
}

/// Moves the time on.
pub(crate) fn advance(by: Duration) {
    NOW.fetch_add(u64::try_from(by.as_nanos()).unwrap(), Ordering::SeqCst);
}

pub(crate) fn now() -> Duration {
    Duration::from_nanos(NOW.load(Ordering::SeqCst))
}

/// A tier of one value.
pub(crate) struct Near {
    pub(crate) staleness: Duration,
    step: Step,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    value: Option<usize>,
    /// How often it was emptied.
    births: u64,
}

impl Near {
    pub(crate) fn new(staleness: Duration, store: &Arc<Store>) -> Self {
        let backend: Arc<dyn Backend> = store.clone();
        Self { staleness, step: Step::new(&backend), state: Mutex::default() }
    }

    pub(crate) fn serves(&self) -> bool {
        self.step.holds(|| self.empty())
    }

    /// Takes the value from the tier, or looks for it and keeps it there, in the order of `call::look`.
    pub(crate) fn look(&self, find: impl FnOnce() -> usize) -> usize {
        let birth = self.state.lock().unwrap().births;
        let serves = self.serves();
        if serves && let Some(value) = self.state.lock().unwrap().value {
            return value;
        }
        let value = find();
        let mut state = self.state.lock().unwrap();
        if serves && state.births == birth {
            state.value = Some(value);
        }
        value
    }

    pub(crate) fn empty(&self) {
        let mut state = self.state.lock().unwrap();
        (state.value, state.births) = (None, state.births + 1);
    }

    fn is_timed(&self) -> bool {
        self.step.is_timed()
    }

    fn serve_until(&self, moment: Duration) {
        self.step.serve_until(moment);
    }
}

/// The thread that keeps a tier in step.
pub(crate) struct Heart(beat::Beat);

impl Heart {
    pub(crate) fn new(remote: &Remote) -> Self {
        Self(beat::Beat::new(remote.near().unwrap()))
    }

    pub(crate) fn beat(&mut self, remote: &Arc<Remote>) {
        self.0.beat(remote, remote.near().unwrap()).unwrap();
    }
}
