//! The near tier over Redis.

use std::time::Duration;

use cachekit::Config;
use cachekit_tests::near::{deletions_are_final, prompt_is_bounded};
use cachekit_tests::redis::{config, shared};

fn patient(prefix: &str) -> Config {
    let long = Duration::from_secs(20);
    config(shared(), prefix).operation_timeout(long).connect_timeout(long)
}

#[test]
fn a_deletion_is_final() {
    deletions_are_final(&patient("near-final:"));
}

#[test]
fn prompt_is_bounded_by_the_staleness() {
    prompt_is_bounded(&patient("near-prompt:"));
}
