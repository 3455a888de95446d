//! The shapes of plain entries: how many words a key has and how many a value. Few, so that programs contain each of them once;
//! what has fewer words is filled up with zeros.

use std::sync::Arc;

use super::buckets::{ClaimId, Ended, Hook, Right};
use super::plain::{Claims, Look, Plain, PlainCall};
use super::tables::Kind;

/// The most words of a plain key.
pub const MOST_KEY_WORDS: usize = 8;
/// The most words of a plain value.
pub const MOST_VALUE_WORDS: usize = 2;

/// How many words an entry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The words of the key.
    pub key: usize,
    /// The words of the value.
    pub value: usize,
}

impl Shape {
    /// The shape that has room for so many words; none if there is none.
    #[inline]
    pub const fn for_words(key: usize, value: usize) -> Option<Self> {
        match (Self::key_for_words(key), value) {
            (Some(key), 0 | 1) => Some(Self { key, value: 1 }),
            (Some(key), MOST_VALUE_WORDS) => Some(Self { key, value }),
            _ => None,
        }
    }

    /// The words of the key in the shapes that have room for so many.
    #[inline]
    pub const fn key_for_words(words: usize) -> Option<usize> {
        match words {
            0 | 1 => Some(1),
            2 => Some(2),
            3 | 4 => Some(4),
            5..=MOST_KEY_WORDS => Some(MOST_KEY_WORDS),
            _ => None,
        }
    }
}

/// The words of a value, filled up with zeros.
pub type ValueWords = [u64; MOST_VALUE_WORDS];

/// A key of a plain table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainKey {
    /// The words of the arguments, filled up with zeros.
    pub words: [u64; MOST_KEY_WORDS],
    /// The keyed digest of the instance, for methods; 0 else.
    pub instance: u64,
}

fn first<const N: usize, const M: usize>(words: &[u64; M]) -> [u64; N] {
    std::array::from_fn(|at| words.get(at).copied().unwrap_or(0))
}

macro_rules! shapes {
    ($($name:ident: $key:literal $value:literal, $get:ident;)*) => {
        /// The plain table of a function, of any shape.
        #[derive(Clone, Debug)]
        pub enum PlainTable {
            $(#[doc = concat!("Keys of ", $key, " words, values of ", $value, ".")] $name(Arc<Plain<$key, $value>>),)*
        }

        impl PlainTable {
            /// The shape of its entries.
            pub fn shape(&self) -> Shape {
                match self {
                    $(Self::$name(_) => Shape { key: $key, value: $value },)*
                }
            }

            /// The table of a shape, made by `make`, which is asked for one of the right type.
            pub(super) fn make(shape: Shape, maker: &impl MakePlain) -> Option<Self> {
                match (shape.key, shape.value) {
                    $(($key, $value) => Some(Self::$name(maker.make())),)*
                    _ => None,
                }
            }

            /// The value of a key, if there is one.
            pub fn get_surely(&self, key: &PlainKey) -> Option<ValueWords> {
                match self {
                    $(Self::$name(table) => table.get_surely(&first(&key.words)).map(|words| first(&words)),)*
                }
            }

            /// Looks again, and claims the computation: see [`Plain::claim`].
            pub fn claim(
                &self,
                key: &PlainKey,
                seen: Option<&ValueWords>,
                may_join: impl Fn(&Hook) -> bool,
                hook: impl FnOnce() -> Hook,
            ) -> Look<()> {
                match self {
                    $(Self::$name(table) => {
                        let call = PlainCall { key: first(&key.words), instance: key.instance };
                        match table.claim(&call, seen.map(first).as_ref(), may_join, hook) {
                            Look::Found(_) => Look::Found(()),
                            Look::Claimed(claim) => Look::Claimed(claim),
                            Look::Busy(hook) => Look::Busy(hook),
                        }
                    })*
                }
            }

            /// Claims a computation that runs beside all others.
            pub fn claim_apart(&self, key: &PlainKey, hook: Hook) -> ClaimId {
                match self {
                    $(Self::$name(table) => {
                        table.claim_apart(&PlainCall { key: first(&key.words), instance: key.instance }, hook)
                    })*
                }
            }

            /// The claims of its computations.
            pub fn claims(&self) -> Arc<dyn Claims> {
                match self {
                    $(Self::$name(table) => Arc::clone(table) as _,)*
                }
            }

            /// The same, borrowed.
            pub fn as_claims(&self) -> &dyn Claims {
                match self {
                    $(Self::$name(table) => &**table,)*
                }
            }

            /// Ends a computation and stores its value: see [`Plain::fill`].
            pub fn fill(
                &self,
                key: &PlainKey,
                right: Right,
                value: &ValueWords,
                expiry: u64,
                admit: impl Fn() -> bool,
            ) -> Ended {
                match self {
                    $(Self::$name(table) => {
                        let call = PlainCall { key: first(&key.words), instance: key.instance };
                        table.fill(&call, right, first(value), expiry, admit)
                    })*
                }
            }

            /// When the entry of a key expires, by the monotonic clock; none if there is no live one. Takes the lock.
            pub fn expiry(&self, key: &PlainKey) -> Option<u64> {
                match self {
                    $(Self::$name(table) => {
                        table.expiry(&PlainCall { key: first(&key.words), instance: key.instance })
                    })*
                }
            }

            /// Calls `visit` with the words of the key of each live entry in a part of the table, filled up with zeros; under the
            /// lock, so it must not run code of the user's. Returns the next part; the first is 0.
            pub fn visit(&self, part: u64, mut visit: impl FnMut(&[u64])) -> Option<u64> {
                match self {
                    $(Self::$name(table) => table.visit(part, |words| visit(words)),)*
                }
            }

            /// Removes a key. Returns whether a live entry was there.
            pub fn remove(&self, key: &PlainKey) -> bool {
                match self {
                    $(Self::$name(table) => {
                        table.remove(&PlainCall { key: first(&key.words), instance: key.instance })
                    })*
                }
            }

            $(
                /// The table, if it has this shape.
                #[inline(always)]
                pub fn $get(&self) -> Option<&Plain<$key, $value>> {
                    if let Self::$name(table) = self { Some(table) } else { None }
                }
            )*
        }
    };
}

shapes! {
    OneOne: 1 1, of_1_1;
    TwoOne: 2 1, of_2_1;
    FourOne: 4 1, of_4_1;
    EightOne: 8 1, of_8_1;
    OneTwo: 1 2, of_1_2;
    TwoTwo: 2 2, of_2_2;
    FourTwo: 4 2, of_4_2;
    EightTwo: 8 2, of_8_2;
}

/// Makes the plain table of a function.
pub(super) trait MakePlain {
    fn make<const K: usize, const V: usize>(&self) -> Arc<Plain<K, V>>
    where
        Plain<K, V>: Kind;
}
