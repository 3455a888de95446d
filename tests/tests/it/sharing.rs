//! Promise 10: changing a returned value does not change the cache, also where its `Clone` shares.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use cachekit::{memoize, peek, stats};
use cachekit_tests::{Calls, World, block_on, everywhere, logged};
use serde::{Deserialize, Serialize};

type List = Arc<Mutex<Vec<u64>>>;

fn list() -> List {
    Arc::new(Mutex::new(vec![1]))
}

fn push(list: &List) {
    list.lock().unwrap().push(2);
}

fn len(list: &List) -> usize {
    list.lock().unwrap().len()
}

#[derive(Clone, Serialize, Deserialize)]
struct Handle {
    name: String,
    count: Arc<AtomicU64>,
}

fn handle() -> Handle {
    Handle { name: "h".into(), count: Arc::new(AtomicU64::new(1)) }
}

/// A function of a type whose clone shares; callers change what they get, and no later caller sees it.
macro_rules! no_caller_sees_a_change {
    ($($name:ident: $t:ty as $stored:ty = $value:expr, |$v:ident| $change:expr => $read:expr;)*) => {$(
        #[test]
        fn $name() {
            static CALLS: Calls = Calls::new();
            #[memoize]
            fn f(_n: u8) -> $t {
                CALLS.hit();
                $value
            }
            let read = |value: &$t| { let $v = value; $read };
            let change = |value: &$t| { let $v = value; let _ = $change; };
            everywhere(|world| {
                CALLS.take();
                let lines = logged(|| {
                    let (first, same) = (f(0), f(0));
                    assert_eq!((read(&first), read(&same)), (1, 1));
                    for n in [0, 0, 1, 1, 1] {
                        let value = f(n);
                        assert_eq!(read(&value), 1);
                        change(&value);
                        assert_ne!(read(&value), 1, "its own change is seen");
                        assert_eq!(read(&peek!(f, n).unwrap().unwrap_or_else(|| $value)), 1);
                    }
                });
                let simple = world.name == "simple";
                assert_eq!(CALLS.take(), if simple { 3 } else { 2 }, "computed again where it was noticed");
                let name = std::any::type_name::<$stored>();
                let named = lines.iter().filter(|line| line.contains(name)).count();
                assert_eq!((lines.len(), named), if simple { (1, 1) } else { (0, 0) }, "{lines:?}");
            });
        }
    )*};
}

no_caller_sees_a_change! {
    a_mutex: List as List = list(), |v| push(v) => len(v);
    a_lock: Arc<RwLock<u64>> as Arc<RwLock<u64>> = Arc::new(RwLock::new(1)),
        |v| *v.write().unwrap() += 1 => *v.read().unwrap();
    // So small that a thread would keep it for itself.
    an_atomic: Arc<AtomicU64> as Arc<AtomicU64> = Arc::new(AtomicU64::new(1)),
        |v| v.fetch_add(1, Ordering::Relaxed) => v.load(Ordering::Relaxed);
    a_field: Handle as Handle = handle(), |v| v.count.fetch_add(1, Ordering::Relaxed) => v.count.load(Ordering::Relaxed);
    a_part_of_a_tuple: (u8, List) as (u8, List) = (1, list()), |v| push(&v.1) => len(&v.1);
    an_element: Vec<Handle> as Vec<Handle> = vec![handle()],
        |v| v[0].count.fetch_add(1, Ordering::Relaxed) => v[0].count.load(Ordering::Relaxed);
    a_value_of_a_map: HashMap<String, List> as HashMap<String, List> = HashMap::from([("k".into(), list())]),
        |v| push(&v["k"]) => len(&v["k"]);
    in_a_result: Result<List, String> as List = Ok(list()),
        |v| push(v.as_ref().unwrap()) => len(v.as_ref().unwrap());
    in_an_option: Option<List> as List = Some(list()), |v| push(v.as_ref().unwrap()) => len(v.as_ref().unwrap());
    in_an_option_in_a_result: Result<Option<List>, String> as Option<List> = Ok(Some(list())),
        |v| push(v.as_ref().unwrap().as_ref().unwrap()) => len(v.as_ref().unwrap().as_ref().unwrap());
}

#[test]
fn of_async_functions_and_after_the_notice_of_the_calls_that_wait() {
    #[memoize]
    async fn f(_n: u8) -> List {
        tokio::task::yield_now().await;
        list()
    }
    everywhere(|world| {
        block_on(world.wrap(async {
            for _ in 0..3 {
                let value = f(0).await;
                assert_eq!(len(&value), 1);
                push(&value);
            }
            if world.name == "simple" {
                let (first, second) = tokio::join!(f(1), f(1));
                assert_eq!(stats!(f).coalesced, 1);
                push(&first);
                assert_eq!((len(&first), len(&second)), (2, 1));
            }
        }));
    });
}

#[test]
fn a_caller_that_holds_the_lock_of_its_value_makes_the_same_call() {
    #[memoize]
    fn f(_n: u8) -> List {
        list()
    }
    let world = World::simple();
    let _entered = world.enter();
    let lines = logged(|| {
        let first = f(0);
        let held = first.lock().unwrap();
        for _ in 0..2 {
            // Another value than the one that is locked: a lock that is held is a clone that shares.
            assert_eq!(len(&f(0)), 1);
        }
        drop(held);
    });
    assert!(matches!(&lines[..], [line] if line.contains("was locked by a caller")), "{lines:?}");
}

#[test]
fn a_list_that_a_caller_has_reordered_is_noticed() {
    #[memoize]
    fn f(_n: u8) -> List {
        Arc::new(Mutex::new(vec![1, 2, 3]))
    }
    everywhere(|_| {
        let value = f(0);
        value.lock().unwrap().reverse();
        assert_eq!(*f(0).lock().unwrap(), [1, 2, 3]);
    });
}

#[test]
fn with_local_callers_share() {
    #[memoize(local)]
    fn f(_n: u8) -> List {
        list()
    }
    everywhere(|_| {
        let lines = logged(|| {
            push(&f(0));
            push(&f(0));
            assert_eq!(len(&f(0)), 3);
        });
        assert_eq!((lines, stats!(f).stores), (vec![], 1));
    });
}

#[test]
fn values_that_stay_as_they_are_hit_and_nothing_is_said() {
    /// Its encoding has another order in each clone that is filled anew.
    #[derive(Clone, Serialize, Deserialize)]
    struct Bag(HashMap<u64, f64>, Arc<Vec<String>>);
    #[memoize]
    fn bag() -> Bag {
        Bag((0..100).map(|n| (n, f64::NAN)).collect(), Arc::default())
    }
    #[memoize]
    fn shared() -> Arc<Handle> {
        Arc::new(handle())
    }
    #[memoize]
    fn text() -> Arc<str> {
        "text".into()
    }
    everywhere(|_| {
        let lines = logged(|| {
            for _ in 0..21 {
                assert_eq!((bag().0.len(), &*shared().name, &*text()), (100, "h", "text"));
            }
        });
        for stats in [stats!(bag), stats!(shared), stats!(text)] {
            assert_eq!((stats.hits, stats.stores), (20, 1));
        }
        assert_eq!(lines, [""; 0]);
    });
}

#[test]
fn a_value_that_can_not_be_encoded_is_kept() {
    #[derive(Clone, Deserialize)]
    struct Silent(u8);
    impl Serialize for Silent {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }
    #[memoize]
    fn f() -> Silent {
        Silent(1)
    }
    let world = World::simple();
    let _entered = world.enter();
    assert_eq!((f().0, f().0, stats!(f).hits), (1, 1, 1));
}
