//! The ids and the values of a call.

use std::collections::{BTreeMap, HashMap};

use cachekit::{CacheKey, delete_memoized, memoize};
use cachekit_tests::{block_on, everywhere};

use super::{Ran, User, ids};

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
