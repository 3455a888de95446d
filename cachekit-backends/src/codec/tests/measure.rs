use std::collections::{BTreeMap, HashMap};

use serde::{Serialize, Serializer, ser::Error as _};

use crate::codec::content_size;

#[derive(Serialize)]
struct Record {
    number: u64,
    texts: Vec<String>,
    lists: Vec<Vec<u32>>,
    map: BTreeMap<u16, Option<f64>>,
    kind: Kind,
}

#[derive(Serialize)]
enum Kind {
    Empty,
    One(u64),
    Pair(u8, u8),
    Named { text: &'static str },
}

#[test]
fn what_a_value_owns_is_counted_and_nothing_is_written() {
    assert_eq!((content_size(&7u8), content_size(&7u128), content_size("four")), (1, 16, 28));
    let record = Record {
        number: 1,
        texts: vec!["a".repeat(100), String::new()],
        lists: vec![vec![1; 10], vec![2; 1000]],
        map: BTreeMap::from([(1, Some(0.5)), (2, None)]),
        kind: Kind::Named { text: "abc" },
    };
    let texts = 24 + (24 + 100) + 24;
    let lists = 24 + (24 + 40) + (24 + 4000);
    let map = 24 + (2 + 8) + (2 + 8);
    assert_eq!(content_size(&record), 8 + texts + lists + map + (8 + 24 + 3));
    let kinds = [Kind::Empty, Kind::One(1), Kind::Pair(1, 2)].map(|kind| content_size(&kind));
    assert_eq!(kinds, [8, 16, 10]);
}

#[derive(Serialize)]
struct Link(Option<Box<Link>>, u64);

#[test]
fn a_value_that_fails_counts_up_to_there() {
    struct Fails;
    impl Serialize for Fails {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("no"))
        }
    }
    assert_eq!(content_size(&("x".repeat(1000), Fails, "y".repeat(1000))), 1024);

    let deep = (0..100_000).fold(Link(None, 0), |next, n| Link(Some(Box::new(next)), n));
    assert_eq!(content_size(&deep), 0, "the limit of levels is met before the first number");
    // Its own drop would be as deep.
    std::mem::forget(deep);
}

#[test]
fn it_is_about_the_memory_of_common_types() {
    // Encoded, small numbers take a byte.
    let lists: Vec<Vec<u64>> = vec![vec![1; 1000]; 10];
    assert_eq!(content_size(&lists), 24 + 10 * (24 + 8000));
    let map: HashMap<u64, u64> = (0..1000).map(|n| (n, n)).collect();
    assert_eq!(content_size(&map), 24 + 16_000);
}
