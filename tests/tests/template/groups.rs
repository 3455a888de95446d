//! Fragments are deleted with the functions and tags that they are made of, and by their name.

use cachekit::{delete_memoized, memoize};
use cachekit_tests::{Calls, block_on, each_keeping};
use minijinja::context;

use super::{environment, render};

static CALLS: Calls = Calls::new();
/// The tests share the functions.
static TURN: parking_lot::Mutex<()> = parking_lot::Mutex::new(());

#[memoize(tags("prices", format!("price:{n}")))]
fn price(n: u64) -> u64 {
    n * 1_000_000 + CALLS.hit()
}

#[test]
fn a_deletion_of_what_it_is_made_of_reaches_a_fragment() {
    let _turn = TURN.lock();
    each_keeping(|world| {
        let page = "{% cache 60, 'outer' %}[{% cache 60, 'inner', n %}{{ price(n) }}{% endcache %}]{% endcache %}\
                    {% cache 60, 'other' %}{{ price(9) }}{% endcache %}";
        let (mut env, _) = environment(world.cache(), &[("page", page)]);
        env.add_function("price", |n: u64| price(n));
        for warm in [false, true] {
            for deletion in 0..4 {
                world.cache().clear().unwrap();
                if warm {
                    price(1);
                }
                let parts = || {
                    let text = render(&env, "page", context!(n => 1));
                    let (one, other) = text.split_once(']').unwrap();
                    (one.to_owned(), other.to_owned())
                };
                let before = parts();
                assert_eq!(parts(), before, "it is kept");
                match deletion {
                    0 => delete_memoized!(price).unwrap(),
                    1 => world.cache().delete_tag("price:1").unwrap(),
                    2 => block_on(world.cache().aio().delete_tag("prices")).unwrap(),
                    _ => delete_memoized!(price, 5).unwrap(),
                }
                let after = parts();
                let reached = (before.0 != after.0, before.1 != after.1);
                let expected = [(true, true), (true, false), (true, true), (false, false)];
                assert_eq!(reached, expected[deletion], "{deletion} {warm} {}", world.name);
                assert_eq!(parts(), after, "it is kept again");
            }
        }
    });
}

#[test]
fn all_fragments_of_a_name_are_deleted_together() {
    let _turn = TURN.lock();
    each_keeping(|world| {
        let page = "{% cache 60, name, n %}{{ tick() }}{{ next() }}{% endcache %}";
        let (mut env, _) = environment(world.cache(), &[("page", page)]);
        let next = Calls::new();
        env.add_function("next", move || next.hit());
        let get = |name: &str, n: u64| render(&env, "page", context!(name => name, n => n));
        let all = || [get("products", 1), get("products", 2), get("product", 1), get("7", 1)];
        let before = all();
        assert_eq!(all(), before);
        world.cache().delete_fragments("products").unwrap();
        let after = all();
        assert!(before[0] != after[0] && before[1] != after[1], "{}", world.name);
        assert_eq!(before[2..], after[2..]);
        assert_eq!(all(), after);
        block_on(world.cache().aio().delete_fragments("7")).unwrap();
        assert_ne!(all()[3], after[3]);
        world.cache().delete_tag("products").unwrap();
        assert_eq!(all()[..2], after[..2], "a tag of that text is another one");
    });
}

#[test]
fn a_fragment_that_was_being_rendered_when_its_name_was_deleted_is_not_served_later() {
    let _turn = TURN.lock();
    each_keeping(|world| {
        let page = "{% cache 60, 'products' %}{{ next() }}{% endcache %}";
        let (mut env, _) = environment(world.cache(), &[("page", page)]);
        let (next, cache) = (Calls::new(), world.cache().clone());
        env.add_function("next", move || {
            let n = next.hit();
            if n == 0 {
                cache.delete_fragments("products").unwrap();
            }
            n
        });
        let text = || render(&env, "page", context!());
        assert_eq!([text(), text(), text()], ["0", "1", "1"], "{}", world.name);
    });
}
