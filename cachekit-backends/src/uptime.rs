use std::time::Duration;

/// Returns the time since some moment, with that in which the process or the machine was stopped where the system tells it: on
/// Linux since the start of the machine.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn uptime() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.try_into().unwrap_or(0), now.tv_nsec.try_into().unwrap_or(0))
}

/// Returns the time since some moment, with that in which the process was stopped; on some systems without that in which the
/// machine was suspended.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn uptime() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    // Never zero, which stands for no time at all.
    START.elapsed() + Duration::from_secs(1)
}
