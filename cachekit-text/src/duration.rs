//! The grammar of durations: whole seconds, or whole numbers with units.

use std::time::Duration;

/// The texts that [`parse`] reads, for error messages.
pub const FORMS: &str = "whole seconds or a duration like `90s`, `5m`, `1h30m`, `250ms`, `1d`, `2w`";

/// The units and their milliseconds, the greatest first.
const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads whole seconds (`90`), or whole numbers with the units `w`, `d`, `h`, `m`, `s`, `ms`, the greater unit first and each
/// at most once (`1h30m`). Blanks around numbers and units don't count.
///
/// # Errors
/// The reason, as the end of a sentence: "the unit is missing".
pub fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    let too_long = || "it is too long".to_owned();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds: u64 = text.parse().map_err(|_| too_long())?;
        return seconds.checked_mul(1000).map(Duration::from_millis).ok_or_else(too_long);
    }
    let (mut rest, mut units, mut millis) = (text, &UNITS[..], 0_u64);
    while !rest.is_empty() {
        let (number, after) = split_while(rest, |c| c.is_ascii_digit());
        if number.is_empty() {
            return Err("a number comes first, without sign or point".to_owned());
        }
        let (unit, after) = split_while(after.trim_start(), char::is_alphabetic);
        let Some(&(_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(match unit {
                "" if after.starts_with(['.', ',']) => "numbers are whole: use a smaller unit".to_owned(),
                "" => "the unit is missing".to_owned(),
                _ => format!("`{unit}` is not a unit (w, d, h, m, s, ms)"),
            });
        };
        let Some(at) = units.iter().position(|(name, _)| *name == unit) else {
            return Err(format!("`{unit}` comes too late: write the greater unit first, and each once"));
        };
        units = &units[at + 1..];
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale));
        millis = part.and_then(|part| millis.checked_add(part)).ok_or_else(too_long)?;
        rest = after.trim_start();
    }
    Ok(Duration::from_millis(millis))
}

fn split_while(text: &str, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !wanted(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn every_form_is_read() {
        for (text, millis) in [
            ("0", 0),
            ("90", 90_000),
            (" 90 ", 90_000),
            ("0s", 0),
            ("90s", 90_000),
            ("250ms", 250),
            ("5m", 300_000),
            ("90m", 5_400_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            ("1w", 604_800_000),
            ("1h30m", 5_400_000),
            ("1h 30 m", 5_400_000),
            ("5 m", 300_000),
            ("1w 1d 2h 3m 4s 5ms", 698_584_005),
            ("18446744073709551615ms", u64::MAX),
        ] {
            assert_eq!(parse(text).map(|read| read.as_millis()), Ok(u128::from(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "empty"),
            (" ", "empty"),
            ("s", "a number comes first"),
            ("-1", "a number comes first"),
            ("-1s", "a number comes first"),
            ("+1", "a number comes first"),
            ("1.5s", "numbers are whole"),
            ("1,5s", "numbers are whole"),
            ("1h30", "the unit is missing"),
            ("5 minutes", "`minutes` is not a unit"),
            ("5M", "`M` is not a unit"),
            ("1é", "`é` is not a unit"),
            ("５s", "a number comes first"),
            ("30m1h", "`h` comes too late"),
            ("1s1s", "`s` comes too late"),
            ("1s 90", "the unit is missing"),
            ("99999999999999999999", "too long"),
            ("18446744073709551615", "too long"),
            ("99999999999999999999s", "too long"),
            ("999999999999999999d", "too long"),
            ("18446744073709551s 999ms", "too long"),
        ] {
            let said = parse(text).expect_err(text);
            assert!(said.contains(reason), "{text}: {said}");
        }
    }
}
