//! Promise 1: two arguments are one key only if the body can't tell them apart, and two types only if they are one type.

use std::any::type_name;
use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cachekit::{CacheKey, delete_memoized, memoize, peek};
use cachekit_tests::{Calls, Child, Mem, World, everywhere, role, say};
use parking_lot::Mutex;
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
struct Row {
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
    fn process(&self) -> u32 {
        std::process::id()
    }
}

fn row(id: u32, text: &str) -> Row {
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
                // What has something better goes in by that: the texts of `-0.0` and `0.0` are as good, but not these.
                for (text, n) in [("a", 0.0), ("b", 0.0), ("a", f64::MIN_POSITIVE)] {
                    assert_eq!(any(&options, &row(1, text), n), format!("{depth} {text} {n}"));
                }
            }
        }
        assert_eq!(cachekit::stats!(any).misses, 6);
    });
}

/// Two types of one name.
macro_rules! twins {
    ($call:ident) => {
        (
            {
                #[derive(Clone, Copy)]
                struct Twin;
                impl Named for Twin {
                    const NAME: &'static str = "first";
                }
                $call(Twin)
            },
            {
                #[derive(Clone, Copy)]
                struct Twin;
                impl Named for Twin {
                    const NAME: &'static str = "second";
                }
                $call(Twin)
            },
        )
    };
}

trait Named {
    const NAME: &'static str;
}

#[memoize]
fn name_of<T: Named>() -> (String, String) {
    (T::NAME.into(), type_name::<T>().into())
}

fn call_free<T: Named>(_: T) -> (String, String) {
    name_of::<T>()
}

#[test]
fn types_of_one_name_are_two_instantiations() {
    struct Generic<T>(T);
    impl<T: Named> Generic<T> {
        #[memoize(in_impl, name = "identity.generic.of")]
        fn of() -> String {
            T::NAME.into()
        }
        #[memoize(name = "identity.generic.method", hash(self))]
        fn method(&self) -> String {
            let _ = &self.0;
            T::NAME.into()
        }
    }
    impl<T> Hash for Generic<T> {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }
    #[memoize(ignore(value))]
    fn opaque<T: Named>(value: T) -> String {
        let _ = value;
        T::NAME.into()
    }
    #[memoize(key = 1)]
    fn with_key(value: &impl Named) -> String {
        fn name<T: Named>(_: &T) -> &'static str {
            T::NAME
        }
        name(value).into()
    }
    #[memoize(ignore(value))]
    fn anonymous(value: Option<impl Named + Copy>) -> String {
        fn name<T: Named>(_: &Option<T>) -> &'static str {
            T::NAME
        }
        name(&value).into()
    }
    fn call_of<T: Named>(_: T) -> String {
        Generic::<T>::of()
    }
    fn call_method<T: Named>(value: T) -> String {
        Generic(value).method()
    }
    fn call_opaque<T: Named>(value: T) -> String {
        opaque(value)
    }
    fn call_anonymous<T: Named + Copy>(value: T) -> String {
        anonymous(Some(value))
    }
    fn call_with_key<T: Named>(value: T) -> String {
        with_key(&value)
    }
    let both = ("first".to_string(), "second".to_string());
    let ((one, one_type), (two, two_type)) = twins!(call_free);
    assert_eq!((one, two), both);
    assert_eq!(one_type, two_type, "the case proves nothing");
    everywhere(|_| {
        for _ in 0..2 {
            let (one, two) = twins!(call_free);
            assert_eq!((one.0, two.0), both);
            assert_eq!(twins!(call_of), both);
            assert_eq!(twins!(call_method), both);
            assert_eq!(twins!(call_opaque), both);
            assert_eq!(twins!(call_anonymous), both);
            assert_eq!(twins!(call_with_key), both);
        }
    });
}

#[test]
fn an_instance_is_told_by_its_type_too() {
    static CALLS: Calls = Calls::new();
    #[derive(CacheKey)]
    struct Id<T> {
        id: u32,
        #[cache_key(skip)]
        #[allow(dead_code)]
        of: T,
    }
    impl<T> Id<T> {
        #[memoize(name = "identity.id.get", hash(self))]
        fn get(&self) -> u32 {
            CALLS.hit();
            self.id
        }
    }
    impl<T> Hash for Id<T> {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.id.hash(state);
        }
    }
    everywhere(|_| {
        let (one, two) = (Id { id: 1, of: 0u8 }, Id { id: 1, of: "" });
        (one.get(), two.get());
        CALLS.take();
        delete_memoized!(one.get).unwrap();
        two.get();
        assert_eq!(CALLS.take(), 0, "the deletion of one instance deleted another");
        one.get();
        assert_eq!(CALLS.take(), 1);
    });
}

#[memoize(ignore(f))]
fn apply<F: Fn(u64) -> u64>(f: F, x: u64) -> u64 {
    f(x)
}

#[memoize(ignore(f))]
fn apply_any(f: impl Fn(u64) -> u64, x: u64) -> u64 {
    f(x)
}

fn none_of(world: &World, function: &str) {
    for key in world.mem.iter().flat_map(|mem| mem.keys()) {
        assert!(!key.contains(function), "{key} left the process");
    }
}

#[test]
fn calls_with_closures_stay_in_the_process() {
    everywhere(|world| {
        for _ in 0..2 {
            assert_eq!((apply(|n| n + 1, 5), apply(|n| n * 2, 5)), (6, 10));
            assert_eq!((apply_any(|n| n + 1, 5), apply_any(|n| n * 2, 5)), (6, 10));
        }
        none_of(world, "apply");
        let stats = cachekit::stats!(apply);
        assert_eq!((stats.misses, stats.hits), (2, 2), "they are kept there");
    });
}

fn plus(n: u32) -> u32 {
    n + 1
}

fn twice(n: u32) -> u32 {
    n * 2
}

#[memoize]
fn call(f: fn(u32) -> u32, x: u32) -> u32 {
    f(x)
}

#[memoize]
fn call_one_of(of: &[Option<(fn(&str) -> usize, u8)>]) -> usize {
    of.iter().flatten().map(|(f, _)| f("abc")).sum()
}

#[memoize]
fn address(of: *const u8) -> usize {
    of.addr()
}

#[test]
fn calls_with_pointers_stay_in_the_process() {
    fn length(text: &str) -> usize {
        text.len()
    }
    fn bytes(text: &str) -> usize {
        text.len() + 100
    }
    everywhere(|world| {
        let place = 7u8;
        for _ in 0..2 {
            assert_eq!((call(plus, 5), call(twice, 5)), (6, 10));
            assert_eq!((call_one_of(&[Some((length, 0))]), call_one_of(&[Some((bytes, 0))])), (3, 103));
            assert_eq!(address(&raw const place), (&raw const place).addr());
        }
        none_of(world, "call");
        none_of(world, "address");
        let stats = cachekit::stats!(call);
        assert_eq!((stats.misses, stats.hits), (2, 2));
        delete_memoized!(call, plus, 5).unwrap();
        assert_eq!(peek!(call, plus, 5).unwrap(), None);
        assert_eq!(peek!(call, twice, 5).unwrap(), Some(10));
        delete_memoized!(call).unwrap();
        assert_eq!(peek!(call, twice, 5).unwrap(), None);
    });
}

#[test]
fn an_instance_that_hides_a_pointer_in_plain_sight_stays_too() {
    #[derive(Debug, Hash)]
    struct Button<F>(F);
    impl<F: Hash + Debug + Fn(u32) -> u32> Button<F> {
        #[memoize]
        fn press(&self, x: u32) -> u32 {
            (self.0)(x)
        }
    }
    everywhere(|world| {
        let (one, two) = (Button(plus as fn(u32) -> u32), Button(twice as fn(u32) -> u32));
        for _ in 0..2 {
            assert_eq!((one.press(5), two.press(5)), (6, 10));
        }
        delete_memoized!(one.press).unwrap();
        assert_eq!(peek!(one.press, 5).unwrap(), None);
        assert_eq!(peek!(two.press, 5).unwrap(), Some(10));
        none_of(world, "press");
    });
}

/// What is logged by this thread while it does something.
fn logged(work: impl FnOnce()) -> Vec<String> {
    struct Log(Arc<Mutex<Vec<String>>>);
    struct Message<'a>(&'a mut String);
    impl tracing::field::Visit for Message<'_> {
        fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
            if field.name() == "message" {
                *self.0 = format!("{value:?}");
            }
        }
    }
    impl tracing::Subscriber for Log {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            metadata.target() == "cachekit"
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            let mut text = String::new();
            event.record(&mut Message(&mut text));
            self.0.lock().push(text);
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }
    let lines = Arc::new(Mutex::new(Vec::new()));
    tracing::subscriber::with_default(Log(Arc::clone(&lines)), work);
    std::mem::take(&mut *lines.lock())
}

#[test]
fn that_a_call_stays_is_said_once_a_function() {
    #[memoize]
    fn said(f: fn(u32) -> u32, x: u32) -> u32 {
        f(x)
    }
    let world = World::full_over(&Mem::new(), |config| config);
    let _entered = world.enter();
    let lines = logged(|| {
        for x in 0..3 {
            (said(plus, x), said(twice, x));
        }
    });
    let about: Vec<_> = lines.iter().filter(|line| line.contains("::said`")).collect();
    assert_eq!(about.len(), 1, "{lines:?}");
    assert!(about[0].contains("is kept in this process"), "{about:?}");
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
        (first(&Advised(1)), first(&Advised(2)), second(Advised(1), [0; 2]));
    });
    let about: Vec<_> = lines.iter().filter(|line| line.contains("Advised`")).collect();
    assert_eq!(about.len(), 1, "{lines:?}");
    assert!(about[0].contains("deriving `cachekit::CacheKey`"), "{about:?}");
}

#[test]
fn types_are_one_in_every_process_of_a_build() {
    struct Local;
    impl Named for Local {
        const NAME: &'static str = "local";
    }
    #[memoize]
    fn of<T: Named>(row: &Row) -> (u32, String) {
        let _ = row;
        (std::process::id(), T::NAME.into())
    }
    let all = || format!("{:?} {}", of::<Local>(&row(1, "a")), row(1, "a").process());
    if role().is_some() {
        let world = World::in_dir(std::env::var("DIR").unwrap().as_ref(), |config| config);
        let _entered = world.enter();
        say(&all());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let world = World::in_dir(dir.path(), |config| config);
    let _entered = world.enter();
    let mine = all();
    let mut child = Child::start(
        "identity::types_are_one_in_every_process_of_a_build",
        "reader",
        &[("DIR", dir.path().to_str().unwrap())],
    );
    assert_eq!(child.hear(), mine, "the child found what this process stored");
    child.finish();
}
