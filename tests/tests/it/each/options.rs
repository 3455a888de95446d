//! The other options of a call.

use std::collections::HashMap;
use std::time::Duration;

use cachekit::{FunctionConfig, configure_function, memoize};
use cachekit_tests::{block_on, each_keeping, everywhere};

use super::{Ran, User};

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

#[test]
fn local_values_need_no_form_and_never_leave_the_process() {
    static RAN: Ran = Ran::new();
    #[derive(Clone, Debug, PartialEq)]
    struct Opaque(u64);
    #[memoize(each = ids, local, timeout = "10s")]
    fn opaque(ids: &[u64]) -> HashMap<u64, Opaque> {
        RAN.all(ids).into_iter().map(|(id, user)| (id, Opaque(user.at))).collect()
    }
    #[memoize(each = ids, local, timeout = "10s", stale_if_error = "10s")]
    async fn tasks(ids: Vec<u64>) -> Result<Vec<Opaque>, ()> {
        RAN.all(&ids);
        Ok(ids.into_iter().map(Opaque).collect())
    }
    everywhere(|world| {
        RAN.take();
        assert_eq!(opaque(&[1, 2])[&2], opaque(&[3, 2])[&2]);
        assert_eq!(block_on(tasks(vec![1, 2])), block_on(tasks(vec![1, 2])));
        assert_eq!(RAN.take(), [vec![1, 2], vec![3], vec![1, 2]]);
        let is_ours = |key: &String| key.contains("::opaque") || key.contains("::tasks");
        assert!(!world.mem.iter().any(|mem| mem.keys().iter().any(is_ours)));
        world.advance(Duration::from_secs(10));
        assert_eq!((opaque(&[1]).len(), RAN.take()), (1, vec![vec![1]]));
    });
}

/// Windows that are set from outside concern the first call too, whose entries would be words without them.
#[test]
fn windows_by_name_concern_each_entry() {
    static RAN: Ran = Ran::new();
    #[memoize(each = ids, timeout = "10s", name = "each.windows")]
    fn numbers(ids: &[u64]) -> HashMap<u64, u64> {
        RAN.all(ids).into_iter().map(|(id, user)| (id, user.at)).collect()
    }
    let windows = FunctionConfig::new().stale_while_revalidate(Duration::from_secs(60));
    configure_function("each.windows", windows).unwrap();
    each_keeping(|world| {
        RAN.take();
        let first = numbers(&[1, 2]);
        world.advance(Duration::from_secs(11));
        assert_ne!(numbers(&[1, 2]), first, "this call computes it anew");
        assert_eq!(RAN.take(), [[1, 2], [1, 2]]);
    });
}
