//! From a configuration to an engine.

use std::borrow::Cow;
use std::sync::Arc;

use cachekit_backends::simple::{SlotTable, Tables};
use cachekit_backends::{Backend, Clock, Config, NamedOptions, Opened, Result, describe, open};

use super::checks::Checks;
#[cfg(feature = "metrics")]
use super::meter::Meter;
#[cfg(any(feature = "tower", feature = "minijinja"))]
use super::remembered::Remembered;
use super::remote::{Name, Remote};
use super::stats::Counters;
use super::throttle::Throttle;
use super::{Engine, Flights};

impl Engine {
    /// Opens the backend that a configuration names.
    pub(crate) fn open(config: &Config, clock: &Clock) -> Result<Arc<Self>> {
        Ok(match open(config, clock)? {
            Opened::Simple => Self::new(None, config, clock),
            Opened::Shared(backend) => {
                let (name, location) = describe(config);
                let name = Name { backend: name.into(), location };
                Self::new(
                    Some(Remote::new(backend, name, &delimited(&config.key_prefix), config, clock)),
                    config,
                    clock,
                )
            }
        })
    }

    /// An engine over a backend, which errors name so.
    pub(crate) fn over(
        backend: Arc<dyn Backend>,
        name: Cow<'static, str>,
        config: &Config,
        clock: &Clock,
    ) -> Arc<Self> {
        let name = Name { backend: name, location: None };
        Self::new(
            Some(Remote::new(backend, name, &delimited(&config.key_prefix), config, clock)),
            config,
            clock,
        )
    }

    /// The default binding.
    pub(crate) fn in_process() -> Arc<Self> {
        Self::new(None, &Config::default(), &Clock::system())
    }

    fn new(remote: Option<Arc<Remote>>, config: &Config, clock: &Clock) -> Arc<Self> {
        let engine = Arc::new(Self {
            prefix: delimited(&config.key_prefix),
            allow_flush: config.allow_flush,
            default_timeout: config.default_timeout,
            jitter: config.jitter,
            flight_timeout: config.flight_timeout,
            named: NamedOptions::new(&config.functions),
            policies: config.policies.clone(),
            clock: clock.clone(),
            local: Tables::new(config.threshold, config.memory(), clock.clone()),
            discards: remote.as_ref().is_some_and(|remote| remote.capabilities().discards),
            remote,
            flights: Arc::new(Flights::new()),
            throttle: Throttle::default(),
            #[cfg(any(feature = "tower", feature = "minijinja"))]
            remembered: Remembered::default(),
            functions: SlotTable::new(),
            own: Counters::default(),
            #[cfg(feature = "metrics")]
            own_meter: Meter::default(),
            own_checks: Checks::default(),
            #[cfg(feature = "testing")]
            computed: std::sync::atomic::AtomicU64::default(),
        });
        #[cfg(feature = "metrics")]
        super::meter::remember(&engine);
        engine
    }
}

/// Returns the prefix with a delimiter that no other prefix contains, so that no prefix begins another. Otherwise `clear`
/// of `app` would remove the entries of `app2_`, whose key `x` would equal the key `2_x` of `app`.
fn delimited(prefix: &str) -> String {
    if prefix.is_empty() { String::new() } else { prefix.replace('%', "%25").replace('|', "%7C") + "|" }
}

#[cfg(test)]
mod tests {
    use super::delimited;

    #[test]
    fn no_prefix_begins_another_one() {
        let prefixes = ["app", "app2_", "app|", "app|x", "app%7C", "app%", "a", "cachekit:", "cachekit::"];
        for one in prefixes {
            for other in prefixes.iter().filter(|other| **other != one) {
                assert!(!delimited(other).starts_with(&delimited(one)), "{one} {other}");
            }
        }
        assert_eq!(delimited("cachekit:"), "cachekit:|");
        assert_eq!(delimited(""), "");
    }
}
