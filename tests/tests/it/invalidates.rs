//! `#[invalidates(…)]`: entries are deleted after the body, unless it fails.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};

use cachekit::{CacheKey, ErrorKind, invalidates, memoize, peek};
use cachekit_tests::{Fault, Mem, Op, World, block_on, everywhere, logged};
use parking_lot::Mutex;

static AGES: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

/// The tests change the same ages, one after another.
static TURN: Mutex<()> = Mutex::new(());

fn reset() {
    for age in &AGES {
        age.store(0, Ordering::SeqCst);
    }
}

#[memoize]
fn age(id: usize) -> u64 {
    AGES[id].load(Ordering::SeqCst)
}

#[memoize]
async fn ages(from: usize) -> Vec<u64> {
    AGES[from..3].iter().map(|age| age.load(Ordering::SeqCst)).collect()
}

#[memoize]
fn generic<T: CacheKey + Copy + Into<usize>>(id: T) -> u64 {
    AGES[id.into()].load(Ordering::SeqCst)
}

#[derive(CacheKey)]
struct Person(usize);

impl Person {
    #[memoize]
    fn older(&self, by: u64) -> u64 {
        AGES[self.0].load(Ordering::SeqCst) + by
    }
    #[memoize]
    fn of(id: usize) -> u64 {
        AGES[id].load(Ordering::SeqCst)
    }
    #[memoize]
    fn alone(&self) -> u64 {
        AGES[self.0].load(Ordering::SeqCst)
    }
    #[invalidates(self.older, Person::of(self.0), Self::alone(self))]
    fn set(&mut self, to: u64) -> &u64 {
        // The body may move the arguments.
        let this = self;
        AGES[this.0].store(to, Ordering::SeqCst);
        &7
    }
}

#[test]
fn each_form_of_an_item() {
    let _turn = TURN.lock();
    #[invalidates(age(id), ages, generic::<u8>(id.try_into().unwrap()))]
    fn set(id: usize, to: u64) {
        AGES[id].store(to, Ordering::SeqCst);
    }
    #[invalidates(Person::older(person, 1))]
    fn one(person: &Person, to: u64) {
        AGES[person.0].store(to, Ordering::SeqCst);
    }
    #[invalidates(Person::older(person))]
    fn instance(person: &Person, to: u64) {
        AGES[person.0].store(to, Ordering::SeqCst);
    }
    #[invalidates(Person::older)]
    fn method(person: &Person, to: u64) {
        AGES[person.0].store(to, Ordering::SeqCst);
    }
    everywhere(|_| {
        reset();
        let fill = || {
            let person = [Person(0), Person(1)];
            let first = [age(0), age(1), block_on(ages(0)).len() as u64, generic(0_u8), generic(1_u8)];
            let second = [
                person[0].older(1),
                person[0].older(2),
                person[1].older(1),
                Person::of(0),
                person[0].alone(),
            ];
            (first, second)
        };
        fill();
        set(0, 7);
        assert_eq!((age(0), age(1)), (7, 0));
        assert_eq!((generic(0_u8), generic(1_u8)), (7, 0));
        assert_eq!(block_on(ages(0)), [7, 0, 0]);
        let (mut zero, one_) = (Person(0), Person(1));
        assert_eq!((zero.older(1), zero.older(2), Person::of(0), zero.alone()), (1, 2, 0, 0), "not named");
        one(&zero, 10);
        assert_eq!((zero.older(1), zero.older(2)), (11, 2));
        AGES[1].store(50, Ordering::SeqCst);
        instance(&zero, 20);
        assert_eq!((zero.older(1), zero.older(2), one_.older(1)), (21, 22, 1));
        method(&zero, 30);
        assert_eq!((zero.older(1), zero.older(2), one_.older(1)), (31, 32, 51));
        AGES[1].store(60, Ordering::SeqCst);
        zero.set(40);
        assert_eq!((zero.older(1), Person::of(0), zero.alone(), one_.older(1)), (41, 40, 40, 51));
    });
}

type Ended = Result<u64, String>;

#[test]
fn an_err_and_a_panic_delete_nothing() {
    let _turn = TURN.lock();
    #[invalidates(age(id))]
    fn fails(id: usize) -> Ended {
        AGES[id].fetch_add(1, Ordering::SeqCst);
        Err("no".to_owned())?;
        Ok(1)
    }
    #[invalidates(age(id))]
    async fn fails_later(id: usize) -> Ended {
        AGES[id].fetch_add(1, Ordering::SeqCst);
        Err("no".to_owned())
    }
    #[invalidates(age(id))]
    fn panics(id: usize) {
        AGES[id].fetch_add(1, Ordering::SeqCst);
        panic!("expected");
    }
    everywhere(|_| {
        let before = age(3);
        assert_eq!(fails(3).unwrap_err(), "no");
        assert_eq!(block_on(fails_later(3)).unwrap_err(), "no");
        std::panic::catch_unwind(|| panics(3)).unwrap_err();
        assert_eq!(age(3), before);
    });
}

#[test]
fn of_async_functions_in_generic_ones_and_with_opaque_types() {
    let _turn = TURN.lock();
    #[invalidates(age(id), ages(from))]
    async fn later<T>(id: usize, from: usize, to: T) -> Option<u64>
    where
        T: Copy + Into<u64>,
    {
        let moved = to;
        AGES[id].store(moved.into(), Ordering::SeqCst);
        None?;
        Some(1)
    }
    #[invalidates(ages(0))]
    fn opaque(id: usize, to: u64) -> impl Display {
        AGES[id].store(to, Ordering::SeqCst);
        to
    }
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    everywhere(|_| {
        reset();
        assert_eq!((age(0), block_on(ages(1)), block_on(ages(0))), (0, vec![0, 0], vec![0, 0, 0]));
        assert_eq!(block_on(is_send(later(0, 1, 5_u32))), None);
        assert_eq!((age(0), block_on(ages(0))), (5, vec![0, 0, 0]));
        AGES[1].store(1, Ordering::SeqCst);
        assert_eq!(block_on(ages(1)), [1, 0]);
        assert_eq!(opaque(0, 6).to_string(), "6");
        assert_eq!(block_on(ages(0)), [6, 1, 0]);
    });
}

#[derive(Debug)]
enum Failed {
    Cache(cachekit::Error),
}
impl From<cachekit::Error> for Failed {
    fn from(error: cachekit::Error) -> Self {
        Self::Cache(error)
    }
}

/// The error of a deletion is returned where the type has room for it. All deletions run before.
#[test]
fn a_failed_deletion_is_an_err_or_is_logged_and_counted() {
    let _turn = TURN.lock();
    #[invalidates(age(0), age(1))]
    fn told() -> Result<u64, Failed> {
        Ok(7)
    }
    #[invalidates(age(0), age(1))]
    async fn told_later() -> cachekit::Result<u64> {
        Ok(7)
    }
    #[invalidates(age(0))]
    fn not_told() -> Result<u64, String> {
        Ok(7)
    }
    #[invalidates(age(0))]
    fn plain() -> u64 {
        7
    }
    let mem = Mem::new();
    let world = World::full_over(&mem, |config| config);
    let _entered = world.enter();
    age(0);
    let errors = || world.cache().stats().errors;
    mem.break_op(Op::Delete, Fault::Fail(ErrorKind::Full));
    for (failing, how) in [
        (told().map_err(|Failed::Cache(error)| error.kind()), "blocking"),
        (block_on(told_later()).map_err(|error| error.kind()), "async"),
    ] {
        assert_eq!(failing.unwrap_err(), ErrorKind::Full, "{how}");
    }
    assert_eq!(mem.take_log().iter().filter(|(op, _)| *op == Op::Delete).count(), 4, "each is tried");
    assert_eq!(errors(), 4);
    let lines = logged(|| assert_eq!((not_told().unwrap(), plain()), (7, 7)));
    assert_eq!(errors(), 6);
    // At most one a second is logged of a cause.
    assert!(lines.len() <= 1 && lines.iter().all(|line| line.contains("not deleted")), "{lines:?}");
    mem.heal();
    assert_eq!(peek!(age, 0).unwrap(), Some(AGES[0].load(Ordering::SeqCst)));
    assert_eq!(told().unwrap(), 7);
    assert_eq!(peek!(age, 0).unwrap(), None);
}
