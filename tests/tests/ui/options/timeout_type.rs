use std::time::Duration;

use cachekit::memoize;

#[memoize(timeout = f64::from(n))]
fn fraction(n: u8) -> u8 {
    n
}

const TIMEOUT: &str = "5m";

#[memoize(timeout = TIMEOUT)]
fn text(n: u8) -> u8 {
    n
}

fn configured() -> String {
    TIMEOUT.to_owned()
}

#[memoize(none_timeout = configured())]
fn owned_text(n: u8) -> Option<u8> {
    Some(n)
}

#[memoize(timeout = |value| value.to_string())]
fn of_value(n: u8) -> u8 {
    n
}

#[memoize(timeout = Some(Duration::ZERO))]
fn option(n: u8) -> u8 {
    n
}

fn main() {}
