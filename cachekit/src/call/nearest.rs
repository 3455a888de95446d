//! The entry of a function in process whose key is nearest to that of a call, for `explain!`.
//!
//! Entries have their keys' bytes or words anyway, and nothing else is kept for this. The parts of the call's own key are fed once
//! more, one by one. In another key the end of a part is known where its type is a number or a text, or where it equals the own
//! one, because no part is the beginning of another. Of any other type one part may differ, if all that follows is equal.

use std::any::type_name;

use cachekit_backends::simple::MOST_KEY_WORDS;
use cachekit_backends::{Recorder, Words, text_of_words};

use super::arguments::KeyPart;
use crate::engine::LocalTable;

/// The parts of a call's key, with their names.
pub(crate) struct Parts(Vec<Part>);

struct Part {
    name: &'static str,
    kind: Kind,
    bytes: Vec<u8>,
    /// The words that it fills in a plain table; none if it is none.
    words: Option<Vec<u64>>,
}

/// Collects the parts of a key.
#[derive(Default)]
pub struct Splitter(Vec<Part>);

impl Splitter {
    /// Adds one part.
    pub fn add<P: KeyPart + ?Sized>(&mut self, part: &P, kind: Kind) {
        let mut bytes = Vec::new();
        part.feed(&mut Recorder::new(&mut bytes));
        let words = Words::<MOST_KEY_WORDS>::list_of(|words| part.feed(words));
        self.0.push(Part { name: "", kind, bytes, words });
    }
}

/// The form of a part, as far as it can be read back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A text.
    Text,
    /// A number of so many bytes, with or without a sign.
    Integer(usize, bool),
    /// A floating-point number of so many bytes.
    Float(usize),
    /// `true` or `false`.
    Bool,
    /// A character.
    Char,
    /// A type, whose name this is.
    Type(&'static str),
    /// Anything else.
    Opaque,
}

impl Kind {
    /// The form of an argument that goes in by `CacheKey`.
    pub(super) fn of<T: ?Sized>() -> Self {
        match type_name::<T>().trim_start_matches('&') {
            "str" | "alloc::string::String" | "alloc::borrow::Cow<str>" => Self::Text,
            "bool" => Self::Bool,
            "char" => Self::Char,
            "f32" => Self::Float(4),
            "f64" => Self::Float(8),
            "u8" => Self::Integer(1, false),
            "u16" => Self::Integer(2, false),
            "u32" => Self::Integer(4, false),
            "u64" => Self::Integer(8, false),
            "u128" => Self::Integer(16, false),
            "usize" => Self::Integer(size_of::<usize>(), false),
            "i8" => Self::Integer(1, true),
            "i16" => Self::Integer(2, true),
            "i32" => Self::Integer(4, true),
            "i64" => Self::Integer(8, true),
            "i128" => Self::Integer(16, true),
            "isize" => Self::Integer(size_of::<isize>(), true),
            _ => Self::Opaque,
        }
    }

    /// The number of bytes of a value that isn't a text.
    fn size(self) -> Option<usize> {
        match self {
            Self::Integer(size, _) | Self::Float(size) => Some(size),
            Self::Bool => Some(1),
            Self::Char => Some(4),
            Self::Text | Self::Type(_) | Self::Opaque => None,
        }
    }

    /// A value of which these are the bytes in little-endian order, as the language writes it.
    fn show(self, bytes: [u8; 16]) -> Option<String> {
        let number = u128::from_le_bytes(bytes);
        Some(match self {
            // The sign is in the uppermost bit of the value.
            Self::Integer(size, true) => {
                let unused = u32::try_from(128 - 8 * size).ok()?;
                (number.cast_signed() << unused >> unused).to_string()
            }
            Self::Integer(_, false) => number.to_string(),
            Self::Float(4) => format!("{:?}", f32::from_bits(u32::try_from(number).ok()?)),
            Self::Float(_) => format!("{:?}", f64::from_bits(u64::try_from(number).ok()?)),
            Self::Bool => (number != 0).to_string(),
            Self::Char => format!("{:?}", char::from_u32(u32::try_from(number).ok()?)?),
            Self::Text | Self::Type(_) | Self::Opaque => return None,
        })
    }
}

/// An entry of the same function in this process, beside a call that has none: see [`Explanation`](crate::Explanation).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Nearest {
    /// The arguments that differ, in the function's order.
    pub differences: Vec<Difference>,
}

/// An argument that the entry of another call has with another value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The argument's name; `key` of a key that an expression of the attribute makes, of a generic function also the type's.
    pub argument: &'static str,
    /// Its value in the call that was explained, if it is a number, a text or a type.
    pub asked: Option<String>,
    /// Its value in the other call, if it is a number or a text.
    pub stored: Option<String>,
}

impl std::fmt::Display for Nearest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the nearest entry has another ")?;
        for (index, Difference { argument, asked, stored }) in self.differences.iter().enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            write!(f, "{separator}`{argument}`")?;
            match (asked, stored) {
                (Some(asked), Some(stored)) => write!(f, " ({stored}, not {asked})")?,
                (Some(asked), None) => write!(f, " (not {asked})")?,
                _ => {}
            }
        }
        Ok(())
    }
}

impl Parts {
    /// The parts of a key with their names, which are as many.
    pub(crate) fn of(key: &impl KeyPart, names: &'static [&'static str]) -> Self {
        let mut splitter = Splitter::default();
        key.split(&mut splitter);
        let mut parts = splitter.0;
        for (part, name) in parts.iter_mut().zip(names) {
            part.name = name;
        }
        Self(parts)
    }

    /// The entry in a table that differs in the fewest parts. Looks at all entries, a part of the table at a time under its lock.
    pub(crate) fn nearest(&self, table: &LocalTable) -> Option<Nearest> {
        let mut best: Option<Vec<Differing>> = None;
        let mut consider = |found: Option<Vec<Differing>>| {
            let better = |found: &Vec<Differing>| {
                !found.is_empty() && best.as_ref().is_none_or(|best| found.len() < best.len())
            };
            if let Some(found) = found.filter(better) {
                best = Some(found);
            }
        };
        if table.is_plain() {
            let own: Vec<&[u64]> = self.0.iter().map(|part| part.words.as_deref()).collect::<Option<_>>()?;
            table.each_words(|words| consider(self.differing(&own, words)));
        } else {
            let own: Vec<&[u8]> = self.0.iter().map(|part| &*part.bytes).collect();
            table.each_bytes(|bytes| consider(self.differing(&own, bytes)));
        }
        let differences = best?.into_iter().map(|differing| self.difference(differing)).collect();
        Some(Nearest { differences })
    }

    fn difference(&self, Differing { part, stored }: Differing) -> Difference {
        let Part { name, kind, bytes, .. } = &self.0[part];
        let asked = match kind {
            Kind::Type(name) => Some((*name).to_owned()),
            kind => <u8 as Unit>::read(*kind, bytes).and_then(|(_, value)| value),
        };
        Difference { argument: name, asked, stored }
    }

    /// The parts in which another key differs from this one. None if that can't be told.
    fn differing<U: Unit>(&self, own: &[&[U]], mut other: &[U]) -> Option<Vec<Differing>> {
        let mut found = Vec::new();
        for (index, (mine, part)) in own.iter().zip(&self.0).enumerate() {
            if let Some(rest) = other.strip_prefix(*mine) {
                other = rest;
                continue;
            }
            if let Some((len, stored)) = U::read(part.kind, other) {
                found.push(Differing { part: index, stored });
                other = &other[len..];
                continue;
            }
            // Its end is where the rest begins, which is known if that is equal.
            let rest = own[index + 1..].concat();
            let ends = (0..=other.len()).any(|end| {
                other[end..].strip_prefix(&*rest).is_some_and(|beyond| beyond.iter().all(U::is_filling))
            });
            found.push(Differing { part: index, stored: None });
            return ends.then_some(found);
        }
        Some(found)
    }
}

/// A part that is another one in another key, with its value there.
struct Differing {
    part: usize,
    stored: Option<String>,
}

/// A unit of keys: the bytes of some tables and the words of others.
trait Unit: Copy + PartialEq {
    /// Whether it may stand after the end of a key.
    fn is_filling(&self) -> bool;
    /// Reads the part at the front of a key: how many units it has, and the value. None if the form doesn't tell its end.
    fn read(kind: Kind, key: &[Self]) -> Option<(usize, Option<String>)>;
}

impl Unit for u8 {
    fn is_filling(&self) -> bool {
        false
    }

    fn read(kind: Kind, key: &[u8]) -> Option<(usize, Option<String>)> {
        if kind == Kind::Text {
            let end = key.iter().position(|byte| *byte == 0xff)?;
            let text = std::str::from_utf8(&key[..end]).ok().map(|text| format!("{text:?}"));
            return Some((end + 1, text));
        }
        let size = kind.size()?;
        let mut bytes = [0; 16];
        bytes.get_mut(..size)?.copy_from_slice(key.get(..size)?);
        if cfg!(target_endian = "big") {
            bytes[..size].reverse();
        }
        Some((size, kind.show(bytes)))
    }
}

impl Unit for u64 {
    fn is_filling(&self) -> bool {
        *self == 0
    }

    fn read(kind: Kind, key: &[u64]) -> Option<(usize, Option<String>)> {
        if kind == Kind::Text {
            let (len, text) = text_of_words(key)?;
            return Some((len, Some(format!("{text:?}"))));
        }
        let len = kind.size()?.div_ceil(8);
        let mut bytes = [0; 16];
        for (to, word) in bytes.chunks_exact_mut(8).zip(key.get(..len)?) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        Some((len, kind.show(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use cachekit_backends::CacheKey;

    use super::*;
    use crate::call::arguments::arg;

    /// Compares the keys of two calls, as bytes and as words: the differing parts with their values in the other call.
    fn compared(one: &impl KeyPart, other: &impl KeyPart) -> Option<Vec<(usize, Option<String>)>> {
        let (one, other) = (Parts::of(one, &["a", "b", "c"]), Parts::of(other, &[]));
        let plain = |found: Option<Vec<Differing>>| {
            found.map(|all| all.into_iter().map(|Differing { part, stored }| (part, stored)).collect())
        };
        let bytes = |parts: &Parts| parts.0.iter().map(|part| part.bytes.clone()).collect::<Vec<_>>();
        let own = bytes(&one);
        let own: Vec<&[u8]> = own.iter().map(Vec::as_slice).collect();
        let by_bytes = plain(one.differing(&own, &bytes(&other).concat()));
        let words =
            |parts: &Parts| parts.0.iter().map(|part| part.words.clone()).collect::<Option<Vec<Vec<u64>>>>();
        let few = |words: &Vec<Vec<u64>>| words.concat().len() <= MOST_KEY_WORDS;
        if let (Some(own), Some(others)) = (words(&one).filter(few), words(&other).filter(few)) {
            let own: Vec<&[u64]> = own.iter().map(Vec::as_slice).collect();
            let mut others = others.concat();
            others.resize(MOST_KEY_WORDS, 0);
            assert_eq!(plain(one.differing(&own, &others)), by_bytes);
        }
        by_bytes
    }

    fn key<A: CacheKey, B: CacheKey, C: CacheKey>(parts: &(A, B, C)) -> impl KeyPart {
        (arg(&parts.0).__cachekit_part(), arg(&parts.1).__cachekit_part(), arg(&parts.2).__cachekit_part())
    }

    fn value(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn numbers_and_texts_are_read_back() {
        let asked = ("demo", 7_u32, -3_i64);
        assert_eq!(compared(&key(&asked), &key(&asked)), Some(vec![]));
        let others = compared(&key(&asked), &key(&("d", 7_u32, i64::MIN)));
        assert_eq!(others, Some(vec![(0, Some(value("\"d\""))), (2, Some(value("-9223372036854775808")))]));
        let chars = compared(&key(&('a', true, 0.5)), &key(&('b', false, 1.5)));
        assert_eq!(
            chars,
            Some(vec![(0, Some(value("'b'"))), (1, Some(value("false"))), (2, Some(value("1.5")))])
        );
        let small = compared(&key(&(-1_i8, 1_u16, 2_u128)), &key(&(-2_i8, 1_u16, u128::MAX)));
        assert_eq!(small, Some(vec![(0, Some(value("-2"))), (2, Some(u128::MAX.to_string()))]));
    }

    #[test]
    fn texts_that_share_their_bytes_are_told_apart_at_their_ends() {
        let found = compared(&key(&("ab", "c", 1_u8)), &key(&("a", "bc", 1_u8)));
        assert_eq!(found, Some(vec![(0, Some(value("\"a\""))), (1, Some(value("\"bc\"")))]));
    }

    #[test]
    fn a_part_of_another_type_may_differ_alone() {
        let found = compared(&key(&(Some(1_u8), 5_u64, "x")), &key(&(None::<u8>, 5_u64, "x")));
        assert_eq!(found, Some(vec![(0, None)]));
        let found = compared(&key(&(1_u8, vec![1_u64], "x")), &key(&(2_u8, vec![1_u64, 2], "x")));
        assert_eq!(found, Some(vec![(0, Some(value("2"))), (1, None)]));
        let found = compared(&key(&(Some(1_u8), 5_u64, "x")), &key(&(None::<u8>, 6_u64, "x")));
        assert_eq!(found, None, "where the second part begins is not known");
    }
}
