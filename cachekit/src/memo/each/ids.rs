//! The ids of a call.

use std::marker::PhantomData;

/// A list of ids.
#[diagnostic::on_unimplemented(
    message = "`each` needs a list of ids, and `{Self}` is none",
    label = "not a list of ids",
    note = "take them as `&[Id]`, or as `Vec<Id>`"
)]
pub trait Ids {
    /// One id. A call keeps those that it computes.
    type Id: Clone;
    /// All of them.
    fn ids(&self) -> &[Self::Id];
}

impl<T: Clone> Ids for &[T] {
    type Id = T;
    fn ids(&self) -> &[T] {
        self
    }
}

impl<T: Clone> Ids for &Vec<T> {
    type Id = T;
    fn ids(&self) -> &[T] {
        self
    }
}

impl<T: Clone> Ids for Vec<T> {
    type Id = T;
    fn ids(&self) -> &[T] {
        self
    }
}

/// A list that can be made of some of its ids.
pub trait Again<'s>: Ids {
    /// The list with another lifetime.
    type List;
    /// The list of these.
    fn again(some: &'s [Self::Id]) -> Self::List;
}

impl<'s, T: Clone + 's> Again<'s> for &[T] {
    type List = &'s [T];
    fn again(some: &'s [T]) -> &'s [T] {
        some
    }
}

impl<'s, T: Clone + 's> Again<'s> for &Vec<T> {
    type List = &'s [T];
    fn again(some: &'s [T]) -> &'s [T] {
        some
    }
}

impl<'s, T: Clone + 's> Again<'s> for Vec<T> {
    type List = Self;
    fn again(some: &'s [T]) -> Self {
        some.to_vec()
    }
}

/// The type of a call's list.
#[derive(Debug)]
pub struct Like<L>(PhantomData<fn() -> L>);

impl<L> Clone for Like<L> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<L> Copy for Like<L> {}

impl<L: Ids> Like<L> {
    /// The type of this one.
    #[must_use]
    pub fn of(_: &L) -> Self {
        Self(PhantomData)
    }

    /// A list of these.
    #[must_use]
    pub fn again<'s>(self, some: &'s [L::Id]) -> L::List
    where
        L: Again<'s>,
    {
        L::again(some)
    }
}

/// The ids of a call.
pub fn ids_of<L: Ids>(list: &L) -> Vec<L::Id> {
    list.ids().to_vec()
}

/// An id as another type wants it: the key of a map, or the parameter of a function for one id.
#[diagnostic::on_unimplemented(
    message = "an id is a `{Self}`, and `{P}` is wanted",
    label = "the ids have another type",
    note = "the keys of a returned map, and the parameter of the function that `of` names, have the type of the ids; `String` \
            and `&str` go for one another"
)]
pub trait IdAs<'i, P> {
    /// The id so.
    fn id_as(&'i self) -> P;
}

impl<T: Clone> IdAs<'_, T> for T {
    fn id_as(&self) -> T {
        self.clone()
    }
}

impl<'i, T> IdAs<'i, &'i T> for T {
    fn id_as(&'i self) -> &'i T {
        self
    }
}

impl<'i> IdAs<'i, &'i str> for String {
    fn id_as(&'i self) -> &'i str {
        self
    }
}

impl IdAs<'_, String> for &str {
    fn id_as(&self) -> String {
        (*self).to_owned()
    }
}

/// Returns an id as it is wanted.
pub fn id_as<'i, T: IdAs<'i, P>, P>(id: &'i T) -> P {
    id.id_as()
}
