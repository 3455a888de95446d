use std::sync::Arc;

use cachekit_backends::simple::{SimpleStore, SlotTable};
use cachekit_backends::{Backend, Clock, Config, Opened, Result, open};

use super::Inner;
use crate::link::Link;
use crate::memo::Flights;
use crate::stats::Counters;

impl Inner {
    pub(super) fn open(config: &Config, clock: &Clock) -> Result<Arc<Self>> {
        Ok(match open(config, clock)? {
            Opened::Simple => Self::new(None, config, clock),
            Opened::Shared(backend) => Self::over(backend, config, clock),
        })
    }

    pub(super) fn over(backend: Arc<dyn Backend>, config: &Config, clock: &Clock) -> Arc<Self> {
        Self::new(Some(Link::new(backend, config)), config, clock)
    }

    /// What a cache is bound to that nobody configured.
    pub(super) fn in_process() -> Arc<Self> {
        Self::new(None, &Config::default(), &Clock::system())
    }

    fn new(link: Option<Arc<Link>>, config: &Config, clock: &Clock) -> Arc<Self> {
        Arc::new(Self {
            prefix: delimited(&config.key_prefix),
            allow_flush: config.allow_flush,
            default_timeout: config.default_timeout,
            clock: clock.clone(),
            local: SimpleStore::new(config.threshold, clock.clone()),
            discards: link.as_ref().is_some_and(|link| link.capabilities().discards),
            link,
            flights: Arc::new(Flights::new()),
            functions: SlotTable::new(),
            own: Counters::default(),
        })
    }
}

/// The prefix as it stands before keys: with an end that no other prefix contains, so that none is the beginning of
/// another. Without it `clear` of `app` would remove what is of `app2_`, whose key `x` would be `2_x` of `app`.
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
