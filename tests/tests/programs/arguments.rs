//! Every shape of argument.
#![deny(warnings, missing_docs, clippy::pedantic)]

use std::borrow::Cow;
use std::collections::HashMap;

use cachekit::{delete_memoized, memoize, peek, refresh, stats, uncached};

#[memoize(timeout = 50)]
fn text(user: &str, role: &str) -> bool {
    user.len() > role.len()
}

#[memoize]
fn slices(ids: &[u32], first: Option<&str>, owned: Vec<String>, cow: Cow<'_, str>) -> usize {
    let moved = owned;
    ids.len() + first.map_or(0, str::len) + moved.len() + cow.len()
}

#[memoize(debug(more))]
fn opaque(name: impl AsRef<str> + cachekit::CacheKey, more: &impl std::fmt::Debug) -> String {
    format!("{}{more:?}", name.as_ref())
}

#[memoize]
fn patterns((a, b): (u8, u8), _: u16, mut c: u32, [d, ..]: [u8; 3]) -> u32 {
    c += u32::from(a) + u32::from(b) + u32::from(d);
    c
}

#[memoize(key = (a, *b), unless = *a > 200, stale_if = |value| *value == u16::from(*a), cache_if = |value| *value != u16::from(*b))]
fn pattern_options((a, mut b): (u8, u8)) -> u16 {
    b += 1;
    u16::from(a) + u16::from(b)
}

#[memoize]
#[expect(clippy::too_many_arguments, clippy::many_single_char_names)]
fn many(
    a: u8,
    b: u8,
    c: u8,
    d: u8,
    e: u8,
    f: u8,
    g: u8,
    h: u8,
    i: u8,
    j: u8,
    k: u8,
    l: u8,
    m: u8,
    n: u8,
) -> u64 {
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n].into_iter().map(u64::from).sum()
}

#[memoize(timeout = u64::from(timeout), unless = key == 0)]
fn named_like_options(key: u8, timeout: u8, op: u8, parts: u8, value: u8) -> u8 {
    key + timeout + op + parts + value
}

#[memoize]
fn r#type(r#match: u8) -> u8 {
    r#match
}

#[memoize]
fn floats(x: f64, y: Option<f64>) -> f64 {
    x + y.unwrap_or_default()
}

#[memoize(ignore(connection, _trace))]
fn ignored(id: u64, connection: &std::cell::Cell<u8>, _trace: u8) -> u64 {
    connection.set(1);
    id
}

#[memoize(key = format!("{name}:{}", counts.len()))]
#[allow(clippy::implicit_hasher)]
fn keyed(name: &str, counts: &HashMap<String, f32>) -> usize {
    name.len() + counts.len()
}

#[derive(Hash)]
struct OnlyHash(u8);

#[derive(Debug)]
struct OnlyDebug(u8);

#[memoize(hash(a), debug(b))]
fn by_trait(a: &OnlyHash, b: &OnlyDebug) -> u8 {
    a.0 + b.0
}

#[memoize]
fn unit(_a: u8) {}

#[memoize]
fn callback(f: fn(&mut u8) -> &u8, x: u8) -> u8 {
    let mut y = x;
    *f(&mut y)
}

#[memoize]
fn fallible(text: &str) -> Result<u32, std::num::ParseIntError> {
    let number: u32 = text.parse()?;
    if number == 0 {
        return Ok(1);
    }
    Ok(number)
}

#[test]
fn runs() {
    assert!(!text("a", "b"));
    let name = String::from("a");
    delete_memoized!(text, &name, "b").expect("deleted");
    delete_memoized!(text).expect("deleted");
    assert_eq!(peek!(text, "a", "b").ok(), Some(None));
    assert!(!refresh!(text, "a", "b"));
    assert_eq!(peek!(text, "a", "b").ok(), Some(Some(false)));
    assert!(!uncached!(text, "a", &name));
    let _ = stats!(text).hits;

    assert_eq!(slices(&[1], Some("x"), vec![], Cow::Borrowed("y")), 3);
    delete_memoized!(slices, &[1], None, vec![], "".into()).expect("deleted");
    assert_eq!(opaque("a", &1), "a1");
    delete_memoized!(opaque, "a", &1).expect("deleted");
    assert_eq!(patterns((1, 2), 3, 4, [5, 6, 7]), 12);
    assert_eq!(patterns((1, 2), 3, 4, [5, 6, 7]), 12);
    delete_memoized!(patterns, (1, 2), 3, 4, [5, 6, 7]).expect("deleted");
    assert_eq!(pattern_options((1, 2)), 4);
    assert_eq!(many(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14), 105);
    assert_eq!(named_like_options(1, 2, 3, 4, 5), 15);
    assert_eq!(r#type(3), 3);
    delete_memoized!(r#type, 3).expect("deleted");
    assert!(floats(1.0, None) > 0.5);
    assert_eq!(ignored(1, &std::cell::Cell::new(0), 0), 1);
    assert_eq!(keyed("x", &HashMap::new()), 1);
    assert_eq!(by_trait(&OnlyHash(1), &OnlyDebug(2)), 3);
    unit(1);
    assert_eq!(callback(|x| x, 1), 1);
    assert_eq!(fallible("0"), Ok(1));
    assert!(fallible("x").is_err());
    assert_eq!(peek!(fallible, "0").ok(), Some(Some(Ok(1))));
}
