//! The suite on an operator that keeps its objects in memory.

use std::sync::{Arc, LazyLock};

use cachekit::{Cache, delete_memoized, memoize, peek};
use cachekit_backends::conformance::Suite;
use cachekit_example_backends::Opendal;
use opendal::{Operator, services::Memory};

fn operator() -> Operator {
    Operator::new(Memory::default()).expect("memory needs no configuration")
}

/// All handles of a case are of one store.
fn suite() -> Suite {
    let operator = operator();
    Suite::new(move |clock| {
        Arc::new(Opendal::with_clock(operator.clone(), clock.clone()).expect("a runtime"))
    })
}

cachekit_backends::conformance_tests!(suite());

static BUCKET: LazyLock<Operator> = LazyLock::new(operator);
static PRICES: LazyLock<Cache> = LazyLock::new(|| {
    let backend = Opendal::new(BUCKET.clone()).expect("a runtime");
    Cache::with_backend(backend)
});

#[memoize(cache = PRICES, timeout = "1m")]
fn price(id: u64) -> u64 {
    id * 10
}

#[test]
fn other_objects_survive_a_clear() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(BUCKET.write("report.csv", "1,2")).unwrap();
    assert_eq!((price(4), price(4)), (40, 40));
    delete_memoized!(price).unwrap();
    assert_eq!(peek!(price, 4).unwrap(), None);
    price(4);
    PRICES.clear().unwrap();
    assert_eq!(peek!(price, 4).unwrap(), None);
    assert!(runtime.block_on(BUCKET.exists("report.csv")).unwrap());
}
