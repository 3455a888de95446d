//! The cache object's operations that compute an absent value, as a memoized function does.

use std::future::Future;

use super::absent::{Absent, absence};
use super::freshness::Freshness;
use super::value::{ok_policy, policy};
use crate::call::policy::Policy;
use crate::call::shape::Storable;
use crate::call::verdict::Verdict;
use crate::call::{Call, Outcome, Place, Round};
use crate::engine::remote::{Budget, Io};
use crate::engine::{Engine, Hold, OBJECT};

impl Engine {
    pub(super) async fn get_or_insert_over<T, D, F>(
        &self,
        io: D,
        key: &str,
        freshness: Freshness,
        compute: impl FnOnce() -> F,
    ) -> T
    where
        T: Storable,
        D: Io,
        F: Future<Output = T>,
    {
        let judge = |value: &T| match absence(value) {
            None => Verdict::from(true),
            Some(Absent::None) => Verdict::from(false),
            Some(Absent::Err) => Verdict::failed(),
        };
        self.compute(io, key, freshness, policy(), compute, judge).await
    }

    pub(super) async fn try_get_or_insert_over<T, E, D, F>(
        &self,
        io: D,
        key: &str,
        freshness: Freshness,
        compute: impl FnOnce() -> F,
    ) -> Result<T, E>
    where
        T: Storable,
        D: Io,
        F: Future<Output = Result<T, E>>,
    {
        self.compute(io, key, freshness, ok_policy(), compute, |_| Verdict::from(true)).await
    }

    async fn compute<R, D, F>(
        &self,
        io: D,
        key: &str,
        Freshness { timeout, windows }: Freshness,
        policy: &Policy<R>,
        compute: impl FnOnce() -> F,
        judge: impl FnOnce(&R) -> Verdict,
    ) -> R
    where
        D: Io,
        F: Future<Output = R>,
    {
        let call = Call {
            engine: Hold::Borrowed(self),
            function: OBJECT,
            life: self.life(timeout),
            jitter: self.jitter,
            windows,
            refresh: false,
            single_flight: true,
            life_by_name: false,
            fleet: None,
            budget: Budget::default(),
        };
        let round = Round::new(call, Place::of_object(self, key), self.flight_timeout);
        match round.run(io, policy, |_, _| true).await {
            Outcome::Value(value) => value,
            Outcome::Compute(duty) => {
                let value = duty.run_async(compute()).await;
                duty.settle(io, policy, value, judge).await.0
            }
        }
    }
}
