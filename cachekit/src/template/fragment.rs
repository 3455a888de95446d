//! Fragments as entries of the cache object, computed between two calls of the engine.

use std::sync::Arc;

use cachekit_backends::Timeout;

use crate::cache::{Cache, policy};
use crate::call::freshness::Windows;
use crate::call::policy::Storable;
use crate::call::store::Duty;
use crate::call::{Call, Outcome, Place, Round};
use crate::engine::remote::{BlockingIo, Budget, ready};
use crate::engine::{Hold, OBJECT};

/// The result of a look for a fragment.
pub(crate) enum FragmentFound<T> {
    Value(T),
    /// The fragment is to be rendered; with the duty to store it, if it is to be stored.
    Nothing(Option<FragmentClaim>),
}

/// A computation between its look and its store, two calls with foreign code between them.
///
/// It is a flight as every other one: callers that miss the same key wait for it, a deletion of the key keeps it from
/// storing, and computations of this thread until the store are inside of it. Dropped, it hands over to one of the callers
/// that wait.
pub(crate) struct FragmentClaim(Option<Box<Duty<'static>>>);

impl Cache {
    /// Looks for a fragment that serves, or claims to compute it. Blocks, also for another caller's computation.
    pub(crate) fn find_fragment<T: Storable>(
        &self,
        key: &str,
        timeout: Timeout,
        serves: impl Fn(&T) -> bool,
    ) -> FragmentFound<T> {
        let engine = self.engine();
        if engine.discards {
            return FragmentFound::Nothing(None);
        }
        let call = Call {
            engine: Hold::Shared(Arc::clone(engine)),
            function: OBJECT,
            life: timeout.resolve(engine.default_timeout),
            jitter: engine.jitter,
            windows: Windows::NONE,
            refresh: false,
            single_flight: true,
            life_by_name: false,
            budget: Budget::default(),
        };
        let round = Round::new(call, Place::of_object(engine, key), engine.flight_timeout);
        match ready(round.run(BlockingIo, policy(), |value, _| serves(value))) {
            Outcome::Value(value) => FragmentFound::Value(value),
            Outcome::Compute(duty) => {
                duty.step_in();
                FragmentFound::Nothing(Some(FragmentClaim(Some(Box::new(duty)))))
            }
        }
    }
}

impl FragmentClaim {
    /// Stores the fragment, unless it was deleted meanwhile, and hands it to the callers that wait.
    pub(crate) fn store<T: Storable>(mut self, value: &T) {
        if let Some(mut duty) = self.0.take() {
            duty.step_out();
            let _none_before = duty.settle_blocking(policy(), value, |_| true);
        }
    }
}

impl Drop for FragmentClaim {
    fn drop(&mut self) {
        if let Some(duty) = self.0.take() {
            duty.step_out();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::engine::flight::is_inside;

    fn claim(cache: &Cache, key: &str) -> FragmentClaim {
        match cache.find_fragment::<String>(key, Timeout::Default, |_| true) {
            FragmentFound::Nothing(Some(claim)) => claim,
            _ => panic!("{key} is there, or is computed elsewhere"),
        }
    }

    #[test]
    fn a_thread_is_inside_of_a_computation_until_it_is_left_in_whatever_order() {
        let cache = Cache::open(Config::simple()).unwrap();
        for outer_first in [false, true] {
            let (outer, inner) = (claim(&cache, "outer"), claim(&cache, "inner"));
            assert!(is_inside());
            let (first, second) = if outer_first { (outer, inner) } else { (inner, outer) };
            drop(first);
            assert!(is_inside(), "one of them still runs");
            drop(second);
            assert!(!is_inside());
        }
        let (outer, inner) = (claim(&cache, "outer"), claim(&cache, "inner"));
        inner.store(&"text".to_string());
        assert!(is_inside());
        outer.store(&"text".to_string());
        assert!(!is_inside());
    }

    #[test]
    fn what_does_not_serve_is_computed_and_replaced() {
        let cache = Cache::open(Config::simple()).unwrap();
        claim(&cache, "key").store(&"text".to_string());
        let found =
            |wanted: &str| cache.find_fragment("key", Timeout::Default, |text: &String| text == wanted);
        assert!(matches!(found("text"), FragmentFound::Value(text) if text == "text"));
        let FragmentFound::Nothing(Some(claim)) = found("other") else { panic!("it does not serve") };
        claim.store(&"other".to_string());
        assert!(matches!(found("other"), FragmentFound::Value(_)));
    }
}
