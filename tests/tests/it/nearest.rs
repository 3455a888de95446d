//! `explain!` names the nearest entry of the function in this process, and the argument that differs.

use cachekit::{Difference, explain, memoize};
use cachekit_tests::World;

fn differences(found: &cachekit::Explanation) -> Vec<(&'static str, Option<&str>, Option<&str>)> {
    let of = |Difference { argument, asked, stored, .. }: &Difference| {
        (*argument, asked.clone().map(|text| &*text.leak()), stored.clone().map(|text| &*text.leak()))
    };
    found.nearest.iter().flat_map(|nearest| &nearest.differences).map(of).collect()
}

#[test]
fn the_argument_that_differs_is_named_with_both_values() {
    #[memoize(name = "nearest::membership")]
    fn membership(user: &str, role: &str, since: u32) -> bool {
        user == role && since > 0
    }
    let world = World::simple();
    let _entered = world.enter();
    assert!(explain!(membership, "ann", "reader", 1).nearest.is_none(), "nothing was stored");
    membership("ann", "author", 7);
    membership("bob", "reader", 9);
    let found = explain!(membership, "ann", "reader", 7);
    assert_eq!(differences(&found), [("role", Some("\"reader\""), Some("\"author\""))]);
    let text = found.to_string();
    assert!(text.ends_with("; the nearest entry has another `role` (\"author\", not \"reader\")"), "{text}");
    let found = explain!(membership, "eve", "reader", 1);
    assert_eq!(
        differences(&found),
        [("user", Some("\"eve\""), Some("\"bob\"")), ("since", Some("1"), Some("9"))]
    );
    assert!(explain!(membership, "ann", "author", 7).nearest.is_none(), "a hit has its own entry");
}

#[test]
fn keys_that_are_no_words_and_methods_and_generics() {
    struct Shop {
        id: u16,
    }
    impl cachekit::CacheKey for Shop {
        fn cache_key<W: cachekit::KeyWriter>(&self, writer: &mut W) {
            self.id.cache_key(writer);
        }
    }
    impl Shop {
        #[memoize(name = "nearest::total")]
        fn total(&self, items: &[u32], currency: String) -> usize {
            items.len() + currency.len() + usize::from(self.id)
        }
    }
    #[memoize(name = "nearest::size")]
    fn size<T: cachekit::CacheKey>(value: T, (width, _): (u8, u8)) -> usize {
        drop(value);
        usize::from(width)
    }
    let world = World::simple();
    let _entered = world.enter();
    let shop = Shop { id: 3 };
    shop.total(&[1, 2], "EUR".into());
    let found = explain!(shop.total, &[1, 2, 3], "EUR".into());
    assert_eq!(differences(&found), [("items", None, None)]);
    let found = explain!(Shop::total, &Shop { id: 4 }, &[1, 2], "EUR".into());
    assert_eq!(differences(&found), [("self", None, None)]);
    let found = explain!(shop.total, &[1, 2], "USD".into());
    assert_eq!(differences(&found), [("currency", Some("\"USD\""), Some("\"EUR\""))]);

    size(1_u32, (1, 2));
    let found = explain!(size, 1_u32, (3, 2));
    assert_eq!(differences(&found), [("(width, _)", None, None)]);
    let found = explain!(size, 1_i32, (1, 2));
    assert_eq!(differences(&found), [("T", Some("i32"), None)]);
}

#[test]
fn an_expression_stands_for_the_arguments() {
    #[memoize(name = "nearest::page", key = number / 10)]
    fn page(number: u64) -> u64 {
        number
    }
    let world = World::simple();
    let _entered = world.enter();
    page(35);
    assert_eq!(differences(&explain!(page, 71)), [("key", Some("7"), Some("3"))]);
}
