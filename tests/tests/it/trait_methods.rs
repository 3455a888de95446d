//! Promise 2 for methods of traits: by call, by instance and all together, and every other macro, as for methods of a type.

use cachekit::{
    CacheKey, How, delete_memoized, delete_memoized_verhash, explain, memoize, peek, prime, refresh, stats,
    traced, uncached,
};
use cachekit_tests::{Calls, block_on, each_keeping};

use bank::{Bank, Rates};
use parking_lot::Mutex;

static CALLS: Calls = Calls::new();
/// The tests share the methods and their counter, and so go one after another.
static TURN: Mutex<()> = Mutex::new(());

mod bank {
    use super::{CALLS, CacheKey, memoize};

    pub(crate) trait Rates {
        type Out;
        fn rate(&self, day: u64) -> Self::Out;
        fn named(&self, text: &str) -> String;
        fn count(limit: u32) -> u64;
        fn later(&self, day: u64) -> impl Future<Output = u64> + Send;

        #[memoize]
        fn doubled(&self, day: u64) -> u64
        where
            Self: CacheKey,
        {
            day * 2 + CALLS.hit() * 100
        }

        #[memoize]
        async fn doubled_later(&self, day: u64) -> u64
        where
            Self: CacheKey,
        {
            day * 2 + CALLS.hit() * 100
        }
    }

    #[derive(CacheKey, Clone)]
    pub(crate) struct Bank {
        pub(crate) id: u32,
    }

    impl Rates for Bank {
        type Out = u64;

        #[memoize]
        fn rate(&self, day: u64) -> Self::Out {
            let next: Self::Out = CALLS.hit();
            next * 100 + day
        }

        #[memoize]
        fn named(&self, text: &str) -> String {
            format!("{text} {} {}", self.id, CALLS.hit())
        }

        #[memoize]
        fn count(limit: u32) -> u64 {
            u64::from(limit) + CALLS.hit() * 100
        }

        #[memoize]
        async fn later(&self, day: u64) -> u64 {
            CALLS.hit() * 100 + day
        }
    }

    impl<T: CacheKey + Clone + Send + Sync + 'static> Rates for super::Stack<T> {
        type Out = T;

        #[memoize(local)]
        fn rate(&self, _: u64) -> Self::Out {
            CALLS.hit();
            self.0.clone()
        }

        fn named(&self, text: &str) -> String {
            text.into()
        }

        fn count(_: u32) -> u64 {
            0
        }

        async fn later(&self, day: u64) -> u64 {
            day
        }

        #[memoize]
        fn doubled(&self, day: u64) -> u64 {
            day * 3 + CALLS.hit() * 100
        }
    }
}

#[derive(CacheKey, Clone)]
struct Stack<T>(T);

#[test]
fn by_call_by_instance_and_all() {
    let _turn = TURN.lock();
    each_keeping(|_| {
        CALLS.take();
        let (mine, other) = (Bank { id: 1 }, Bank { id: 2 });
        let all = || (mine.rate(1), mine.rate(2), other.rate(1));
        assert_eq!(all(), (1, 102, 201));
        delete_memoized!(<Bank as Rates>::rate, &mine, 1).unwrap();
        assert_eq!(all(), (301, 102, 201));
        delete_memoized!(mine.rate, 1).unwrap();
        assert_eq!(all(), (401, 102, 201));
        delete_memoized!(mine.rate).unwrap();
        assert_eq!(all(), (501, 602, 201), "no other instance");
        delete_memoized!(<Bank as Rates>::rate).unwrap();
        assert_eq!(all(), (701, 802, 901));
        delete_memoized!(Bank::rate, &mine, 1).unwrap();
        delete_memoized_verhash!(other.rate).unwrap();
        assert_eq!(all(), (1001, 802, 1101));
        // Arguments are coerced, and functions without `self` are there too.
        assert_eq!(mine.named("a"), "a 1 12");
        delete_memoized!(mine.named, &String::from("a")).unwrap();
        assert_eq!(mine.named("a"), "a 1 13");
        assert_eq!(Bank::count(1), 1401);
        delete_memoized!(<Bank as bank::Rates>::count, 1).unwrap();
        assert_eq!(Bank::count(1), 1501);
    });
}

#[test]
fn every_other_macro() {
    let _turn = TURN.lock();
    each_keeping(|_| {
        CALLS.take();
        let bank = Bank { id: 3 };
        assert_eq!(peek!(bank.rate, 1).unwrap(), None);
        assert_eq!(bank.rate(1), 1);
        assert_eq!(peek!(<Bank as Rates>::rate, &bank, 1).unwrap(), Some(1));
        assert_eq!((refresh!(bank.rate, 1), bank.rate(1)), (101, 101));
        assert_eq!((uncached!(<Bank as Rates>::rate, &bank, 1), bank.rate(1)), (201, 101));
        assert_eq!(traced!(bank.rate, 1).how, How::Hit);
        assert!(explain!(bank.rate, 1).to_string().contains("Rates>::rate"));
        prime!(bank.rate, 1 => 7).unwrap();
        assert_eq!(bank.rate(1), 7);
        assert!(stats!(<Bank as Rates>::rate).hits >= 3);
    });
}

#[test]
fn of_generic_types() {
    let _turn = TURN.lock();
    each_keeping(|_| {
        CALLS.take();
        let (bytes, words) = (Stack(1_u8), Stack(1_u16));
        let all = || (bytes.rate(1), words.rate(1));
        assert_eq!((all(), all(), CALLS.get()), ((1, 1), (1, 1), 2));
        delete_memoized!(bytes.rate, 1).unwrap();
        assert_eq!((all(), CALLS.get()), ((1, 1), 3));
        delete_memoized!(<Stack<u16> as Rates>::rate).unwrap();
        assert_eq!((all(), CALLS.get()), ((1, 1), 4));
    });
}

#[test]
fn default_methods_and_those_that_replace_them() {
    let _turn = TURN.lock();
    each_keeping(|_| {
        CALLS.take();
        let (bank, stack) = (Bank { id: 1 }, Stack(1_u8));
        let all = || (bank.doubled(1), stack.doubled(1));
        assert_eq!(all(), (2, 103));
        delete_memoized!(bank.doubled, 1).unwrap();
        assert_eq!(all(), (202, 103));
        delete_memoized!(<Stack<u8> as Rates>::doubled, &stack, 1).unwrap();
        assert_eq!(all(), (202, 303));
        delete_memoized!(<Bank as Rates>::doubled).unwrap();
        delete_memoized!(stack.doubled).unwrap();
        assert_eq!(all(), (402, 503));
        assert_eq!((refresh!(bank.doubled, 1), refresh!(stack.doubled, 1)), (602, 703));
        assert_eq!(peek!(stack.doubled, 1).unwrap(), Some(703));
    });
}

#[test]
fn async_methods() {
    let _turn = TURN.lock();
    each_keeping(|world| {
        CALLS.take();
        let bank = Bank { id: 4 };
        block_on(world.wrap(async {
            assert_eq!((bank.later(1).await, bank.later(1).await), (1, 1));
            delete_memoized!(bank.later, 1).await.unwrap();
            assert_eq!(bank.later(1).await, 101);
            delete_memoized!(bank.later).await.unwrap();
            assert_eq!(bank.later(1).await, 201);
            delete_memoized!(<Bank as Rates>::later).await.unwrap();
            assert_eq!((bank.later(1).await, peek!(bank.later, 1).await.unwrap()), (301, Some(301)));
            assert_eq!(refresh!(<Bank as Rates>::later, &bank, 1).await, 401);
            assert_eq!((bank.doubled_later(1).await, bank.doubled_later(1).await), (502, 502));
            delete_memoized!(bank.doubled_later).await.unwrap();
            assert_eq!(bank.doubled_later(1).await, 602);
        }));
    });
}

#[test]
fn a_trait_out_of_scope_is_named_by_its_path() {
    mod inner {
        use cachekit::{CacheKey, memoize};
        pub(crate) trait Shape {
            #[memoize(name = "trait_methods.inner.area")]
            fn area(&self) -> u64
            where
                Self: CacheKey,
            {
                7
            }
        }
        #[derive(CacheKey)]
        pub(crate) struct Square;
        impl Shape for Square {}
    }
    let _turn = TURN.lock();
    each_keeping(|_| {
        let square = inner::Square;
        assert_eq!(inner::Shape::area(&square), 7);
        assert_eq!(peek!(<inner::Square as inner::Shape>::area, &square).unwrap(), Some(7));
        delete_memoized!(<inner::Square as inner::Shape>::area, &square).unwrap();
        assert_eq!(peek!(<inner::Square as inner::Shape>::area, &square).unwrap(), None);
    });
}

#[test]
fn what_has_no_room_for_siblings_still_works() {
    trait Kind {
        fn kind(&self) -> u64;
    }
    trait Other {
        fn kind(&self) -> u64;
    }
    impl Kind for u8 {
        #[memoize(name = "trait_methods.kind.u8")]
        fn kind(&self) -> u64 {
            CALLS.hit()
        }
    }
    // Siblings of one name would meet.
    impl Kind for Bank {
        #[memoize]
        fn kind(&self) -> u64 {
            CALLS.hit()
        }
    }
    impl Other for Bank {
        #[memoize]
        fn kind(&self) -> u64 {
            CALLS.hit() * 100
        }
    }
    let _turn = TURN.lock();
    each_keeping(|_| {
        CALLS.take();
        let bank = Bank { id: 1 };
        assert_eq!((1_u8.kind(), 1_u8.kind()), (0, 0));
        assert_eq!((Kind::kind(&bank), Other::kind(&bank), Kind::kind(&bank)), (1, 200, 1));
        cachekit::delete_memoized_named("trait_methods.kind.u8").unwrap();
        assert_eq!(1_u8.kind(), 3);
    });
}
