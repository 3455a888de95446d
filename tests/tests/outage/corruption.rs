//! Bits that are others on their way.

use std::time::Duration;

use cachekit::testing::Scoped;
use cachekit_tests::proxy::{Fault, Proxy, Toward};

use crate::kinds::{Kind, each};
use crate::subject::{Subject, right};

/// An answer that never ends because its length was changed is waited for so long.
const SHORT: Duration = Duration::from_millis(30);
const ROUNDS: u64 = 120;

fn never_wrong(kind: &Kind, toward: Toward) {
    let server = (kind.server)();
    let proxy = Proxy::start(server.port());
    let subject = Subject::stubborn(kind, proxy.port());
    subject.works();
    let config = (kind.config)(proxy.port()).breaker_threshold(u32::MAX).key_prefix("methods:");
    let hasty = Scoped::new(config.operation_timeout(SHORT).connect_timeout(SHORT));
    let cache = hasty.cache();
    let names: Vec<String> = (0..5).map(|n| format!("name{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let store = || {
        for (n, name) in (0..).zip(&names) {
            let _ = cache.set(name, &right(n), 600);
        }
        let _ = cache.set("number", &7u32, 600);
    };
    let check = || {
        let mut errors = 0;
        for (n, name) in (0..).zip(&names) {
            match cache.get::<String>(name) {
                Ok(value) => assert!(value.is_none_or(|value| value == right(n)), "another value"),
                Err(_) => errors += 1,
            }
        }
        if let Ok(values) = cache.get_many::<String>(&names) {
            for (n, value) in (0..).zip(values) {
                assert!(value.is_none_or(|value| value == right(n)), "another value");
            }
        }
        if let Ok(Some(number)) = cache.get::<u32>("number") {
            assert_eq!(number, 7);
        }
        errors
    };
    store();
    let mut errors = 0;
    for round in 0..ROUNDS {
        proxy.set(toward, Fault::Flip);
        if round % 4 == 0 {
            subject.call(round % 7);
            store();
        }
        errors += check();
        if round % 10 == 9 {
            // Bytes that were changed on the way to the server are stored there now.
            proxy.heal();
            check();
            (0..7).for_each(|n| subject.call(n));
        }
    }
    assert!(errors > 5, "only {errors} errors: nothing was changed");
    proxy.heal();
    subject.works();
}

#[test]
fn changed_answers_give_no_wrong_value() {
    each(|kind| never_wrong(kind, Toward::Client));
}

#[test]
fn changed_questions_give_no_wrong_value() {
    each(|kind| never_wrong(kind, Toward::Server));
}
