//! `cache = …` that names something else.

use cachekit::{Config, memoize};

static NAME: &str = "sessions";
static CONFIG: std::sync::LazyLock<Config> = std::sync::LazyLock::new(Config::simple);

#[memoize(cache = NAME)]
fn text(n: u8) -> u8 {
    n
}

#[memoize(cache = CONFIG)]
fn configuration(n: u8) -> u8 {
    n
}

fn main() {}
