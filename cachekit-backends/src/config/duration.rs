use std::time::Duration;

/// What [`parse`] reads, for error messages.
pub(super) const FORMS: &str = "whole seconds or a duration like `90s`, `5m`, `1h30m`, `250ms`, `1d`";

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads whole seconds (`90`), or whole numbers with the units d, h, m, s, ms, the greater one first (`1h30m`, `1h 30m`).
pub(super) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let (mut rest, mut units, mut millis) = (text, &UNITS[..], 0u64);
    loop {
        let number;
        (number, rest) = split_while(rest, |byte| byte.is_ascii_digit());
        let unit;
        (unit, rest) = split_while(rest, |byte| byte.is_ascii_alphabetic());
        let at = units.iter().position(|(name, _)| *name == unit)?;
        let part = number.parse::<u64>().ok()?.checked_mul(units[at].1)?;
        millis = millis.checked_add(part)?;
        units = &units[at + 1..];
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(Duration::from_millis(millis));
        }
    }
}

fn split_while(text: &str, wanted: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|byte| !wanted(byte)).unwrap_or(text.len());
    // Only ASCII is wanted, so `end` lies between characters.
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn seconds_and_units_are_read() {
        for (text, millis) in [
            ("0", 0),
            ("90", 90_000),
            (" 90 ", 90_000),
            ("90s", 90_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("250ms", 250),
            ("1d", 86_400_000),
            ("1h30m", 5_400_000),
            ("1d 2h 3m 4s 5ms", 93_784_005),
            ("90m", 5_400_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            " ",
            "s",
            "-1",
            "-1s",
            "+1",
            "1.5s",
            "1 s",
            "5 minutes",
            "5M",
            "30m1h",
            "1s1s",
            "1h30",
            "1w",
            "５s",
            "1é",
            "1,5s",
            "99999999999999999999",
            "999999999999999999d",
            "18446744073709551615ms1s",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
