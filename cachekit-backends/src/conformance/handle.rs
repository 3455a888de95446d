//! A backend whose errors fail the case.

use std::sync::Arc;

use super::outcome::Outcome;
use crate::delegate::{for_each_operation, for_each_optional_operation};
use crate::{Backend, Cursor, Fetched, KeyPage, Put, Result, Token, Ttl, Version};

/// A handle of the store that is tested.
#[derive(Clone)]
pub(super) struct Handle(pub(super) Arc<dyn Backend>);

fn expect<T>(method: &str, result: Result<T>) -> Outcome<T> {
    result.map_err(|e| format!("`{method}`, expected success, got the error {:?}: {e}", e.kind()))
}

macro_rules! expect_each {
    ($($name:ident($($arg:ident: $t:ty),*) -> $out:ty;)*) => {$(
        pub(super) fn $name<'a>(&'a self, $($arg: $t),*) -> Outcome<$out> {
            expect(stringify!($name), self.0.$name($($arg),*))
        }
    )*};
}

impl Handle {
    for_each_operation!(expect_each!);
    for_each_optional_operation!(expect_each!);

    /// The entry and the versions of a `fetch`, one for each key.
    pub(super) fn entry_and_versions(
        &self,
        entry: &str,
        keys: &[&str],
    ) -> Outcome<(Option<Vec<u8>>, Vec<Version>)> {
        let fetched = self.fetch(entry, keys)?;
        if fetched.versions.len() != keys.len() {
            let got = fetched.versions.len();
            return Err(format!("the versions of `fetch`, expected {} of them, got {got}", keys.len()));
        }
        Ok((fetched.entry, fetched.versions))
    }
}
