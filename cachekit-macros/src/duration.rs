//! Durations in the text of an attribute: `"90s"`, `"250ms"`, `"1h30m"`.

const UNITS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

/// The milliseconds that `text` stands for, or what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let wrong = |why: &str| {
        format!(
            "`{text}` is not a duration: {why}; write for example \"250ms\", \"90s\", \"5m\", \"1h30m\" or \"1d\""
        )
    };
    let too_long = || wrong("it is too long");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong("it is empty"));
    }
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if digits == 0 {
            return Err(wrong("a number comes first, without sign or point"));
        }
        let amount: u64 = rest[..digits].parse().map_err(|_| too_long())?;
        let after = rest[digits..].trim_start();
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let unit = &after[..letters];
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(if unit.is_empty() {
                wrong("the unit is missing")
            } else {
                wrong(&format!("`{unit}` is not a unit (ms, s, m, h, d, w)"))
            });
        };
        total = amount.checked_mul(*scale).and_then(|part| total.checked_add(part)).ok_or_else(too_long)?;
        rest = after[letters..].trim_start();
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn durations_of_every_unit() {
        for (text, millis) in [
            ("250ms", 250),
            ("90s", 90_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            ("2w", 1_209_600_000),
            ("1h30m", 5_400_000),
            ("1h 30 m", 5_400_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(millis), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_says_why() {
        for (text, why) in [
            ("", "empty"),
            ("90", "unit is missing"),
            ("-1s", "number comes first"),
            ("1.5s", "not a unit|unit is missing"),
            ("5 min", "`min` is not a unit"),
            ("99999999999999999999s", "too long"),
            ("18446744073709551615d", "too long"),
        ] {
            let message = parse(text).expect_err(text);
            assert!(why.split('|').any(|part| message.contains(part)), "{text}: {message}");
        }
    }
}
