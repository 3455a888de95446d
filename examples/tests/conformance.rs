//! The backend of the example `custom_backend` keeps every promise that it claims.

use std::sync::Arc;

use cachekit_backends::conformance::Suite;
use cachekit_examples::sqlite::Sqlite;

/// A file of its own for each case, because the cases move their clocks.
fn suite() -> Suite {
    let dir = tempfile::tempdir().expect("a temporary directory");
    Suite::new(move |clock| {
        let path = dir.path().join("cache.db");
        Arc::new(Sqlite::open_with_clock(path, clock.clone()).expect("a file of SQLite"))
    })
}

cachekit_backends::conformance_tests!(suite());
