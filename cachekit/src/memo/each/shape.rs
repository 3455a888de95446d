//! The types that a call for several ids returns, and the type that one of their entries has.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use super::ids::IdAs;

/// The return type of a body for several ids.
#[diagnostic::on_unimplemented(
    message = "a function with `each` can't return `{Self}`",
    label = "returns no list and no map",
    note = "return a `HashMap<Id, T>` or a `BTreeMap<Id, T>`, in which an id may be missing, a `Vec<T>` in the order of the ids, \
            or a `Result` of one of these"
)]
pub trait Batch: Sized {
    /// The value of one id.
    type Value;
    /// The type that a function for one id would return.
    type Entry: EntryOf<Self::Value>;
}

/// The values of a body, or the reason why there are none.
pub enum Split<B, V> {
    /// Of each id, in order.
    Values(Vec<Option<V>>),
    /// An `Err`.
    Failed(B),
    /// As many values as there are not ids.
    Misfit(B),
}

/// The return type of a body for several ids of this type.
pub trait BatchOf<I>: Batch {
    /// Takes the values of these ids out.
    fn split(self, ids: &[I]) -> Split<Self, Self::Value>;
    /// Puts the values of these ids together, which are at these places of a list. None if one is missing that can't be.
    fn join(ids: &[I], places: &[usize], values: Vec<Option<Self::Value>>) -> Option<Self>;
}

impl<K, V, S> Batch for HashMap<K, V, S> {
    type Value = V;
    type Entry = Option<V>;
}

impl<K, V> Batch for BTreeMap<K, V> {
    type Value = V;
    type Entry = Option<V>;
}

impl<V> Batch for Vec<V> {
    type Value = V;
    type Entry = V;
}

impl<B: Batch, E> Batch for Result<B, E> {
    type Value = B::Value;
    type Entry = B::Entry;
}

macro_rules! maps {
    ($($map:ident<K, V $(, $s:ident: $($bound:path),+)?> where K: $($key:path),+;)*) => {$(
        impl<I, K, V $(, $s)?> BatchOf<I> for $map<K, V $(, $s)?>
        where
            I: for<'i> IdAs<'i, K>,
            K: $($key +)+,
            $($s: $($bound +)+)?
        {
            fn split(mut self, ids: &[I]) -> Split<Self, V> {
                Split::Values(ids.iter().map(|id| self.remove(&id.id_as())).collect())
            }

            fn join(ids: &[I], places: &[usize], mut values: Vec<Option<V>>) -> Option<Self> {
                let mut map = Self::default();
                for (id, &place) in ids.iter().zip(places) {
                    if let Some(value) = values.get_mut(place).and_then(Option::take) {
                        map.insert(id.id_as(), value);
                    }
                }
                Some(map)
            }
        }
    )*};
}
maps! {
    HashMap<K, V, S: BuildHasher, Default> where K: Eq, Hash;
    BTreeMap<K, V> where K: Ord;
}

impl<I, V: Clone> BatchOf<I> for Vec<V> {
    fn split(self, ids: &[I]) -> Split<Self, V> {
        if self.len() == ids.len() {
            Split::Values(self.into_iter().map(Some).collect())
        } else {
            Split::Misfit(self)
        }
    }

    fn join(_: &[I], places: &[usize], values: Vec<Option<V>>) -> Option<Self> {
        places.iter().map(|&place| values.get(place).cloned().flatten()).collect()
    }
}

impl<I, B: BatchOf<I>, E> BatchOf<I> for Result<B, E> {
    fn split(self, ids: &[I]) -> Split<Self, B::Value> {
        match self {
            Ok(batch) => match batch.split(ids) {
                Split::Values(values) => Split::Values(values),
                Split::Failed(batch) => Split::Failed(Ok(batch)),
                Split::Misfit(batch) => Split::Misfit(Ok(batch)),
            },
            Err(error) => Split::Failed(Err(error)),
        }
    }

    fn join(ids: &[I], places: &[usize], values: Vec<Option<B::Value>>) -> Option<Self> {
        B::join(ids, places, values).map(Ok)
    }
}

/// The type that a function for one id returns, whose entries hold the value of one id.
#[diagnostic::on_unimplemented(
    message = "a function that returns `{Self}` has no entries of `{V}`",
    label = "its values have another type than those of the ids",
    note = "the function that `of` names returns `{V}`, or an `Option` or `Result` of it"
)]
pub trait EntryOf<V>: Sized {
    /// The value of the id, if there is one.
    fn open(self) -> Option<V>;
    /// The return value of the function; none for an id that it could not return anything for.
    fn close(value: Option<V>) -> Option<Self>;
}

impl<V> EntryOf<V> for V {
    fn open(self) -> Option<V> {
        Some(self)
    }
    fn close(value: Option<V>) -> Option<V> {
        value
    }
}

impl<V> EntryOf<V> for Option<V> {
    fn open(self) -> Option<V> {
        self
    }
    fn close(value: Option<V>) -> Option<Self> {
        Some(value)
    }
}

impl<V, E> EntryOf<V> for Result<V, E> {
    fn open(self) -> Option<V> {
        self.ok()
    }
    fn close(value: Option<V>) -> Option<Self> {
        value.map(Ok)
    }
}
