//! Times to live as the protocol wants them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Ttl;

/// Longer times are read as seconds since the Unix epoch.
const LONGEST_RELATIVE: u64 = 30 * 24 * 60 * 60;
/// The server keeps the moment in a signed 32-bit number.
const LAST: u64 = i32::MAX as u64;

/// The `exptime` of a lifetime. Rounded up, and a second more: the server counts in ticks of a second, and what is to live
/// for one could otherwise be gone at the next tick, after a few milliseconds. Never 0, which is "for ever", unless
/// the moment is beyond the year 2038, which the server can't say; the entry's header ends those.
pub(in crate::memcached) fn exptime(life: Ttl) -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    exptime_at(life, now)
}

fn exptime_at(life: Ttl, now: Duration) -> u32 {
    let Some(life) = life else { return 0 };
    let seconds = life.as_secs().saturating_add(u64::from(life.subsec_nanos() > 0)).max(1).saturating_add(1);
    let wanted =
        if seconds <= LONGEST_RELATIVE { seconds } else { (now.as_secs() + 1).saturating_add(seconds) };
    if wanted > LAST { 0 } else { u32::try_from(wanted).unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up_and_long_ones_are_moments() {
        let now = Duration::from_secs(1_800_000_000);
        let at = |life| exptime_at(Some(life), now);
        assert_eq!(exptime_at(None, now), 0);
        assert_eq!(at(Duration::ZERO), 2);
        assert_eq!(at(Duration::from_millis(1)), 2);
        assert_eq!(at(Duration::from_millis(1001)), 3);
        assert_eq!(at(Duration::from_secs(LONGEST_RELATIVE - 1)), 2_592_000);
        assert_eq!(at(Duration::from_secs(LONGEST_RELATIVE)), 1_802_592_002);
        assert_eq!(at(Duration::from_secs(400 * 86_400)), 1_834_560_002);
        assert_eq!(at(Duration::from_secs(100 * 365 * 86_400)), 0, "beyond 2038");
        assert_eq!(at(Duration::MAX), 0);
    }
}
