//! Promises 1 and 2 for methods: `self` is in the key, and an instance can be forgotten as a whole.

use std::sync::Arc;

use cachekit::{CacheKey, delete_memoized, delete_memoized_verhash, memoize, peek};
use cachekit_tests::{Calls, Mem, World, block_on, each_keeping};

static CALLS: Calls = Calls::new();

#[derive(CacheKey, Clone)]
struct Person {
    id: u32,
}

impl Person {
    #[memoize(50)]
    fn has_role(&self, role: u64) -> u64 {
        let _ = (self.id, role);
        COUNT.with(Counter::next)
    }

    #[memoize]
    fn consume(self, role: u64) -> u64 {
        let _ = role;
        COUNT.with(Counter::next)
    }

    #[memoize]
    fn shared(self: Arc<Self>) -> u64 {
        COUNT.with(Counter::next)
    }

    #[memoize(in_impl)]
    fn of_no_person(role: u64) -> u64 {
        let _ = role;
        COUNT.with(Counter::next)
    }

    #[memoize]
    async fn later(&self, role: u64) -> u64 {
        let _ = role;
        CALLS.hit()
    }
}

/// Tests run side by side, each in a thread, and share these methods.
#[derive(Default)]
struct Counter(std::cell::Cell<u64>);

impl Counter {
    fn next(&self) -> u64 {
        self.0.replace(self.0.get() + 1)
    }
}

thread_local!(static COUNT: Counter = Counter::default());

fn again() {
    COUNT.with(|count| count.0.set(0));
}

#[test]
fn by_call_by_instance_and_all() {
    each_keeping(|_| {
        again();
        let (me, you) = (Person { id: 1 }, Person { id: 2 });
        assert_eq!((me.has_role(7), me.has_role(8), you.has_role(7), me.clone().has_role(7)), (0, 1, 2, 0));
        delete_memoized!(Person::has_role, &me, 7).unwrap();
        assert_eq!((me.has_role(7), me.has_role(8), you.has_role(7)), (3, 1, 2));
        delete_memoized!(me.has_role, 7).unwrap();
        assert_eq!((me.has_role(7), me.has_role(8), you.has_role(7)), (4, 1, 2));
        delete_memoized!(me.has_role).unwrap();
        assert_eq!((me.has_role(7), me.has_role(8), you.has_role(7)), (5, 6, 2), "no other instance");
        delete_memoized_verhash!(you.has_role).unwrap();
        assert_eq!((me.has_role(7), me.has_role(8), you.has_role(7)), (5, 6, 7));
        delete_memoized!(Person::has_role).unwrap();
        assert_eq!((me.has_role(7), me.has_role(8), you.has_role(7)), (8, 9, 10));
        assert_eq!(peek!(me.has_role, 7).unwrap(), Some(8));
    });
}

#[test]
fn self_by_value_by_arc_and_not_at_all() {
    each_keeping(|_| {
        again();
        let (me, you) = (Person { id: 1 }, Person { id: 2 });
        assert_eq!((me.clone().consume(1), you.clone().consume(1), me.clone().consume(1)), (0, 1, 0));
        assert_eq!((Arc::new(me.clone()).shared(), Arc::new(you.clone()).shared()), (2, 3));
        assert_eq!(Arc::new(me.clone()).shared(), 2);
        assert_eq!((Person::of_no_person(1), Person::of_no_person(1), Person::of_no_person(2)), (4, 4, 5));
        delete_memoized!(Person::of_no_person, 1).unwrap();
        assert_eq!((Person::of_no_person(1), Person::of_no_person(2)), (6, 5));
        delete_memoized!(Person::of_no_person).unwrap();
        assert_eq!((Person::of_no_person(1), Person::of_no_person(2)), (7, 8));
        assert_eq!(me.consume(1), 0);
    });
}

#[test]
fn async_methods() {
    each_keeping(|world| {
        CALLS.take();
        let (me, you) = (Person { id: 1 }, Person { id: 2 });
        block_on(world.wrap(async {
            assert_eq!((me.later(7).await, me.later(7).await, you.later(7).await), (0, 0, 1));
            delete_memoized!(me.later, 7).await.unwrap();
            assert_eq!((me.later(7).await, you.later(7).await), (2, 1));
            delete_memoized!(me.later).await.unwrap();
            assert_eq!((me.later(7).await, you.later(7).await), (3, 1));
            delete_memoized!(Person::later).await.unwrap();
            assert_eq!((me.later(7).await, you.later(7).await), (4, 5));
        }));
    });
}

#[test]
fn an_instance_costs_one_write() {
    again();
    let mem = Mem::new();
    let world = World::full_over(&mem, |config| config);
    let _entered = world.enter();
    let me = Person { id: 1 };
    (0..50).for_each(|role| {
        me.has_role(role);
    });
    mem.take_ops();
    delete_memoized!(me.has_role).unwrap();
    assert_eq!(mem.take_ops(), 1);
}

#[test]
fn generic_types_have_methods_of_their_own() {
    #[derive(CacheKey, Clone)]
    struct Stack<T>(Vec<T>);
    static CALLS: Calls = Calls::new();
    impl<T: CacheKey + Clone + Sync + 'static> Stack<T> {
        #[memoize]
        fn depth(&self) -> u64 {
            CALLS.hit()
        }
    }
    each_keeping(|_| {
        CALLS.take();
        let (bytes, words) = (Stack(vec![1u8]), Stack(vec![1u16]));
        assert_eq!((bytes.depth(), words.depth(), bytes.depth(), words.depth()), (0, 1, 0, 1));
        delete_memoized!(Stack::<u8>::depth).unwrap();
        assert_eq!((bytes.depth(), words.depth()), (2, 1));
        delete_memoized!(words.depth).unwrap();
        assert_eq!((bytes.depth(), words.depth()), (2, 3));
    });
}

#[test]
fn each_implementor_of_a_trait_has_its_own() {
    static CALLS: Calls = Calls::new();
    trait Speak {
        #[memoize]
        fn speak(&self) -> u64
        where
            Self: CacheKey,
        {
            CALLS.hit()
        }
        fn other(&self) -> u64;
    }
    #[derive(CacheKey)]
    struct Cat(u8);
    #[derive(CacheKey)]
    struct Dog(u8);
    impl Speak for Cat {
        #[memoize(name = "methods.cat.other")]
        fn other(&self) -> u64 {
            CALLS.hit()
        }
    }
    impl Speak for Dog {
        #[memoize]
        fn other(&self) -> u64 {
            CALLS.hit()
        }
    }
    each_keeping(|_| {
        CALLS.take();
        assert_eq!(
            (Cat(1).speak(), Dog(1).speak(), Cat(2).speak(), Cat(1).speak(), Dog(1).speak()),
            (0, 1, 2, 0, 1)
        );
        assert_eq!((Cat(1).other(), Dog(1).other(), Cat(1).other(), Dog(1).other()), (3, 4, 3, 4));
        cachekit::delete_memoized_named("methods.cat.other").unwrap();
        assert_eq!((Cat(1).other(), Dog(1).other()), (5, 4));
    });
}

#[test]
fn self_can_be_ignored() {
    struct Service {
        calls: Calls,
    }
    impl Service {
        #[memoize(ignore(self))]
        fn price(&self, item: u32) -> u64 {
            self.calls.hit() + u64::from(item) * 10
        }
    }
    each_keeping(|_| {
        let (one, two) = (Service { calls: Calls::new() }, Service { calls: Calls::new() });
        assert_eq!((one.price(1), two.price(1), two.price(2)), (10, 10, 20));
        assert_eq!((one.calls.get(), two.calls.get()), (1, 1));
        delete_memoized!(one.price, 1).unwrap();
        assert_eq!(two.price(1), 11);
    });
}
