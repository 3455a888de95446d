use std::sync::Arc;

use cachekit_backends::{Lifetime, Timeout};

use super::core::Claim;
use super::{Cache, Inner};
use crate::link::{SyncIo, ready};
use crate::memo::Lead;
use crate::memo::policy::Storable;

/// What a look for a fragment gave.
pub(crate) enum FragmentFound<T> {
    Value(T),
    /// It is to be computed; with the duty to store it, if it is to be stored.
    Nothing(Option<FragmentClaim>),
}

/// A computation between its look and its store, two calls with other people's code between them.
///
/// It is a flight as every other one: who misses the same key waits for it, a deletion of the key keeps it from storing,
/// and what this thread computes until the store is inside of it. Dropped, it hands over to one of those who wait.
pub(crate) struct FragmentClaim {
    inner: Arc<Inner>,
    key: String,
    life: Lifetime,
    /// Until it is stored or dropped.
    lead: Option<Lead<'static>>,
}

impl Cache {
    /// Looks for a fragment that serves, or claims to compute it. Blocks, also for another one's computation.
    pub(crate) fn find_fragment<T: Storable>(
        &self,
        key: &str,
        timeout: Timeout,
        serves: impl Fn(&T) -> bool,
    ) -> FragmentFound<T> {
        let inner = self.inner();
        if inner.discards {
            return FragmentFound::Nothing(None);
        }
        match ready(inner.claim_if(SyncIo, key, &serves)) {
            Claim::Value(Some(value)) => FragmentFound::Value(value),
            // The one that was waited for gave something else.
            Claim::Value(None) => FragmentFound::Nothing(None),
            Claim::Lead(lead) => {
                let lead = lead.holding(&inner.flights);
                lead.step_in();
                FragmentFound::Nothing(Some(FragmentClaim {
                    inner: Arc::clone(inner),
                    key: key.to_owned(),
                    life: timeout.resolve(inner.default_timeout),
                    lead: Some(lead),
                }))
            }
        }
    }
}

impl FragmentClaim {
    /// Stores the fragment, unless it was deleted meanwhile, and hands it to those who wait.
    pub(crate) fn store<T: Storable>(mut self, value: &T) {
        if let Some(lead) = self.lead.take() {
            lead.step_out();
            ready(self.inner.settle(SyncIo, &self.key, self.life, lead, value));
        }
    }
}

impl Drop for FragmentClaim {
    fn drop(&mut self) {
        if let Some(lead) = self.lead.take() {
            lead.step_out();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::flight::is_inside;

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
