//! Memoized methods: with `self`, in a generic impl, without `self`, and by a trait.
//!
//! ```text
//! cargo run -p cachekit-examples --example methods
//! ```
//!
//! `self` is an argument like any other: it is part of the key by its `CacheKey`, `Hash` or `Debug`.

use std::cell::Cell;
use std::error::Error;
use std::fmt::Debug;

use cachekit::{CacheKey, delete_memoized, delete_memoized_named, memoize};

thread_local!(static COMPUTED: Cell<u32> = const { Cell::new(0) });

fn computed() {
    COMPUTED.set(COMPUTED.get() + 1);
}

/// Runs some calls, and prints and checks how many of them computed.
fn expect(count: u32, what: &str, calls: impl FnOnce()) {
    COMPUTED.set(0);
    calls();
    println!("  {what:<58} {} computed", COMPUTED.get());
    assert_eq!(COMPUTED.get(), count, "{what}");
}

/// Two persons with the same id are the same person; when they were last seen says nothing about their roles.
#[derive(CacheKey)]
struct Person {
    id: u32,
    #[cache_key(skip)]
    last_seen: f64,
}

impl Person {
    #[memoize(timeout = 50)]
    fn has_role(&self, role: u32) -> bool {
        computed();
        self.id.is_multiple_of(role + 1)
    }

    /// Without `self` the macro can't see that it stands in an impl block; `in_impl` says so.
    #[memoize(in_impl, timeout = 50)]
    fn count(department: &str) -> usize {
        computed();
        department.len()
    }
}

/// The type parameter is part of the key too: `Sorted<u8>` and `Sorted<String>` share nothing.
#[derive(CacheKey)]
struct Sorted<T>(Vec<T>);

impl<T: Ord + Clone + Debug + CacheKey + 'static> Sorted<T> {
    #[memoize]
    fn text(&self) -> String {
        computed();
        let mut items = self.0.clone();
        items.sort();
        format!("{items:?}")
    }
}

trait Area {
    fn area(&self) -> f64;
}

#[derive(CacheKey)]
struct Disc(f64);

impl Area for Disc {
    // A name of its own, for `delete_memoized_named`: an impl of a trait has no room for the item that the delete macros
    // look for.
    #[memoize(name = "disc.area", timeout = 50)]
    fn area(&self) -> f64 {
        computed();
        std::f64::consts::PI * self.0 * self.0
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("With &self:");
    let (ann, bob) = (Person { id: 1, last_seen: 0.5 }, Person { id: 2, last_seen: 0.5 });
    let ask = || (ann.has_role(1), ann.has_role(2), bob.has_role(1));
    expect(3, "ann's roles 1 and 2, bob's role 1", || _ = ask());
    expect(0, "the same again", || _ = ask());
    let later = Person { id: 1, last_seen: ann.last_seen + 60.0 };
    expect(0, "ann, seen a minute later", || assert_eq!(later.has_role(1), ann.has_role(1)));
    delete_memoized!(ann.has_role, 1)?;
    expect(1, "after delete_memoized!(ann.has_role, 1)", || _ = ask());
    delete_memoized!(Person::has_role, &bob, 1)?;
    expect(1, "after delete_memoized!(Person::has_role, &bob, 1)", || _ = ask());
    delete_memoized!(ann.has_role)?;
    expect(2, "after delete_memoized!(ann.has_role): ann's alone", || _ = ask());
    delete_memoized!(Person::has_role)?;
    expect(3, "after delete_memoized!(Person::has_role): every person's", || _ = ask());

    println!("Without self:");
    expect(1, "Person::count, twice", || assert_eq!(Person::count("sales"), Person::count("sales")));
    delete_memoized!(Person::count, "sales")?;
    expect(1, "after delete_memoized!(Person::count, \"sales\")", || _ = Person::count("sales"));

    println!("In a generic impl:");
    let (bytes, words) = (Sorted(vec![3_u8, 1]), Sorted(vec!["b".to_string(), "a".to_string()]));
    let both = || (bytes.text(), words.text());
    expect(2, "Sorted<u8> and Sorted<String>", || {
        assert_eq!(both(), ("[1, 3]".into(), "[\"a\", \"b\"]".into()));
    });
    delete_memoized!(Sorted::<u8>::text)?;
    expect(1, "after delete_memoized!(Sorted::<u8>::text)", || _ = both());

    println!("Of a trait:");
    let areas = || (Disc(1.0).area(), Disc(2.0).area());
    expect(2, "Disc(1.0).area() and Disc(2.0).area()", || _ = areas());
    expect(0, "the same again", || assert!(areas().0 < areas().1));
    delete_memoized_named("disc.area")?;
    expect(2, "after delete_memoized_named(\"disc.area\")", || _ = areas());
    Ok(())
}
