//! `of`: the entries of a function for one id.

use std::collections::HashMap;
use std::time::Duration;

use cachekit::{
    CacheKey, ErrorKind, FunctionConfig, configure_function, delete_memoized, delete_memoized_named,
    functions, invalidates, memoize, peek, stats,
};
use cachekit_tests::{block_on, each_keeping, everywhere};

use super::{Ran, User};

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

mod listed {
    use super::*;

    static RAN: Ran = Ran::new();

    #[memoize(timeout = "1h")]
    fn role(id: u64) -> u64 {
        RAN.all(&[id]);
        id
    }

    #[memoize(each = ids, of = role, timeout = "1h")]
    fn roles(ids: &[u64]) -> Vec<u64> {
        RAN.all(ids);
        ids.to_vec()
    }

    #[memoize(each = ids, of = role)]
    fn never(ids: &[u64]) -> Vec<u64> {
        ids.to_vec()
    }

    struct Shop;

    impl Shop {
        #[memoize]
        fn size(id: u64) -> u64 {
            id
        }

        #[memoize(each = ids, of = Self::size)]
        fn sizes(ids: &[u64]) -> Vec<u64> {
            ids.to_vec()
        }
    }

    #[test]
    fn it_is_a_function_of_its_own_in_the_list_and_the_statistics() {
        let row = |name: &str| {
            let name = format!("{}::{name}", module_path!());
            functions().into_iter().find(|row| row.name == name).unwrap()
        };
        let uncalled = row("never");
        assert!(!uncalled.called && uncalled.options.contains("of = role"));
        assert_eq!(never(&[]), [0; 0]);
        each_keeping(|_| {
            role(1);
            roles(&[1, 2]);
            roles(&[1, 2]);
            let (one, several) = (stats!(role), stats!(roles));
            assert_eq!((one.hits, one.misses, one.stores), (0, 1, 1));
            assert_eq!((several.hits, several.misses, several.stores), (3, 1, 1));
        });
        assert_eq!((row("roles").called, row("roles").counters.hits), (true, 12));
        assert_eq!(Shop::sizes(&[1]), [1]);
        assert!(row("Shop::sizes").called);
    }
}

#[test]
fn it_has_no_entries_to_delete_by_its_name() {
    static RAN: Ran = Ran::new();
    #[memoize(timeout = "1h", name = "shared.right")]
    fn right(id: u64) -> u64 {
        RAN.all(&[id]);
        id
    }
    #[memoize(each = ids, of = right, timeout = "1h")]
    fn rights(ids: &[u64]) -> Vec<u64> {
        RAN.all(ids);
        ids.to_vec()
    }
    #[invalidates(rights(&[id]))]
    fn change(id: u64) {
        let _ = id;
    }
    let name = functions().iter().find(|row| row.name.contains("::rights#")).unwrap().name.clone();
    each_keeping(|world| {
        RAN.take();
        rights(&[7]);
        for error in [
            delete_memoized_named(&name).unwrap_err(),
            world.cache().delete_memoized_named(&name).unwrap_err(),
            block_on(world.cache().aio().delete_memoized_named(&name)).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("shares the entries of `right`"), "{error}");
        }
        delete_memoized_named("shared.right").unwrap();
        rights(&[7]);
        change(7);
        rights(&[7]);
        assert_eq!(RAN.take(), [[7], [7], [7]]);
    });
}

#[test]
fn its_name_sets_its_own_options() {
    static RAN: Ran = Ran::new();
    #[memoize(timeout = "1h", name = "shared.tag")]
    fn tag(id: u64) -> u64 {
        RAN.all(&[id]);
        RAN.user(id).at
    }
    #[memoize(each = ids, of = tag, timeout = "1h")]
    fn tags(ids: &[u64]) -> HashMap<u64, u64> {
        ids.iter().map(|id| (*id, RAN.all(&[*id])[id].at)).collect()
    }
    let name = functions().iter().find(|row| row.name.contains("::tags#")).unwrap().name.clone();
    each_keeping(|world| {
        // Before the first call: entries of the other function would be words without times.
        let windows = FunctionConfig::new().timeout(10).stale_while_revalidate(Duration::from_secs(60));
        configure_function(&name, windows).unwrap();
        RAN.take();
        let first = tags(&[1]);
        world.advance(Duration::from_secs(11));
        assert_ne!(tags(&[1]), first);
        configure_function(&name, FunctionConfig::new().enabled(false)).unwrap();
        tags(&[1]);
        tags(&[1]);
        assert_eq!(RAN.take().len(), 4);
        let one = tag(1);
        assert_eq!((tag(1), RAN.take().len()), (one, 0));
        configure_function(&name, FunctionConfig::new()).unwrap();
        configure_function("shared.tag", FunctionConfig::new().enabled(false)).unwrap();
        tags(&[1]);
        tags(&[1]);
        assert_eq!(RAN.take().len(), 2, "what has the entries is switched off");
        configure_function("shared.tag", FunctionConfig::new()).unwrap();
    });
}
