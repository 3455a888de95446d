//! Type parameters, constants, lifetimes and `where`.
#![deny(warnings, missing_docs, clippy::pedantic)]

use std::fmt::Debug;
use std::str::FromStr;

use cachekit::{CacheKey, delete_memoized, memoize, peek, uncached};
use serde::{Serialize, de::DeserializeOwned};

#[memoize]
fn parse<T>(text: &str) -> Option<T>
where
    T: FromStr + Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    text.parse().ok()
}

#[memoize]
fn size<T>() -> usize {
    std::mem::size_of::<T>()
}

#[memoize]
fn array<const N: usize>(items: [u8; N]) -> usize {
    items.len()
}

#[memoize]
fn longest<'a, 'b: 'a>(a: &'a str, b: &'b str) -> usize {
    a.len().max(b.len())
}

struct View<'a> {
    text: &'a str,
}

impl<'a> View<'a> {
    #[memoize(key = self.text)]
    fn width(&self) -> usize {
        self.text.len()
    }

    #[memoize(key = self.text)]
    fn with(&self, other: &'a str) -> usize {
        self.text.len() + other.len()
    }
}

#[memoize]
fn unsized_part<T: ?Sized + CacheKey + AsRef<str>>(text: &T) -> usize {
    text.as_ref().len()
}

#[memoize(debug)]
fn debug<T: Debug>(value: T) -> String {
    format!("{value:?}")
}

#[derive(CacheKey)]
struct Pair<T, const N: usize>(T, [T; 0], #[cache_key(skip)] std::marker::PhantomData<[u8; N]>);

#[derive(CacheKey, Clone)]
enum Shape<'a> {
    Empty,
    Circle(f64),
    Named {
        name: &'a str,
        #[cache_key(skip)]
        seen: Option<std::time::Instant>,
    },
    r#Raw(Option<Box<Shape<'a>>>),
}

#[derive(CacheKey)]
enum Never {}

#[derive(CacheKey)]
struct Unit;

#[memoize]
fn derived(a: &Pair<u8, 2>, b: Shape<'_>, c: Option<&Never>, d: &Unit) -> usize {
    let _ = (c.is_some(), d);
    let of_shape = match b {
        Shape::Empty => 0,
        Shape::Circle(_) => 1,
        Shape::Named { name, seen } => name.len() + usize::from(seen.is_some()),
        Shape::Raw(inner) => usize::from(inner.is_some()),
    };
    of_shape + usize::from(a.0) + a.1.len()
}

#[test]
fn runs() {
    assert_eq!(parse::<u8>("5"), Some(5));
    assert_eq!(parse::<u16>("5"), Some(5));
    delete_memoized!(parse::<u8>, "5").expect("deleted");
    assert_eq!(peek!(parse::<u8>, "5").ok(), Some(None));
    assert_eq!(peek!(parse::<u16>, "5").ok(), Some(Some(Some(5))));
    delete_memoized!(parse).expect("deleted");
    assert_eq!((size::<u8>(), size::<u16>()), (1, 2));
    assert_eq!(uncached!(size::<u32>), 4);
    assert_eq!(array([1, 2]), 2);
    assert_eq!(longest("a", "bc"), 2);
    let text = String::from("view");
    assert_eq!(View { text: &text }.width(), 4);
    assert_eq!(View { text: &text }.with(&text), 8);
    assert_eq!(unsized_part("ab"), 2);
    assert_eq!(debug(1), "1");
    for shape in [
        Shape::Empty,
        Shape::Circle(1.0),
        Shape::Named { name: "n", seen: None },
        Shape::Raw(Some(Box::new(Shape::Empty))),
    ] {
        derived(&Pair(1, [], std::marker::PhantomData), shape, None, &Unit);
    }
}
