//! A process that deletes functions by their names without having called them.

use cachekit::memoize;
use cachekit_tests::{Calls, Child, block_on, say};

use crate::{Place, enlist};

static CALLS: Calls = Calls::new();

#[memoize(name = "fleet.named", version = "2")]
fn named(n: u64) -> u64 {
    n + CALLS.hit()
}

#[derive(cachekit::CacheKey)]
struct Person(u64);

impl Person {
    #[memoize]
    async fn role(&self, n: u64) -> u64 {
        self.0 + n + CALLS.hit()
    }
}

/// Says what it calculates, each time that it is told to.
fn call() {
    while Child::told().is_some() {
        let role = block_on(Person(200).role(0));
        say(&format!("{} {role}", named(100)));
    }
}

/// Deletes the names that it is told.
fn delete() {
    let cache = cachekit::cache();
    while let Some(name) = Child::told() {
        let result = match name.split_once(' ') {
            Some(("aio", name)) => block_on(cache.aio().delete_memoized_named(name)),
            Some(("all", name)) => cachekit::delete_memoized_named(name),
            _ => cache.delete_memoized_named(&name),
        };
        say(&format!("{result:?}"));
    }
}

pub(crate) fn by_name(place: impl Fn() -> Place, test: &str) {
    match enlist() {
        Some(0) => return call(),
        Some(_) => return delete(),
        None => {}
    }
    let place = place();
    let mut fleet = place.fleet(test, &[]);
    let mut values = |deleted: Option<String>| {
        if let Some(name) = deleted {
            fleet[1].tell(&name);
            assert_eq!(fleet[1].hear(), "Ok(())");
        }
        fleet[0].tell("call");
        fleet[0].hear()
    };
    let role = format!("{}::Person::role", module_path!());
    assert_eq!((values(None), values(None)), ("101 200".into(), "101 200".into()));
    assert_eq!(values(Some("fleet.named".into())), "102 200");
    assert_eq!(values(Some(format!("aio {role}"))), "102 203");
    assert_eq!(values(Some("all fleet.named".into())), "104 203");
    assert_eq!(values(Some(format!("all {role}"))), "104 205");
    assert_eq!(values(Some("another.name".into())), "104 205");
    fleet.into_iter().for_each(Child::finish);
}
