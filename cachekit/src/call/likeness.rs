//! How a decoded value is compared with the stored one: by `PartialEq` where the type has it, else by what it shows: its
//! encoding, and its `Debug` text.
//!
//! The encoding and the text may have an order that means nothing, as that of a hash set. Such an order is another one each time that
//! the value is decoded; an order that is always the same is that of a list, and counts.

use std::fmt::{self, Debug, Write as _};
use std::hash::{DefaultHasher, Hash, Hasher as _};

use cachekit_backends::{EncodingDigest, encode, encoding_digest};
use serde::Serialize;

/// How often a value is decoded, at most, until an order shows that it means nothing. A set of two elements that are in any
/// order passes for a list once in two thousand million times.
const TRIES: usize = 32;
/// The most bytes of a `Debug` text that are compared.
const LONGEST: usize = 64 * 1024;

/// How a decoded value is compared with the stored one.
pub(crate) trait Comparison<T> {
    /// Whether they are equal. `again` decodes the value once more.
    fn same(stored: &T, decoded: &T, again: &mut dyn FnMut() -> Option<T>) -> bool;
}

/// Compares the encodings, with the entries of maps, and whatever has no order, in any order.
#[derive(Debug)]
pub(crate) struct ByEncoding(());

/// Compares the encodings and the `Debug` texts. An encoding alone doesn't show a field that is skipped, or a number that is
/// rounded.
#[derive(Debug)]
pub(crate) struct ByText(());

/// Compares by `PartialEq`; a value that is not equal to itself, such as NaN, by its encoding.
#[derive(Debug)]
pub(crate) struct ByEq(());

impl<T: Serialize> Comparison<T> for ByEncoding {
    fn same(stored: &T, decoded: &T, again: &mut dyn FnMut() -> Option<T>) -> bool {
        let encoding = |value: &T| {
            let mut bytes = Vec::new();
            encode(value, &mut bytes).ok().map(|()| bytes)
        };
        let (Some(stored), Some(decoded)) = (encoding(stored), encoding(decoded)) else { return false };
        likeness(&stored, &decoded, shown_by_encoding, || encoding(&again()?)) == Likeness::Same
    }
}

impl<T: Serialize + Debug> Comparison<T> for ByText {
    fn same(stored: &T, decoded: &T, again: &mut dyn FnMut() -> Option<T>) -> bool {
        if !ByEncoding::same(stored, decoded, again) {
            return false;
        }
        // A text that is too long, or another one each time (it shows an address), tells nothing.
        let (Some(stored), Some(decoded)) = (text(stored), text(decoded)) else { return true };
        likeness(&stored, &decoded, shown_by_text, || text(&again()?)) != Likeness::Other
    }
}

impl<T: Serialize + PartialEq> Comparison<T> for ByEq {
    #[expect(clippy::eq_op, reason = "a value with NaN is not equal to itself")]
    fn same(stored: &T, decoded: &T, again: &mut dyn FnMut() -> Option<T>) -> bool {
        if stored == stored { stored == decoded } else { ByEncoding::same(stored, decoded, again) }
    }
}

/// Compares by `PartialEq`; a value that is not equal to itself by its encoding and its `Debug` text.
#[derive(Debug)]
pub(crate) struct ByEqOrText(());

impl<T: Serialize + PartialEq + Debug> Comparison<T> for ByEqOrText {
    #[expect(clippy::eq_op, reason = "a value with NaN is not equal to itself")]
    fn same(stored: &T, decoded: &T, again: &mut dyn FnMut() -> Option<T>) -> bool {
        if stored == stored { stored == decoded } else { ByText::same(stored, decoded, again) }
    }
}

/// Digests of a value's encoding or text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    ordered: u128,
    /// Without any order.
    unordered: u128,
}

#[derive(Debug, PartialEq, Eq)]
enum Likeness {
    Same,
    Other,
    /// It shows another thing each time that it is decoded.
    Unknown,
}

/// Compares the encodings or texts of a stored and a decoded value. `again` decodes once more.
fn likeness(
    stored: &[u8],
    first: &[u8],
    shown: impl Fn(&[u8]) -> Option<Shown>,
    mut again: impl FnMut() -> Option<Vec<u8>>,
) -> Likeness {
    // Nearly always so, and digests of many small parts take long in a debug build.
    if first == stored {
        return Likeness::Same;
    }
    let (Some(stored), Some(first)) = (shown(stored), shown(first)) else { return Likeness::Unknown };
    likeness_of_digests(stored, first, || shown(&again()?))
}

/// Compares what a stored and a decoded value show. `again` decodes once more.
fn likeness_of_digests(stored: Shown, first: Shown, mut again: impl FnMut() -> Option<Shown>) -> Likeness {
    if first == stored {
        return Likeness::Same;
    }
    for _ in 1..TRIES {
        let Some(next) = again() else { return Likeness::Unknown };
        match next {
            next if next == stored => return Likeness::Same,
            next if next.unordered != first.unordered => return Likeness::Unknown,
            _ if first.unordered != stored.unordered => return Likeness::Other,
            next if next.ordered != first.ordered => return Likeness::Same,
            _ => {}
        }
    }
    Likeness::Other
}

/// Returns the digests of an encoding.
fn shown_by_encoding(bytes: &[u8]) -> Option<Shown> {
    let EncodingDigest { ordered, unordered } = encoding_digest(bytes).ok()?;
    Some(Shown { ordered, unordered })
}

/// Returns the digests of a text: of its bytes, and of how often each byte occurs, in which no order counts.
#[expect(clippy::unnecessary_wraps, reason = "an encoding may show nothing")]
fn shown_by_text(text: &[u8]) -> Option<Shown> {
    let mut counts = [0u32; 256];
    for &byte in text {
        counts[usize::from(byte)] += 1;
    }
    Some(Shown { ordered: hash(text), unordered: hash(&counts) })
}

fn hash<T: Hash + ?Sized>(value: &T) -> u128 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish().into()
}

/// The `Debug` text of a value, unless it is too long.
fn text<T: Debug>(value: &T) -> Option<Vec<u8>> {
    /// The bytes that have been written.
    struct Text(Vec<u8>);
    impl fmt::Write for Text {
        fn write_str(&mut self, piece: &str) -> fmt::Result {
            if self.0.len() + piece.len() > LONGEST {
                return Err(fmt::Error);
            }
            self.0.extend_from_slice(piece.as_bytes());
            Ok(())
        }
    }
    let mut text = Text(Vec::new());
    write!(text, "{value:?}").ok().map(|()| text.0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicU64, Ordering};

    use serde::Serialize;

    use super::{ByEncoding, ByEq, ByText, Comparison, LONGEST, Likeness, Shown, likeness_of_digests};

    fn same<C: Comparison<T>, T>(stored: &T, decode: impl Fn() -> T) -> bool {
        C::same(stored, &decode(), &mut || Some(decode()))
    }

    #[test]
    fn nan_is_compared_by_its_bits() {
        assert!(same::<ByEq, _>(&[1.0, f64::NAN], || [1.0, f64::NAN]));
        assert!(!same::<ByEq, _>(&[1.0, f64::NAN], || [2.0, f64::NAN]));
        assert!(!same::<ByEncoding, _>(&1, || 2));
    }

    #[test]
    fn an_order_counts_that_is_the_same_each_time() {
        let set = || HashSet::<u32>::from([1, 2]);
        for _ in 0..100 {
            assert!(same::<ByEncoding, _>(&set(), set));
            assert!(same::<ByText, _>(&set(), set));
        }
        assert!(!same::<ByEncoding, _>(&vec![1, 2], || vec![2, 1]));
        assert!(!same::<ByEncoding, _>(&set(), || HashSet::from([1, 3])));
    }

    /// With a field that is not encoded.
    #[derive(Debug, Serialize)]
    struct Hides {
        #[serde(skip)]
        #[expect(dead_code, reason = "read by `Debug`")]
        hidden: String,
    }

    fn hides(hidden: impl Into<String>) -> Hides {
        Hides { hidden: hidden.into() }
    }

    /// Its text is another one each time, as that of an address.
    #[derive(Serialize)]
    struct Numbered;

    impl std::fmt::Debug for Numbered {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            static COUNT: AtomicU64 = AtomicU64::new(0);
            write!(f, "{}", COUNT.fetch_add(1, Ordering::Relaxed))
        }
    }

    #[test]
    fn a_text_shows_what_the_encoding_does_not() {
        assert!(same::<ByEncoding, _>(&hides("a"), || hides("b")));
        assert!(!same::<ByText, _>(&hides("a"), || hides("b")));
        assert!(same::<ByText, _>(&hides("a"), || hides("a")));
        assert!(same::<ByText, _>(&Numbered, || Numbered));
        let long = |first: &str| hides(first.to_string() + &"x".repeat(LONGEST));
        assert!(same::<ByText, _>(&long("a"), || long("b")), "too long to be compared");
    }

    #[test]
    fn a_value_is_decoded_only_as_often_as_it_must() {
        let shown = |ordered, unordered| Shown { ordered, unordered };
        let mut tries = 0;
        let mut times = |stored, first, next: &dyn Fn(usize) -> Shown| {
            tries = 0;
            let result = likeness_of_digests(stored, first, || {
                tries += 1;
                Some(next(tries))
            });
            (result, tries)
        };
        assert_eq!(times(shown(1, 1), shown(1, 1), &|_| unreachable!()), (Likeness::Same, 0));
        assert_eq!(times(shown(1, 1), shown(2, 2), &|_| shown(2, 2)), (Likeness::Other, 1));
        assert_eq!(times(shown(1, 1), shown(2, 1), &|_| shown(3, 1)), (Likeness::Same, 1));
        assert_eq!(times(shown(1, 1), shown(2, 1), &|_| shown(2, 1)), (Likeness::Other, 31));
        assert_eq!(times(shown(1, 1), shown(2, 2), &|_| shown(3, 3)), (Likeness::Unknown, 1));
    }
}
