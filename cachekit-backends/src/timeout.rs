use std::time::Duration;

use crate::random::random_u128;

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

/// Shortens a TTL by a random part of it that is at most `jitter`, a number from 0 to 1. Entries that were stored together then
/// don't expire together. Costs a system call, unless there is nothing to shorten.
///
/// # Panics
/// If the system has no random numbers.
pub fn jittered(life: Ttl, jitter: f64) -> Ttl {
    // Not a number is no jitter.
    if life.is_none() || jitter.is_nan() || jitter <= 0.0 {
        return life;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a part of the bits is as random as all of them")]
    let drawn = random_u128() as u32;
    life.map(|life| shortened(life, jitter.min(1.0) * f64::from(drawn) / f64::from(u32::MAX)))
}

/// Shortens a lifetime by a part of it, to a millisecond at least.
fn shortened(life: Duration, part: f64) -> Duration {
    // Of the longest lifetimes the product is rounded beyond them.
    life.checked_sub(life.mul_f64(part.min(1.0 - f64::EPSILON)))
        .unwrap_or_default()
        .max(Duration::from_millis(1))
        .min(life)
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

    #[test]
    fn jitter_only_shortens_and_by_at_most_its_part() {
        let life = Duration::from_secs(100);
        let drawn: Vec<Duration> = (0..1000).map(|_| jittered(Some(life), 0.25).unwrap()).collect();
        let (least, most) = (drawn.iter().min().unwrap(), drawn.iter().max().unwrap());
        assert!(*least >= Duration::from_secs(75) && *most <= life, "{least:?} to {most:?}");
        // By accident in one of 10^28 runs.
        assert!(*least < Duration::from_secs(78) && *most > Duration::from_secs(97), "{least:?} to {most:?}");
    }

    #[test]
    fn nothing_is_shortened_to_nothing_or_beyond_its_end() {
        for life in [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(1), Duration::MAX] {
            for part in [0.0, f64::MIN_POSITIVE, 0.5, 1.0] {
                let shorter = shortened(life, part);
                assert!(shorter <= life, "{life:?} {part}");
                assert!(shorter >= life.min(Duration::from_millis(1)), "{life:?} {part}");
            }
            assert_eq!(shortened(life, 0.0), life);
            assert_eq!(jittered(Some(life), 0.0), Some(life));
            assert_eq!(jittered(Some(life), f64::NAN), Some(life));
        }
        assert_eq!(jittered(None, 1.0), None);
    }
}
