//! `each`: a call for several ids, each of which is an entry of its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, mpsc};
use std::time::Duration;

use cachekit::{
    CacheKey, delete_memoized, delete_memoized_named, delete_memoized_verhash, invalidates, memoize, peek,
    refresh, stats, uncached,
};
use cachekit_tests::{Calls, World, block_on, each_keeping, everywhere, tasks};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    at: u64,
}

/// The bodies that ran, by their ids.
struct Ran(Mutex<Vec<Vec<u64>>>, Calls);

impl Ran {
    const fn new() -> Self {
        Self(Mutex::new(Vec::new()), Calls::new())
    }

    fn user(&self, id: u64) -> User {
        User { id, at: self.1.hit() }
    }

    /// Those of the ids that are there: no id from 100 on is.
    fn all(&self, ids: &[u64]) -> HashMap<u64, User> {
        self.0.lock().push(ids.to_vec());
        ids.iter().filter(|id| **id < 100).map(|id| (*id, self.user(*id))).collect()
    }

    fn take(&self) -> Vec<Vec<u64>> {
        std::mem::take(&mut self.0.lock())
    }
}

fn ids(users: &HashMap<u64, User>) -> Vec<u64> {
    let mut ids: Vec<u64> = users.keys().copied().collect();
    ids.sort_unstable();
    ids
}

#[test]
fn the_body_runs_once_with_the_ids_that_are_missing() {
    static RAN: Ran = Ran::new();
    #[memoize(each = ids)]
    fn users(ids: &[u64]) -> HashMap<u64, User> {
        RAN.all(ids)
    }
    #[memoize(each = ids)]
    async fn users_async(ids: &[u64]) -> HashMap<u64, User> {
        RAN.all(ids)
    }
    everywhere(|_| {
        for call in [|ids: &[u64]| users(ids), |ids: &[u64]| block_on(users_async(ids))] {
            RAN.take();
            let first = call(&[1, 2, 3]);
            assert_eq!((ids(&first), RAN.take()), (vec![1, 2, 3], vec![vec![1, 2, 3]]));
            let more = call(&[4, 2, 5, 2, 4]);
            assert_eq!((ids(&more), RAN.take()), (vec![2, 4, 5], vec![vec![4, 5]]));
            assert_eq!(more[&2], first[&2]);
            let again = call(&[5, 3]);
            assert_eq!((again[&5].clone(), again[&3].clone()), (more[&5].clone(), first[&3].clone()));
            assert_eq!(call(&[]), HashMap::new());
            assert_eq!(RAN.take(), Vec::<Vec<u64>>::new());
        }
    });
}

#[test]
fn an_id_that_the_body_does_not_return_is_absent_and_asked_for_again() {
    static RAN: Ran = Ran::new();
    #[memoize(each = ids)]
    fn users(ids: &[u64]) -> HashMap<u64, User> {
        RAN.all(ids)
    }
    #[memoize(each = ids, none_timeout = "1h")]
    fn known_absent(ids: &[u64]) -> HashMap<u64, User> {
        RAN.all(ids)
    }
    everywhere(|_| {
        RAN.take();
        assert_eq!(ids(&users(&[1, 100])), [1]);
        assert_eq!(ids(&users(&[1, 100])), [1]);
        assert_eq!(RAN.take(), [vec![1, 100], vec![100]]);
        assert_eq!(ids(&known_absent(&[1, 100])), [1]);
        assert_eq!(ids(&known_absent(&[1, 100])), [1]);
        assert_eq!(RAN.take(), [vec![1, 100]]);
    });
}

#[test]
fn a_list_has_the_order_and_the_duplicates_of_the_ids() {
    static RAN: Ran = Ran::new();
    #[memoize(each = ids)]
    fn listed(ids: Vec<u64>) -> Vec<User> {
        RAN.0.lock().push(ids.clone());
        ids.into_iter().map(|id| RAN.user(id)).collect()
    }
    #[memoize(each = ids)]
    fn sorted(ids: &[String]) -> BTreeMap<String, usize> {
        RAN.0.lock().push(vec![ids.len() as u64]);
        ids.iter().map(|id| (id.clone(), id.len())).collect()
    }
    everywhere(|_| {
        RAN.take();
        let users = listed(vec![3, 1, 3, 2, 1]);
        assert_eq!(users.iter().map(|user| user.id).collect::<Vec<_>>(), [3, 1, 3, 2, 1]);
        assert!(users[0] == users[2] && users[1] == users[4]);
        assert_eq!(listed(vec![1, 3]), [users[1].clone(), users[0].clone()]);
        assert_eq!(RAN.take(), [[3, 1, 2]]);
        let names = ["a".to_owned(), "bc".to_owned()];
        let expected = BTreeMap::from([("a".to_owned(), 1), ("bc".to_owned(), 2)]);
        assert_eq!((sorted(&names), sorted(&names)), (expected.clone(), expected));
        assert_eq!(RAN.take(), [[2]]);
    });
}

#[test]
fn an_err_fails_the_call_and_stores_nothing() {
    static RAN: Ran = Ran::new();
    static FAILS: AtomicBool = AtomicBool::new(false);
    #[memoize(each = ids)]
    fn users(ids: &[u64]) -> Result<HashMap<u64, User>, String> {
        let users = RAN.all(ids);
        if FAILS.load(Ordering::SeqCst) { Err("down".to_owned()) } else { Ok(users) }
    }
    #[memoize(each = ids)]
    async fn listed(ids: &[u64]) -> Result<Vec<u64>, String> {
        RAN.all(ids);
        Err::<(), _>("down".to_owned())?;
        Ok(ids.to_vec())
    }
    everywhere(|_| {
        RAN.take();
        let known = users(&[1]).unwrap();
        FAILS.store(true, Ordering::SeqCst);
        assert_eq!(users(&[1, 2, 3]), Err("down".to_owned()));
        assert_eq!(users(&[1]), Ok(known), "a hit");
        FAILS.store(false, Ordering::SeqCst);
        assert_eq!(ids(&users(&[1, 2, 3]).unwrap()), [1, 2, 3]);
        assert_eq!(RAN.take(), [vec![1], vec![2, 3], vec![2, 3]]);
        assert_eq!(block_on(listed(&[1, 2])), Err("down".to_owned()));
        assert_eq!(block_on(listed(&[1, 2])), Err("down".to_owned()));
        assert_eq!(RAN.take(), [[1, 2], [1, 2]]);
    });
}

#[test]
fn a_list_of_another_length_is_not_stored_and_the_body_runs_with_all_ids() {
    static RAN: Ran = Ran::new();
    static SHORT: AtomicBool = AtomicBool::new(false);
    #[memoize(each = ids)]
    fn listed(ids: &[u64], scale: u64) -> Vec<u64> {
        RAN.all(ids);
        let skipped = usize::from(SHORT.load(Ordering::SeqCst));
        ids.iter().skip(skipped).map(|id| id * scale).collect()
    }
    everywhere(|_| {
        RAN.take();
        SHORT.store(false, Ordering::SeqCst);
        assert_eq!(listed(&[1, 2], 10), [10, 20]);
        SHORT.store(true, Ordering::SeqCst);
        assert_eq!(listed(&[1, 2, 3, 4], 10), [20, 30, 40]);
        assert_eq!(listed(&[3, 4], 10), [40]);
        SHORT.store(false, Ordering::SeqCst);
        assert_eq!(listed(&[1, 2, 3, 4], 10), [10, 20, 30, 40]);
        assert_eq!(RAN.take(), [vec![1, 2], vec![3, 4], vec![1, 2, 3, 4], vec![3, 4], vec![3, 4]]);
        assert_eq!(stats!(listed).errors, 2, "each is logged");
    });
}

#[test]
fn other_arguments_and_the_instance_are_in_the_key_of_each_id() {
    static RAN: Ran = Ran::new();
    #[derive(CacheKey)]
    struct Shop(u64);
    impl Shop {
        #[memoize(each = ids)]
        fn prices(&self, currency: &str, ids: &[u64], (year, _): (u32, u32)) -> HashMap<u64, String> {
            RAN.all(ids);
            ids.iter().map(|id| (*id, format!("{} {currency} {id} {year}", self.0))).collect()
        }
    }
    everywhere(|_| {
        RAN.take();
        let (one, other) = (Shop(1), Shop(2));
        assert_eq!(one.prices("EUR", &[7], (2025, 1))[&7], "1 EUR 7 2025");
        assert_eq!(one.prices("USD", &[7], (2025, 1))[&7], "1 USD 7 2025");
        assert_eq!(other.prices("EUR", &[7, 8], (2025, 1))[&8], "2 EUR 8 2025");
        assert_eq!(one.prices("EUR", &[7], (2026, 1))[&7], "1 EUR 7 2026");
        assert_eq!(RAN.take().len(), 4);
        assert_eq!(one.prices("EUR", &[7, 8], (2025, 1)).len(), 2);
        assert_eq!(RAN.take(), [[8]]);
        delete_memoized!(one.prices, "EUR", &[7], (2025, 1)).unwrap();
        one.prices("EUR", &[7, 8], (2025, 1));
        assert_eq!(RAN.take(), [[7]]);
        delete_memoized!(one.prices).unwrap();
        one.prices("EUR", &[7, 8], (2025, 1));
        other.prices("EUR", &[7, 8], (2025, 1));
        assert_eq!(RAN.take(), [[7, 8]]);
        delete_memoized!(Shop::prices).unwrap();
        one.prices("EUR", &[7, 8], (2025, 1));
        other.prices("EUR", &[7, 8], (2025, 1));
        assert_eq!(RAN.take(), [[7, 8], [7, 8]]);
    });
}

#[test]
fn deletions_looks_and_refreshes_are_by_id() {
    static RAN: Ran = Ran::new();
    #[memoize(each = ids, name = "each.users")]
    fn users(ids: &[u64]) -> HashMap<u64, User> {
        RAN.all(ids)
    }
    #[memoize(each = ids)]
    async fn users_async(ids: &[u64]) -> HashMap<u64, User> {
        RAN.all(ids)
    }
    #[invalidates(users(&[id]), users_async(&[id]))]
    fn rename(id: u64) {
        let _ = id;
    }
    everywhere(|_| {
        RAN.take();
        let first = users(&[1, 2, 3]);
        assert_eq!(peek!(users, &[1, 3]).unwrap().map(|found| ids(&found)), Some(vec![1, 3]));
        assert_eq!(peek!(users, &[1, 4]).unwrap(), None, "4 would be computed");
        assert_eq!(peek!(users, &[]).unwrap(), Some(HashMap::new()));
        delete_memoized!(users, &[1, 2]).unwrap();
        assert_eq!(peek!(users, &[1]).unwrap(), None);
        assert_eq!(users(&[1, 2, 3])[&3], first[&3]);
        assert_eq!(RAN.take(), [vec![1, 2, 3], vec![1, 2]]);

        let second = users(&[1, 3]);
        let refreshed = refresh!(users, &[1]);
        assert!(refreshed[&1].at > second[&1].at);
        assert_eq!(users(&[1, 3])[&1], refreshed[&1]);
        let bypassed = uncached!(users, &[1, 3]);
        assert_ne!(bypassed[&3], second[&3]);
        assert_eq!(users(&[1, 3]), HashMap::from([(1, refreshed[&1].clone()), (3, second[&3].clone())]));
        assert_eq!(RAN.take(), [vec![1], vec![1, 3]]);

        block_on(users_async(&[1, 2]));
        rename(2);
        block_on(delete_memoized!(users_async, &[9])).unwrap();
        block_on(users_async(&[1, 2]));
        assert_eq!(block_on(peek!(users_async, &[1, 2])).unwrap().map(|found| found.len()), Some(2));
        assert_eq!(RAN.take(), [vec![1, 2], vec![2]]);

        delete_memoized!(users).unwrap();
        users(&[1, 3]);
        delete_memoized_verhash!(users).unwrap();
        users(&[1, 3]);
        delete_memoized_named("each.users").unwrap();
        users(&[1, 3]);
        assert_eq!(RAN.take(), [[1, 3], [1, 3], [1, 3]]);
        assert!(stats!(users).hits > 0 && stats!(users).misses > 0);
    });
}

#[test]
fn options_are_about_each_entry() {
    static RAN: Ran = Ran::new();
    #[memoize(each = ids, timeout = "10s", cache_if = |user: &Option<User>| user.as_ref().is_some_and(|user| user.id != 5),
        tags("users", ids.iter().map(|id| format!("user:{id}")).collect::<Vec<_>>()), unless = ids.len() > 4)]
    fn users(ids: &[u64]) -> HashMap<u64, User> {
        RAN.all(ids)
    }
    #[memoize(each = ids, timeout = |value: &u64| Duration::from_secs(*value), stale_if = |value: &u64| *value == 3)]
    async fn times(ids: Vec<u64>) -> Vec<u64> {
        RAN.all(&ids);
        ids
    }
    each_keeping(|world| {
        RAN.take();
        users(&[1, 5, 6]);
        users(&[1, 5, 6]);
        users(&[1, 2, 3, 4, 5]);
        assert_eq!(RAN.take(), [vec![1, 5, 6], vec![5], vec![1, 2, 3, 4, 5]]);
        world.cache().delete_tag("user:6").unwrap();
        users(&[1, 6]);
        world.cache().delete_tag("users").unwrap();
        users(&[1, 6]);
        world.advance(Duration::from_secs(11));
        users(&[1, 6]);
        assert_eq!(RAN.take(), [vec![6], vec![1, 6], vec![1, 6]]);
        block_on(times(vec![2, 20, 3]));
        block_on(times(vec![2, 20, 3]));
        world.advance(Duration::from_secs(4));
        block_on(times(vec![2, 20]));
        assert_eq!(RAN.take(), [vec![2, 20, 3], vec![3], vec![2]]);
    });
}

#[test]
fn a_value_that_is_due_is_computed_anew_by_one_call() {
    static RAN: Ran = Ran::new();
    #[memoize(each = ids, timeout = "10s", stale_while_revalidate = "1h")]
    fn users(ids: &[u64]) -> HashMap<u64, User> {
        RAN.all(ids)
    }
    each_keeping(|world| {
        RAN.take();
        let first = users(&[1, 2]);
        world.advance(Duration::from_secs(11));
        let second = users(&[1, 2, 3]);
        assert!(second[&1].at > first[&1].at);
        assert_eq!(users(&[1, 2, 3]), second);
        assert_eq!(RAN.take(), [vec![1, 2], vec![1, 2, 3]]);
    });
}

/// A computation that waits inside.
struct Gate(Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>);

impl Gate {
    const fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn pass(&self) {
        let ends = self.0.lock().take();
        if let Some((inside, go)) = ends {
            inside.send(()).unwrap();
            go.recv().unwrap();
        }
    }

    /// Holds the next body that passes while `meanwhile` runs.
    fn hold<R: Send + 'static>(
        &self,
        world: &World,
        call: impl FnOnce() -> R + Send + 'static,
        meanwhile: impl FnOnce(),
    ) -> std::thread::Result<R> {
        let ((inside, is_inside), (go, may_go)) = (mpsc::channel(), mpsc::channel());
        *self.0.lock() = Some((inside, may_go));
        let slow = world.spawn(call);
        is_inside.recv_timeout(Duration::from_secs(10)).unwrap();
        meanwhile();
        go.send(()).unwrap();
        slow.join()
    }
}

#[test]
fn a_deletion_of_one_id_while_the_body_runs_voids_that_id_only() {
    static RAN: Ran = Ran::new();
    static GATE: Gate = Gate::new();
    #[memoize(each = ids)]
    fn users(ids: &[u64]) -> HashMap<u64, User> {
        let users = RAN.all(ids);
        GATE.pass();
        users
    }
    #[memoize(each = ids)]
    async fn users_async(ids: &[u64]) -> HashMap<u64, User> {
        let users = RAN.all(ids);
        GATE.pass();
        users
    }
    everywhere(|world| {
        RAN.take();
        let slow = GATE.hold(world, || users(&[1, 2, 3]), || delete_memoized!(users, &[2]).unwrap());
        let (slow, now) = (slow.unwrap(), users(&[1, 2, 3]));
        assert!(now[&1] == slow[&1] && now[&3] == slow[&3] && now[&2].at > slow[&2].at);
        assert_eq!(RAN.take(), [vec![1, 2, 3], vec![2]]);

        let delete = || block_on(delete_memoized!(users_async, &[2])).unwrap();
        GATE.hold(world, || block_on(users_async(&[1, 2, 3])), delete).unwrap();
        block_on(users_async(&[1, 2, 3]));
        assert_eq!(RAN.take(), [vec![1, 2, 3], vec![2]]);

        GATE.hold(world, || users(&[4, 5]), || delete_memoized!(users).unwrap()).unwrap();
        users(&[4, 5]);
        assert_eq!(RAN.take(), [vec![4, 5], vec![4, 5]]);
    });
}

#[test]
fn ids_that_another_call_computes_are_waited_for() {
    static RAN: Ran = Ran::new();
    static GATE: Gate = Gate::new();
    #[memoize(each = ids)]
    fn users(ids: &[u64]) -> HashMap<u64, User> {
        let users = RAN.all(ids);
        GATE.pass();
        users
    }
    everywhere(|world| {
        RAN.take();
        let (tell, told) = mpsc::channel();
        let slow = GATE.hold(
            world,
            || users(&[1, 2]),
            || {
                world.spawn(move || tell.send(users(&[2, 3, 1, 4])).unwrap());
                // Its own body has run, and what it waits for has not.
                while RAN.0.lock().len() < 2 {
                    std::thread::yield_now();
                }
            },
        );
        let (slow, other) = (slow.unwrap(), told.recv_timeout(Duration::from_secs(10)).unwrap());
        assert_eq!((other[&1].clone(), other[&2].clone()), (slow[&1].clone(), slow[&2].clone()));
        assert_eq!(RAN.take(), [vec![1, 2], vec![3, 4]]);
    });
}

/// Each of two calls claims a part of what the other one misses, at the same time.
#[test]
fn calls_whose_ids_overlap_never_wait_for_each_other() {
    static RAN: Ran = Ran::new();
    #[memoize(each = ids, flight_timeout = "1h")]
    fn users(ids: &[u64]) -> HashMap<u64, User> {
        RAN.all(ids)
    }
    #[memoize(each = ids, flight_timeout = "1h")]
    async fn users_async(ids: &[u64]) -> HashMap<u64, User> {
        let users = RAN.all(ids);
        tokio::task::yield_now().await;
        users
    }
    let forwards: Vec<u64> = (0..20).collect();
    let backwards: Vec<u64> = (10..30).rev().collect();
    each_keeping(|world| {
        RAN.take();
        let barrier = Barrier::new(2);
        for _ in 0..25 {
            delete_memoized!(users).unwrap();
            std::thread::scope(|scope| {
                for list in [&forwards, &backwards] {
                    let barrier = &barrier;
                    world.spawn_in(scope, move || {
                        barrier.wait();
                        assert_eq!(users(list).len(), 20);
                    });
                }
            });
            let mut computed: Vec<u64> = RAN.take().concat();
            computed.sort_unstable();
            // A write of the least backend has two halves, between which a slow thread may be seen more often than a call looks.
            assert!(world.name == "plain" || computed.len() == 30, "each once: {computed:?}");
            computed.dedup();
            assert_eq!(computed, (0..30).collect::<Vec<_>>());

            block_on(delete_memoized!(users_async)).unwrap();
            let lists = [forwards.clone(), backwards.clone()];
            let lens = tasks(lists.map(|list| world.wrap(async move { users_async(&list).await.len() })));
            assert_eq!(lens, [20, 20]);
            RAN.take();
        }
    });
}

#[test]
fn a_body_that_panics_hands_over_and_nothing_hangs() {
    static RAN: Ran = Ran::new();
    static GATE: Gate = Gate::new();
    static PANICS: AtomicBool = AtomicBool::new(false);
    #[memoize(each = ids)]
    fn users(ids: &[u64]) -> HashMap<u64, User> {
        let users = RAN.all(ids);
        GATE.pass();
        assert!(!PANICS.swap(false, Ordering::SeqCst), "as the test wants it");
        users
    }
    each_keeping(|world| {
        RAN.take();
        let (tell, told) = mpsc::channel();
        let slow = GATE.hold(
            world,
            || users(&[1, 2]),
            || {
                PANICS.store(true, Ordering::SeqCst);
                // On its way to wait, or waiting, when the body goes on.
                world.spawn(move || tell.send(users(&[2, 1])).unwrap());
                std::thread::yield_now();
            },
        );
        assert!(slow.is_err());
        assert_eq!(told.recv_timeout(Duration::from_secs(10)).unwrap().len(), 2);
        assert_eq!(users(&[1, 2]).len(), 2);
        assert_eq!(RAN.take().len(), 2);
    });
}

/// The body asks for an id that its own call computes.
#[test]
fn a_body_that_asks_for_its_own_ids_computes_them() {
    static DEPTH: AtomicU64 = AtomicU64::new(0);
    #[memoize(each = ids, flight_timeout = "1h")]
    fn sums(ids: &[u64]) -> HashMap<u64, u64> {
        if DEPTH.fetch_add(1, Ordering::SeqCst) == 0 {
            assert_eq!(sums(&[1])[&1], 2);
            assert_eq!(sums(&[3, 9])[&3], 6);
        }
        ids.iter().map(|id| (*id, 2 * id)).collect()
    }
    each_keeping(|_| {
        DEPTH.store(0, Ordering::SeqCst);
        assert_eq!(sums(&[1, 2, 3])[&2], 4);
        assert_eq!(sums(&[9])[&9], 18);
    });
}

mod shared {
    use super::*;

    static RAN: Ran = Ran::new();

    #[memoize(timeout = "1h")]
    pub fn user(id: u64) -> User {
        RAN.all(&[id]);
        RAN.user(id)
    }

    #[memoize(each = ids, of = user, timeout = "1h")]
    pub fn users(ids: &[u64]) -> HashMap<u64, User> {
        RAN.all(ids)
    }

    #[memoize(each = ids, of = user, timeout = "1h")]
    pub async fn users_listed(ids: Vec<u64>) -> Result<Vec<User>, String> {
        RAN.all(&ids);
        Ok(ids.iter().map(|id| RAN.user(*id)).collect())
    }

    #[memoize]
    async fn name(id: &str, upper: bool) -> Option<String> {
        RAN.all(&[]);
        (!id.is_empty()).then(|| if upper { id.to_uppercase() } else { id.to_owned() })
    }

    #[memoize(each = ids, of = name)]
    fn names(ids: &[String], upper: bool) -> HashMap<String, String> {
        RAN.all(&[]);
        let name = |id: &String| if upper { id.to_uppercase() } else { id.clone() };
        ids.iter().filter(|id| !id.is_empty()).map(|id| (id.clone(), name(id))).collect()
    }

    #[derive(CacheKey)]
    struct Shop(u64);

    impl Shop {
        #[memoize]
        fn price(&self, id: u64) -> Result<u64, String> {
            RAN.all(&[id]);
            Ok(self.0 + id)
        }

        #[memoize(each = ids, of = Self::price)]
        fn prices(&self, ids: &[u64]) -> Vec<u64> {
            RAN.all(ids);
            ids.iter().map(|id| self.0 + id).collect()
        }
    }

    #[test]
    fn entries_are_those_of_the_function_for_one_id() {
        everywhere(|_| {
            RAN.take();
            let one = user(1);
            let both = users(&[1, 2]);
            assert_eq!((&both[&1], &user(2)), (&one, &both[&2]));
            assert_eq!(block_on(users_listed(vec![2, 1, 3])).unwrap()[..2], [both[&2].clone(), one]);
            assert_eq!(RAN.take(), [vec![1], vec![2], vec![3]]);

            delete_memoized!(user, 1).unwrap();
            users(&[1, 2, 3]);
            delete_memoized!(users, &[2]).unwrap();
            user(2);
            block_on(delete_memoized!(users_listed)).unwrap();
            users(&[1, 2]);
            delete_memoized!(user).unwrap();
            users(&[1, 2]);
            assert_eq!(RAN.take(), [vec![1], vec![2], vec![1, 2], vec![1, 2]]);
            assert_eq!(peek!(user, 2).unwrap(), peek!(users, &[2]).unwrap().map(|all| all[&2].clone()));

            let known = block_on(name("b", true));
            let (a, b) = ("a".to_owned(), "b".to_owned());
            let all = names(&[a.clone(), b.clone(), String::new()], true);
            assert_eq!((all.len(), all.get(&b).cloned()), (2, known));
            assert_eq!(block_on(name("a", true)).as_deref(), Some("A"));
            assert_eq!(names(&[b, a], false).len(), 2);
            assert_eq!(RAN.take().len(), 3);

            let shop = Shop(10);
            assert_eq!((shop.price(1), shop.prices(&[2, 1])), (Ok(11), vec![12, 11]));
            assert_eq!((shop.price(2), RAN.take()), (Ok(12), vec![vec![1], vec![2]]));
            delete_memoized!(shop.price).unwrap();
            assert_eq!((shop.prices(&[2]), RAN.take()), (vec![12], vec![vec![2]]));
        });
    }
}
