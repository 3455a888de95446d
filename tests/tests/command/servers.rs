//! On servers.

use cachekit::{Config, peek};
use cachekit_tests::{memcached, redis};

use super::{
    Shop, deletes_what_is_not_there, price, stock, verifies_entries_with_many_tags,
    works_on_a_store_that_lists,
};

#[test]
fn redis_is_listed_shown_deleted_and_verified() {
    let server = redis::plain();
    let url = redis::url(&server);
    let shop = Shop::open(Config::redis(&url), &["--redis-url", &url]);
    deletes_what_is_not_there(&shop);
    assert!(shop.ok(&["bench", "--count", "5"]).contains("bare socket"));
    works_on_a_store_that_lists(&shop);
}

#[test]
fn entries_with_many_tags_are_verified_on_redis() {
    let server = redis::plain();
    let url = redis::url(&server);
    verifies_entries_with_many_tags(&Shop::open(Config::redis(&url), &["--redis-url", &url]));
}

#[test]
fn a_server_that_is_down_is_one_line_without_its_password() {
    let (code, out, err) =
        super::command(&["--redis-url", "redis://:hunter2@127.0.0.1:1/0", "ping"], "", false);
    assert_eq!((code, &*out), (1, ""));
    assert!(err.contains("redis at 127.0.0.1:1") && err.contains("doesn't answer"), "{err}");
    let (code, _, more) =
        super::command(&["--redis-url", "redis://:hunter2@127.0.0.1:1/0", "stats"], "", false);
    assert_eq!(code, 2);
    assert!(!format!("{err}{more}").contains("hunter2"), "{err}{more}");
}

#[test]
fn memcached_deletes_and_says_that_it_can_not_list() {
    let server = memcached::server(&[]);
    let address = memcached::address(&server);
    let shop = Shop::open(Config::memcached(&address), &["--servers", &address]);
    assert!(shop.ok(&["ping"]).contains("memcached at"));
    assert!(shop.ok(&["stats"]).contains("can't list"));
    for arguments in [&["ls"][..], &["functions"], &["verify"]] {
        let message = shop.fails(2, arguments);
        assert!(message.contains("`memcached` can't list its keys"), "{message}");
    }
    deletes_what_is_not_there(&shop);
    assert_eq!(shop.json(&["show", "=greeting"])["value"], "hello");
    shop.ok(&["delete", "shop::stock"]);
    assert_eq!(peek!(stock, 7).unwrap(), None);
    assert!(peek!(price, 7, "EUR").unwrap().is_some());
    shop.ok(&["delete-tag", "item:7"]);
    assert_eq!(peek!(price, 7, "EUR").unwrap(), None);
    shop.ok(&["bench", "--count", "5"]);
    shop.ok(&["clear", "--yes"]);
    assert_eq!(peek!(price, 8, "EUR").unwrap(), None);
}
