//! Attributes and configurations read the same durations and recognise the same misspelt names. The tables here are tried on
//! both; each crate has the rule in a few lines of its own, around the libraries that do the reading.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cachekit::{Config, Timeout, memoize, testing};
use cachekit_tests::Scratch;

/// Returns another number at each call, so that equal numbers are a hit.
fn fresh() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// Declares a function for each text. The time is in nanoseconds; 0 is never.
macro_rules! accepted {
    ($($case:ident: $text:literal => $nanos:expr;)*) => {
        $(
            #[memoize(timeout = $text)]
            fn $case() -> u64 {
                fresh()
            }
        )*
        const ACCEPTED: &[(&str, u64, fn() -> u64)] = &[$(($text, $nanos, $case)),*];
    };
}

const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLI;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

accepted! {
    never: "0" => 0;
    never_with_blanks: " 00 " => 0;
    bare: "90" => 90 * SECOND;
    bare_with_blanks: " 90\t" => 90 * SECOND;
    bare_with_zeros: "007" => 7 * SECOND;
    nanoseconds: "1ns" => 1;
    microseconds: "1500us" => 1_500_000;
    milliseconds: "250ms" => 250 * MILLI;
    seconds: "90s" => 90 * SECOND;
    fraction: "1.5s" => 1_500 * MILLI;
    minutes: "90m" => 90 * MINUTE;
    minutes_with_blanks: " 5 m " => 5 * MINUTE;
    minutes_in_letters: "5 minutes" => 5 * MINUTE;
    hours: "1h30m" => 90 * MINUTE;
    hours_with_blanks: "1h 30 m" => 90 * MINUTE;
    hours_last: "30m1h" => 90 * MINUTE;
    days: "1d" => DAY;
    weeks: "1w" => 7 * DAY;
    all: "1w 1d 2h 3m 4s 5ms" => 8 * DAY + 2 * HOUR + 3 * MINUTE + 4 * SECOND + 5 * MILLI;
    capital: "1M" => 2_630_016 * SECOND;
    years: "2years" => 2 * 31_557_600 * SECOND;
    twice: "1s1s" => 2 * SECOND;
    many_digits: "300000000000ns" => 300 * SECOND;
    fraction_of_a_sum: "1.5 h 0.5m" => 90 * MINUTE + 30 * SECOND;
}

const REFUSED: [&str; 27] = [
    "",
    " ",
    "s",
    "-1",
    "-1s",
    "+1",
    "+0",
    "-0",
    "0s",
    "0 h 0ms",
    "1.5",
    "1,5s",
    "1h30",
    "1s 90",
    "5 H",
    "5minuten",
    "1é",
    "５s",
    "1e3",
    "18446744073709551615",
    "99999999999999999999s",
    "584542047y",
    "18446744073709551615s 1000ms",
    "584542046090y 19767615s 1000ms",
    "1000ms 18446744073709551615s",
    "300000000y 300000000y",
    "1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s1s",
];

/// Misspelt names, and the name that is meant.
const NAMES: [(&str, Option<&str>); 7] = [
    ("key_prefx", Some("key_prefix")),
    ("keyprefix", Some("key_prefix")),
    ("kye_prefix", Some("key_prefix")),
    ("KEY_PREFIX_", Some("key_prefix")),
    ("keyprefi", Some("key_prefix")),
    ("keprefi", None),
    ("zebra", None),
];

fn from_text(text: &str) -> [cachekit::Result<Config>; 2] {
    [
        Config::from_toml(&format!("default_timeout = {text:?}")),
        Config::from_vars([("CACHE_DEFAULT_TIMEOUT", text)], "CACHE_"),
    ]
}

#[test]
fn an_attribute_and_a_configuration_read_the_same_durations() {
    for &(text, nanos, function) in ACCEPTED {
        let time = Duration::from_nanos(nanos);
        let expected = if nanos == 0 { Timeout::Never } else { Timeout::After(time) };
        for read in from_text(text) {
            assert_eq!(read.map(|config| config.default_timeout).unwrap(), expected, "{text}");
        }
        testing::scoped(Config::simple(), |test| {
            let first = function();
            let last = time.as_nanos().div_ceil(u128::from(MILLI)).checked_sub(1);
            let last = last.map_or(100 * 365 * DAY / MILLI, |millis| u64::try_from(millis).unwrap());
            test.advance(Duration::from_millis(last));
            assert_eq!(function(), first, "{text} lives for {time:?}");
            test.advance(Duration::from_millis(1));
            assert_eq!(function() == first, nanos == 0, "{text} ends after {time:?}");
        });
    }
}

#[test]
fn an_attribute_and_a_configuration_refuse_the_same_durations_and_suggest_the_same_names() {
    let mut source = String::from("fn main() {}\n");
    for (index, text) in REFUSED.iter().enumerate() {
        writeln!(source, "#[cachekit::memoize(timeout = {text:?})] pub fn f{index}() -> u8 {{ 0 }}").unwrap();
    }
    for (word, _) in NAMES {
        writeln!(
            source,
            "#[cachekit::cached({word} = \"a\")] pub fn {}() -> u8 {{ 0 }}",
            word.to_lowercase()
        )
        .unwrap();
    }
    let scratch = Scratch::new("");
    scratch.write("app/src/main.rs", &source);
    let errors = String::from_utf8(scratch.cargo(&["check", "--quiet"]).stderr).unwrap();

    let forms = "whole seconds or a duration like `90s`, `5m`, `1h30m`, `250ms`, `1d`";
    for (index, text) in REFUSED.iter().enumerate() {
        let line = format!("--> src/main.rs:{}:", index + 2);
        assert_eq!(errors.matches(&line).count(), 1, "{text:?}: {errors}");
        // A variable without a text counts as not set.
        let ways = if text.trim().is_empty() { 1 } else { 2 };
        for read in from_text(text).into_iter().take(ways) {
            let error = read.expect_err(text).to_string();
            assert!(error.contains(forms), "{text:?}: {error}");
        }
    }
    assert!(errors.contains(forms), "{errors}");
    for (word, meant) in NAMES {
        let hint = meant.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        let full_stop = if meant.is_some() { "" } else { "." };
        let message = format!("`#[cached]` has no option `{word}`{hint}{full_stop} Its options are");
        assert!(errors.contains(&message), "{word}: {errors}");
        let error = Config::from_toml(&format!("{word} = 'a'")).unwrap_err().to_string();
        assert!(error.contains(&format!("unknown key `{word}`")), "{error}");
        assert!(error.ends_with(&hint) && error.contains("did you mean") == meant.is_some(), "{error}");
    }
}
