//! Deletions, looks and refreshes, by id.

use std::collections::HashMap;

use cachekit::{
    delete_memoized, delete_memoized_named, delete_memoized_verhash, invalidates, memoize, peek, refresh,
    stats, uncached,
};
use cachekit_tests::{Gate, block_on, everywhere};

use super::{Ran, User, ids};

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
