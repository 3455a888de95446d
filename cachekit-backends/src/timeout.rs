use std::time::Duration;

/// The TTL of an entry, as a caller gives it.
///
/// `From<u64>` and its like read seconds, `0` meaning never, as the attributes do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Timeout {
    /// The cache's `default_timeout`.
    #[default]
    Default,
    /// The entry doesn't expire.
    Never,
    /// The entry expires after this time. Kept to the millisecond, rounded up, and never to zero.
    After(Duration),
}

impl Timeout {
    /// Returns the TTL, with `default` for [`Timeout::Default`]. `None` is for ever.
    pub fn resolve(self, default: Timeout) -> Ttl {
        match self {
            Timeout::Never => None,
            Timeout::After(d) => Some(d),
            Timeout::Default => match default {
                Timeout::After(d) => Some(d),
                Timeout::Never | Timeout::Default => None,
            },
        }
    }
}

/// A resolved time to live; `None` is for ever.
pub type Ttl = Option<Duration>;

/// A lifetime in whole milliseconds, rounded up and at least one.
pub fn ttl_millis(life: Duration) -> u64 {
    // By parts: a division of 128 bits takes longer than a hit.
    let part = u64::from(life.subsec_nanos().div_ceil(1_000_000));
    life.as_secs().saturating_mul(1000).saturating_add(part).max(1)
}

impl From<Duration> for Timeout {
    /// A duration of zero expires at once, after the shortest time there is: say [`Timeout::Never`] for "never".
    fn from(d: Duration) -> Self {
        Timeout::After(d)
    }
}

macro_rules! seconds {
    ($($t:ty)*) => {$(
        impl From<$t> for Timeout {
            fn from(seconds: $t) -> Self {
                match u64::try_from(seconds) {
                    Ok(0) => Timeout::Never,
                    Ok(s) => Timeout::After(Duration::from_secs(s)),
                    // A negative time is over already.
                    Err(_) => Timeout::After(Duration::ZERO),
                }
            }
        }
    )*};
}
seconds!(u64 u32 i32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_seconds_is_never_and_fractions_round_up() {
        assert_eq!(Timeout::from(0u64), Timeout::Never);
        assert_eq!(Timeout::from(7u64), Timeout::After(Duration::from_secs(7)));
        assert_eq!(ttl_millis(Duration::from_nanos(1)), 1);
        assert_eq!(ttl_millis(Duration::ZERO), 1);
        assert_eq!(ttl_millis(Duration::from_micros(1001)), 2);
        assert_eq!(ttl_millis(Duration::MAX), u64::MAX);
    }
}
