//! Durations in configurations. Attributes have the same rule (`duration` in `cachekit-macros`); one table of cases in the
//! tests of the workspace is tried on both.

use std::time::Duration;

use super::Value;

/// The texts that [`parse`] reads, for error messages.
pub(super) const FORMS: &str = "whole seconds or a duration like `90s`, `5m`, `1h30m`, `250ms`, `1d`";

/// Reads a number of seconds, or text.
///
/// # Errors
/// The reason for which the value isn't read.
pub(super) fn read(value: &Value) -> Result<Duration, String> {
    match value {
        Value::Integer(seconds) => parse(&seconds.to_string()),
        Value::String(text) => parse(text),
        _ => Err("neither a whole number nor text".to_owned()),
    }
}

/// Whether the value is the bare number 0, which stands for "never".
pub(super) fn is_bare_zero(value: &Value) -> bool {
    match value {
        Value::Integer(seconds) => *seconds == 0,
        Value::String(text) => is_bare(text.trim()) && text.trim().bytes().all(|digit| digit == b'0'),
        _ => false,
    }
}

/// The longest text that is read.
const MOST_BYTES: usize = 64;
const TOO_LONG: &str = "more than 584 million years";

/// Reads whole seconds (`90`) or a duration in the grammar of `humantime` (`1h30m`). Blanks around the text don't count.
///
/// # Errors
/// The reason for which the text isn't read.
fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text.len() > MOST_BYTES {
        return Err(format!("longer than {MOST_BYTES} bytes"));
    }
    // `humantime` panics at some sums that exceed 64 bits of seconds. A sum of a few terms that each fit does not.
    let too_long = |term| humantime::parse_duration(term).is_ok_and(|time| !fits(time));
    if terms(text).any(too_long) {
        return Err(TOO_LONG.to_owned());
    }
    let read = if is_bare(text) {
        humantime::parse_duration(&format!("{text}s"))
    } else {
        humantime::parse_duration(text)
    };
    let time = read.map_err(|error| error.to_string())?;
    fits(time).then_some(time).ok_or_else(|| TOO_LONG.to_owned())
}

/// Whether the time has a place in an entry, which carries its TTL in milliseconds of 64 bits.
fn fits(time: Duration) -> bool {
    u64::try_from(time.as_millis()).is_ok_and(|millis| millis < u64::MAX)
}

/// The terms of a sum: `1h` and `30 m` of `1h 30 m`. One begins at each digit that follows a unit.
fn terms(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let unit = rest.find(|c: char| !c.is_ascii_digit() && !c.is_whitespace() && c != '.')?;
        let end = rest[unit..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |next| unit + next);
        let (term, after) = rest.split_at(end);
        rest = after;
        Some(term)
    })
}

/// Whether the text is a number without a unit.
fn is_bare(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
