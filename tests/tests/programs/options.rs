//! Every option.
#![deny(warnings, missing_docs, clippy::pedantic)]

use std::time::Duration;

use cachekit::{Cache, cached, delete_cached, delete_memoized, memoize};

static SESSIONS: Cache = Cache::new();

mod config {
    pub static OTHER: super::Cache = super::Cache::new();
    pub const TTL: u64 = 5;
}

#[cached(timeout = 50, key_prefix = "all_comments")]
fn get_all_comments() -> Vec<String> {
    vec!["one".to_owned()]
}

#[cached]
fn nothing_to_say() -> u8 {
    1
}

#[cached(50)]
fn positional() -> u8 {
    1
}

#[cached(key_prefix = format!("user:{id}"))]
fn user(id: u64, connection: &std::cell::Cell<u8>) -> u64 {
    connection.set(1);
    id
}

#[memoize(each = ids)]
#[rustfmt::skip]
fn on_one_line(ids: &[u64]) -> Vec<u64> { ids.iter().map(|id| id + 1).collect() }

#[cached(view, key = id, unless = id == 0)]
fn page(id: u64) -> u64 {
    id
}

#[cached(key_prefix = "page/%s", ignore(id))]
fn path(id: u64) -> u64 {
    id
}

#[memoize(tags("users", format!("user:{id}"), name), key = (id, name))]
fn tagged(id: u64, name: &str) -> u64 {
    id + name.len() as u64
}

#[cachekit::invalidates(tag = format!("user:{id}"), cache = config::OTHER)]
fn renamed(id: u64) -> u64 {
    id
}

struct Site;

impl Site {
    #[cached("1h30m", key_prefix = "site.title")]
    fn title(&self) -> String {
        "title".to_owned()
    }
}

#[memoize(cache = SESSIONS, timeout = "5m")]
fn session(id: u64) -> u64 {
    id
}

#[memoize(cache = config::OTHER, timeout = config::TTL)]
fn other(id: u64) -> u64 {
    id
}

#[memoize("250ms", name = "stable.name", version = "2", source_check)]
fn named(id: u64) -> u64 {
    id
}

#[memoize(timeout = Duration::from_secs(id))]
fn computed(id: u64) -> u64 {
    id
}

#[memoize(timeout = 0, unless = id == 1, refresh_if = id == 2, stale_if = |value| *value == id, cache_if = |value| *value > 0)]
fn conditions(id: u64) -> u64 {
    id
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "predicates take references")]
fn positive(value: &u64) -> bool {
    *value > 0
}

#[memoize(cache_if = positive, stale_if = |value: &u64| { let limit = id; *value > limit })]
fn by_path(id: u64) -> u64 {
    id
}

#[expect(clippy::ref_option, reason = "the form that `weight` asks for")]
fn bytes(value: &Option<u64>) -> u64 {
    value.unwrap_or(8)
}

#[memoize(weight = bytes, cache_if = Option::is_some, timeout = |_| 60)]
fn weighed(id: u64) -> Option<u64> {
    Some(id)
}

#[memoize(cache_none)]
fn maybe(id: u64) -> Option<u64> {
    (id > 0).then_some(id)
}

struct NotSerde(u8);

impl Clone for NotSerde {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

#[memoize(local)]
fn local(id: u8) -> NotSerde {
    NotSerde(id)
}

#[memoize(single_flight = "fleet", fleet_wait = std::time::Duration::from_secs(id.into()))]
fn one_of_all(id: u8) -> u8 {
    id
}

#[cached(single_flight = "fleet", flight_timeout = "5s")]
async fn one_task_of_all() -> u8 {
    1
}

#[memoize(local = true, single_flight = false)]
fn local_result(id: u8) -> Result<NotSerde, Box<dyn std::error::Error>> {
    if id == 0 { Err("zero".into()) } else { Ok(NotSerde(id)) }
}

mod taken {
    pub fn helper() -> u8 {
        1
    }
}

#[memoize(companion = taken_cache)]
fn taken(id: u8) -> u8 {
    id + taken::helper()
}

#[test]
fn runs() {
    assert_eq!(get_all_comments(), ["one"]);
    delete_cached!(get_all_comments).expect("deleted");
    assert_eq!((nothing_to_say(), positional()), (1, 1));
    assert_eq!(on_one_line(&[1]), [2]);
    let cell = std::cell::Cell::new(0);
    assert_eq!(user(1, &cell), 1);
    delete_cached!(user, 1, &cell).expect("deleted");
    assert_eq!((page(1), path(1)), (1, 1));
    assert_eq!(Site.title(), "title");
    delete_cached!(Site::title).expect("deleted");
    assert_eq!((session(1), other(1), named(1), computed(1), conditions(1), by_path(1)), (1, 1, 1, 1, 1, 1));
    assert_eq!(weighed(1), Some(1));
    assert_eq!(maybe(0), None);
    assert_eq!(local(1).0, 1);
    assert_eq!(local_result(1).map(|value| value.0).ok(), Some(1));
    assert_eq!(taken(1), 2);
    assert_eq!(one_of_all(1), 1);
    drop(one_task_of_all());
    delete_memoized!(taken_cache, 1).expect("deleted");
}
