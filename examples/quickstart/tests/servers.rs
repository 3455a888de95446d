//! The program on real servers, chosen by environment variables alone.

use std::path::Path;
use std::process::Command;

use cachekit_tests::{memcached, redis};

/// Runs it; returns what it printed.
fn run(dir: &Path, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quickstart"));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CACHE_") || name == "TESTING") {
            command.env_remove(name);
        }
    }
    let output = command.arg(dir).envs(variables.iter().copied()).output().unwrap();
    let (text, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}{errors}");
    text
}

/// Returns the numbers of a row: calls, queries, the rate of hits in per cent.
fn row(text: &str, name: &str) -> (u32, u32, f64) {
    let row = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{text}"));
    let mut words = row.split_whitespace();
    let mut next = || words.next().unwrap_or_else(|| panic!("{row}"));
    (next().parse().unwrap(), next().parse().unwrap(), next().parse().unwrap())
}

/// Runs it; returns how many queries it made with the cache. The row begins with the type.
fn queries(dir: &Path, variables: &[(&str, &str)]) -> u32 {
    row(&run(dir, variables), variables[0].1).1
}

/// The second run, another process, finds what the first one has stored.
fn runs_twice(variables: &[(&str, &str)]) {
    let dir = tempfile::tempdir().unwrap();
    let (cold, warm) = (queries(dir.path(), variables), queries(dir.path(), variables));
    assert!(cold > 100 && warm < cold / 10, "{warm} of {cold} questions were asked again");
}

#[test]
fn on_redis_and_with_a_near_tier() {
    let (server, dir) = (redis::plain(), tempfile::tempdir().unwrap());
    let url = redis::url(&server);
    let variables = [("CACHE_TYPE", "redis"), ("CACHE_REDIS_URL", &*url), ("CACHE_NEAR", "10000")];
    let cold = queries(dir.path(), &variables[..2]);
    let text = run(dir.path(), &variables);
    let (_, warm, _) = row(&text, "redis");
    assert!(cold > 100 && warm < cold / 10, "{warm} of {cold} questions were asked again");
    for name in ["  without a near tier", "  from the near tier"] {
        assert_eq!(row(&text, name), (10_000, 0, 100.0), "{text}");
    }
}

#[test]
fn on_memcached() {
    let server = memcached::server(&[]);
    runs_twice(&[("CACHE_TYPE", "memcached"), ("CACHE_MEMCACHED_SERVERS", &memcached::address(&server))]);
}

#[test]
fn on_memcached_with_a_login_and_large_values_split() {
    let server = memcached::with_sasl();
    runs_twice(&[
        ("CACHE_TYPE", "spreadsaslmemcached"),
        ("CACHE_MEMCACHED_SERVERS", &memcached::address(&server)),
        ("CACHE_MEMCACHED_USERNAME", memcached::USER),
        ("CACHE_MEMCACHED_PASSWORD", memcached::SASL_PASSWORD),
    ]);
}
