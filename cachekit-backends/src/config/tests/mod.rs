//! Promises of the contract's section "Config". The texts of errors are pinned: they are what a user has to go by.

mod builder;
mod env;
mod file;
mod random;
mod readers;
mod validate;

use super::Config;
use crate::{ErrorKind, Result};

/// The message of a configuration error.
fn message(result: Result<Config>) -> String {
    let error = result.expect_err("a mistake was accepted");
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    error.to_string()
}
