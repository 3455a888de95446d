//! The lifetime and the tags of an entry, by the options of a call.

use std::sync::Arc;

use cachekit_backends::Timeout;

use super::function::Function;
use super::options::Join;
use super::steering::steering;
use crate::call::Call;
use crate::call::freshness::Windows;
use crate::call::tags::TagList;
use crate::engine::remote::Budget;
use crate::engine::{Engine, Hold};

/// How long an entry lives, as the options of a call say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Life {
    pub(super) timeout: Timeout,
    /// None: the cache's.
    pub(super) jitter: Option<f64>,
    pub(super) windows: Windows,
}

impl Life {
    /// Returns how long an entry of a function lives in a cache, with the options that were set from outside, and whether its timeout
    /// was set by the function's name. `entries` is the function whose entries they are.
    pub(super) fn steered(self, function: &Function, entries: &Function, engine: &Engine) -> (Self, bool) {
        let Some(steering) = steering(function, engine) else {
            return (self, false);
        };
        let [named, policy] = steering.times();
        let said = Some(self.timeout).filter(|timeout| *timeout != Timeout::Default);
        let windows = steering.windows(function, self.windows);
        if !windows.is_none() && !entries.declared.stamped {
            engine.carry_times(entries.number);
        }
        let timeout = named.0.or(said).or(policy.0).unwrap_or_default();
        (Self { timeout, jitter: named.1.or(self.jitter).or(policy.1), windows }, named.0.is_some())
    }

    /// Returns a call of a function that stores entries of this life.
    pub(super) fn call(
        &self,
        engine: &'static Arc<Engine>,
        function: &Function,
        life_by_name: bool,
        refresh: bool,
        join: Join,
    ) -> Call<'static> {
        Call {
            engine: Hold::Borrowed(engine),
            function: function.number,
            life: self.timeout.resolve(engine.default_timeout),
            life_by_name,
            jitter: self.jitter.unwrap_or(engine.jitter),
            windows: self.windows,
            refresh,
            single_flight: join.single_flight,
            fleet: join.fleet,
            budget: Budget::default(),
        }
    }
}

/// How long an entry lives; asked after a miss.
pub trait Lifespan {
    /// Whether entries carry their times, because they may be served while they are computed anew.
    const STAMPED: bool = false;
    /// Returns how long.
    fn life(self) -> Life;
}

/// The same for each call. A value and not a closure, so that functions of one signature share their code.
#[derive(Debug)]
pub struct Fixed(pub Timeout);

impl Lifespan for Fixed {
    fn life(self) -> Life {
        Life { timeout: self.0, jitter: None, windows: Windows::NONE }
    }
}

/// The result of an expression.
#[derive(Debug)]
pub struct Computed<F>(pub F);

impl<F: FnOnce() -> Timeout> Lifespan for Computed<F> {
    fn life(self) -> Life {
        Life { timeout: self.0(), jitter: None, windows: Windows::NONE }
    }
}

/// The option `jitter`: a lifespan that is shortened by a random part.
#[derive(Debug)]
pub struct Jittered<T, J>(pub T, pub J);

impl<T: Lifespan, J: FnOnce() -> f64> Lifespan for Jittered<T, J> {
    const STAMPED: bool = T::STAMPED;
    fn life(self) -> Life {
        Life { jitter: Some(self.1()), ..self.0.life() }
    }
}

/// The options about values that are served while they are computed anew.
#[derive(Debug)]
pub struct Windowed<T, W>(pub T, pub W);

impl<T: Lifespan, W: FnOnce() -> Windows> Lifespan for Windowed<T, W> {
    const STAMPED: bool = true;
    fn life(self) -> Life {
        Life { windows: self.1(), ..self.0.life() }
    }
}

/// The tags of a call's entry; asked where there is none in process.
pub trait Tagging {
    /// Whether entries of the function have tags.
    const TAGGED: bool;
    /// The tags; none if entries of the function have none.
    fn tags(self) -> Option<TagList>;
}

/// Entries have no tags.
#[derive(Debug)]
pub struct NoTags;

impl Tagging for NoTags {
    const TAGGED: bool = false;

    #[inline]
    fn tags(self) -> Option<TagList> {
        None
    }
}

/// The result of expressions.
#[derive(Debug)]
pub struct Tags<F>(pub F);

impl<F: FnOnce() -> TagList> Tagging for Tags<F> {
    const TAGGED: bool = true;

    fn tags(self) -> Option<TagList> {
        Some(self.0())
    }
}
