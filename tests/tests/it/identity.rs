//! Promise 1: two arguments are one key only if the body can't tell them apart.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use cachekit::{CacheKey, delete_memoized, memoize, peek};
use cachekit_tests::{Calls, World, everywhere, logged};
use serde::Serialize;

#[test]
fn paths_go_in_by_their_bytes() {
    #[memoize]
    fn text(path: &Path) -> String {
        path.display().to_string()
    }
    #[memoize]
    fn owned(path: PathBuf, more: Option<PathBuf>) -> String {
        format!("{} {more:?}", path.display())
    }
    everywhere(|_| {
        for _ in 0..2 {
            for path in ["a/b", "a//b", "a//b/", "a/./b", "./a/b", "lnk", "lnk/"] {
                assert_eq!(text(Path::new(path)), path);
                assert_eq!(owned(path.into(), Some(path.into())), format!("{path} Some({path:?})"));
            }
        }
        assert_eq!(cachekit::stats!(text).misses, 7);
    });
}

#[test]
fn a_hash_that_is_coarser_than_the_value_has_its_form_beside_it() {
    // The `Hash` of a path leaves out what its bytes show, and `Eq` too.
    #[derive(Debug, Hash, PartialEq, Eq)]
    struct Job {
        dir: PathBuf,
    }
    #[derive(Hash, PartialEq, Eq, Serialize)]
    struct Stored {
        dir: PathBuf,
    }
    #[memoize]
    fn by_debug(job: &Job) -> String {
        job.dir.display().to_string()
    }
    #[memoize]
    fn by_serialize(job: &Stored) -> String {
        job.dir.display().to_string()
    }
    everywhere(|_| {
        for _ in 0..2 {
            for dir in ["/etc", "/etc/", "//etc", "etc", "/./etc"] {
                assert_eq!(by_debug(&Job { dir: dir.into() }), dir);
                assert_eq!(by_serialize(&Stored { dir: dir.into() }), dir);
            }
        }
        let stats = (cachekit::stats!(by_debug), cachekit::stats!(by_serialize));
        assert_eq!((stats.0.misses, stats.0.hits, stats.1.misses, stats.1.hits), (5, 5, 5, 5));
        // Two values that `==` merges are two calls, each deleted by itself.
        let (one, two) = (Job { dir: "/etc".into() }, Job { dir: "/etc/".into() });
        assert_eq!(one, two);
        delete_memoized!(by_debug, &one).unwrap();
        assert_eq!(peek!(by_debug, &one).unwrap(), None);
        assert_eq!(peek!(by_debug, &two).unwrap(), Some("/etc/".into()));
    });
}

/// Hashes its `id` only, as Rust allows; `==` compares all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    id: u32,
    text: String,
}

impl Hash for Row {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl Row {
    #[memoize]
    fn text(&self) -> String {
        self.text.clone()
    }

    #[memoize]
    pub(crate) fn process(&self) -> u32 {
        std::process::id()
    }
}

pub(crate) fn row(id: u32, text: &str) -> Row {
    Row { id, text: text.into() }
}

#[test]
fn a_hash_that_drops_fields_is_not_all_of_a_key() {
    #[memoize]
    fn read(row: &Row) -> String {
        row.text.clone()
    }
    #[memoize]
    fn generic<T: Hash + Debug + AsRow>(row: T, _more: u8) -> String {
        row.row().text.clone()
    }
    trait AsRow {
        fn row(&self) -> &Row;
    }
    impl AsRow for Row {
        fn row(&self) -> &Row {
            self
        }
    }
    everywhere(|_| {
        for _ in 0..2 {
            for text in ["a", "b", "ab"] {
                assert_eq!(read(&row(1, text)), text);
                assert_eq!(generic(row(1, text), 0), text);
                assert_eq!(row(1, text).text(), text);
            }
        }
        assert_eq!(cachekit::stats!(read).misses, 3);
        let (one, two) = (row(1, "a"), row(1, "b"));
        delete_memoized!(one.text).unwrap();
        assert_eq!(peek!(one.text).unwrap(), None);
        assert_eq!(peek!(two.text).unwrap(), Some("b".into()), "another instance");
    });
}

#[test]
fn a_form_with_a_map_has_no_order() {
    static CALLS: Calls = Calls::new();
    #[derive(Serialize)]
    struct Query {
        name: &'static str,
        filters: HashMap<u32, Option<String>>,
    }
    impl Hash for Query {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.name.hash(state);
        }
    }
    #[memoize]
    fn run(query: &Query) -> usize {
        CALLS.hit();
        query.filters.len()
    }
    let query = |numbers: &mut dyn Iterator<Item = u32>| Query {
        name: "q",
        filters: numbers.map(|n| (n, (n % 2 == 0).then(|| n.to_string()))).collect(),
    };
    everywhere(|_| {
        CALLS.take();
        assert_eq!((run(&query(&mut (0..50))), run(&query(&mut (0..50).rev()))), (50, 50));
        assert_eq!(CALLS.take(), 1);
        run(&query(&mut (1..51)));
        assert_eq!(CALLS.take(), 1);
    });
}

#[test]
fn a_masked_debug_is_not_all_of_a_key_either() {
    #[derive(Hash)]
    struct Token(&'static str);
    impl Debug for Token {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("[secret]")
        }
    }
    #[memoize]
    fn account(token: &Token) -> String {
        token.0.into()
    }
    everywhere(|_| {
        for _ in 0..2 {
            assert_eq!((account(&Token("ann")), account(&Token("bob"))), ("ann".into(), "bob".into()));
        }
    });
}

/// As some crates' types, it hashes its bytes by `write`, and says nothing about where they end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Uri(&'static str);

impl Hash for Uri {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0.as_bytes());
    }
}

impl CacheKey for Uri {
    fn cache_key<W: cachekit::KeyWriter>(&self, writer: &mut W) {
        writer.write(self.0.as_bytes());
    }
}

#[test]
fn writes_end_where_they_end() {
    #[derive(Debug, Hash)]
    struct Hashed(Uri);
    #[memoize]
    fn pair(a: &Uri, b: &Uri) -> String {
        format!("{} {}", a.0, b.0)
    }
    #[memoize]
    fn hashed(a: &Hashed, b: &Hashed) -> String {
        format!("{} {}", a.0.0, b.0.0)
    }
    #[memoize(hash(a, b))]
    fn by_hash(a: &Uri, b: &Uri) -> String {
        format!("{} {}", a.0, b.0)
    }
    everywhere(|_| {
        for _ in 0..2 {
            for (a, b) in [("/a", "/b/c"), ("/a/b", "/c"), ("", "/a/b/c"), ("/a/b/c", "")] {
                let (a, b) = (Uri(a), Uri(b));
                let both = format!("{} {}", a.0, b.0);
                assert_eq!((pair(&a, &b), by_hash(&a, &b)), (both.clone(), both.clone()));
                assert_eq!(hashed(&Hashed(a), &Hashed(b)), both);
            }
        }
        assert_eq!(cachekit::stats!(pair).misses, 4);
    });
}

#[test]
fn hash_says_that_a_hash_is_enough() {
    #[memoize(hash(row))]
    fn by_argument(row: &Row) -> String {
        row.text.clone()
    }
    #[derive(Hash)]
    struct Bare(u8);
    impl Bare {
        #[memoize(hash(self, other))]
        fn sum(&self, other: Bare) -> u8 {
            self.0 + other.0
        }
    }
    #[memoize(hash(value))]
    fn generic<T: Hash>(value: T) -> usize {
        let _ = value;
        size_of::<T>()
    }
    everywhere(|_| {
        assert_eq!(by_argument(&row(1, "a")), "a");
        assert_eq!(by_argument(&row(1, "b")), "a", "the attribute says that the id is enough");
        assert_eq!(by_argument(&row(2, "b")), "b");
        for _ in 0..2 {
            assert_eq!((Bare(1).sum(Bare(2)), Bare(1).sum(Bare(3))), (3, 4));
            assert_eq!((generic(Bare(1)), generic([Bare(1), Bare(2)])), (1, 2));
        }
        assert_eq!(cachekit::stats!(generic).misses, 2);
    });
}

#[test]
fn debug_lets_the_text_of_an_argument_stand_for_it() {
    #[derive(Debug)]
    struct Options {
        depth: f32,
    }
    #[memoize(debug(options))]
    fn named(options: &Options, n: u8) -> String {
        format!("{} {n}", options.depth)
    }
    #[memoize(debug)]
    fn any(options: &Options, row: &Row, n: f64) -> String {
        format!("{} {} {n}", options.depth, row.text)
    }
    #[memoize(debug, key = options)]
    fn by_key(options: &Options) -> String {
        options.depth.to_string()
    }
    impl Options {
        #[memoize(debug(self))]
        fn method(&self) -> String {
            self.depth.to_string()
        }
    }
    everywhere(|_| {
        for _ in 0..2 {
            for depth in [0.5f32, 1.5] {
                let options = Options { depth };
                assert_eq!(named(&options, 1), format!("{depth} 1"));
                assert_eq!((by_key(&options), options.method()), (depth.to_string(), depth.to_string()));
                // Types with `CacheKey` or `Hash` go in by these: the texts of `-0.0` and `0.0` are as good, but not these.
                for (text, n) in [("a", 0.0), ("b", 0.0), ("a", f64::MIN_POSITIVE)] {
                    assert_eq!(any(&options, &row(1, text), n), format!("{depth} {text} {n}"));
                }
            }
        }
        assert_eq!(cachekit::stats!(any).misses, 6);
    });
}

#[test]
#[cfg(debug_assertions)]
fn a_debug_build_says_once_a_type_that_there_is_a_faster_way() {
    #[derive(Debug, Hash)]
    struct Advised(u8);
    #[memoize]
    fn first(of: &Advised) -> u8 {
        of.0
    }
    #[memoize]
    fn second(of: Advised, _same: [u8; 2]) -> u8 {
        of.0
    }
    let world = World::simple();
    let _entered = world.enter();
    let lines = logged(|| {
        first(&Advised(1));
        first(&Advised(2));
        second(Advised(1), [0; 2]);
    });
    let about: Vec<_> = lines.iter().filter(|line| line.contains("Advised`")).collect();
    assert_eq!(about.len(), 1, "{lines:?}");
    assert!(about[0].contains("deriving `cachekit::CacheKey`"), "{about:?}");
}
