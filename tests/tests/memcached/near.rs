//! The near tier over memcached.

use cachekit::Config;
use cachekit_tests::memcached as servers;
use cachekit_tests::near::{deletions_are_final, prompt_is_bounded};

use crate::{patient, prefix};

fn one() -> Config {
    patient(Config::memcached([servers::address(servers::shared())]).key_prefix(prefix()))
}

#[test]
fn a_deletion_is_final() {
    deletions_are_final(&one());
}

#[test]
fn prompt_is_bounded_by_the_staleness() {
    prompt_is_bounded(&one());
}
