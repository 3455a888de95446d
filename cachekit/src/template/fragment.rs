//! Fragments as entries of the cache object, computed between two calls of the engine.

use std::sync::Arc;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::cache::{Cache, Freshness, policy};
use crate::call::dependencies::{self, Dependency, Recording};
use crate::call::shape::Storable;
use crate::call::store::Duty;
use crate::call::verdict::Verdict;
use crate::call::{Call, Known, Outcome, Place, Round, Source};
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
pub(crate) struct FragmentClaim(Option<Box<(Duty<'static>, Recording)>>);

/// A fragment and what its making depended on.
#[derive(Clone)]
struct Made<T> {
    value: T,
    depends: Vec<Dependency>,
}

/// The most dependencies of a fragment that is stored on a backend.
const MOST: usize = 10_000;

impl<T: Serialize> Serialize for Made<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.value, &self.depends).serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Made<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (value, depends) = <(T, Vec<Dependency>)>::deserialize(deserializer)?;
        // A backend has no entries of one process.
        if depends.len() > MOST || !depends.iter().all(|one| matches!(one, Dependency::Shared { .. })) {
            return Err(serde::de::Error::custom("dependencies that no fragment has"));
        }
        Ok(Self { value, depends })
    }
}

impl Cache {
    /// Looks for a fragment that serves, or claims to compute it. Blocks, also for another caller's computation.
    pub(crate) fn find_fragment<T: Storable>(
        &self,
        key: &str,
        name: Option<&str>,
        Freshness { timeout, windows }: Freshness,
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
            windows,
            refresh: false,
            single_flight: true,
            life_by_name: false,
            fleet: None,
            budget: Budget::default(),
        };
        let place = Place::of_fragment(engine, key, name);
        let (known, digest) = (Known::of(engine, &place), place.key().digest);
        let mut round = Round::new(call, place, engine.flight_timeout);
        round.look_beside(known.clone());
        let holds = |made: &Made<T>, source| {
            // A value of another call's computation is newer than the look.
            let known = known.as_deref().filter(|_| source != Source::Flight);
            let all = &made.depends;
            serves(&made.value)
                && (all.is_empty()
                    || ready(dependencies::hold(BlockingIo, engine, &Budget::default(), known, all)))
        };
        match ready(round.run(BlockingIo, policy(), holds)) {
            Outcome::Value(made) => {
                dependencies::remember(engine, digest, known.as_deref(), made.depends.iter());
                dependencies::inherit(engine, &made.depends);
                FragmentFound::Value(made.value)
            }
            Outcome::Compute(duty) => {
                duty.step_in();
                let recording = Recording::begin(engine);
                FragmentFound::Nothing(Some(FragmentClaim(Some(Box::new((duty, recording))))))
            }
        }
    }
}

impl FragmentClaim {
    /// Stores the fragment, unless it was deleted meanwhile, and hands it to the callers that wait.
    pub(crate) fn store<T: Storable>(mut self, value: &T) {
        if let Some(claimed) = self.0.take() {
            let (mut duty, recording) = *claimed;
            duty.step_out();
            let depends = recording.dependencies();
            drop(recording);
            // Without them it would outlive what it is made of.
            let verdict = if depends.is_some() { Verdict::from(true) } else { Verdict::failed() };
            let made = Made { value: value.clone(), depends: depends.unwrap_or_default() };
            duty.depends_on(made.depends.iter());
            let _served_already = duty.settle_blocking(policy(), &made, |_| verdict);
        }
    }
}

impl Drop for FragmentClaim {
    fn drop(&mut self) {
        if let Some(claimed) = self.0.take() {
            claimed.0.step_out();
        }
    }
}

#[cfg(test)]
mod tests {
    use cachekit_backends::Timeout;

    use super::*;
    use crate::Config;
    use crate::engine::flight::is_inside;

    fn claim(cache: &Cache, key: &str) -> FragmentClaim {
        match cache.find_fragment::<String>(key, None, Timeout::Default.into(), |_| true) {
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
        let found = |wanted: &str| {
            cache.find_fragment("key", None, Timeout::Default.into(), |text: &String| text == wanted)
        };
        assert!(matches!(found("text"), FragmentFound::Value(text) if text == "text"));
        let FragmentFound::Nothing(Some(claim)) = found("other") else { panic!("it does not serve") };
        claim.store(&"other".to_string());
        assert!(matches!(found("other"), FragmentFound::Value(_)));
    }
}
