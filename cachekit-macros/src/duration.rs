//! Durations in attributes. Configurations have the same rule (`config::duration` in `cachekit-backends`); one table of cases
//! in the tests of the workspace is tried on both.

use std::time::Duration;

/// The texts that [`parse`] reads, for error messages.
pub(crate) const FORMS: &str = "whole seconds or a duration like `90s`, `5m`, `1h30m`, `250ms`, `1d`";

/// Reads whole seconds (`90`) or a duration in the grammar of `humantime` (`1h30m`). Blanks around the text don't count.
///
/// # Errors
/// The reason for which the text isn't read.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let read = if is_bare(text) {
        humantime::parse_duration(&format!("{text}s"))
    } else {
        humantime::parse_duration(text)
    };
    let time = read.map_err(|error| error.to_string())?;
    // Entries carry their TTL in milliseconds of 64 bits.
    let fits = u64::try_from(time.as_millis()).is_ok_and(|millis| millis < u64::MAX);
    fits.then_some(time).ok_or_else(|| "more than 584 million years".to_owned())
}

/// Whether the text is a number without a unit.
pub(crate) fn is_bare(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
