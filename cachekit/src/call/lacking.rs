//! The errors for types that a backend can't store. After the choices of a policy come these, which choose nothing: the one that fits the
//! type has a bound that it doesn't meet, and whose message says which. So there is one error, whatever is missing.

#![expect(clippy::unused_self, reason = "the type of `self` chooses the method")]
// Not by a macro of rules: the compiler shows the bound where it stands.

use std::marker::PhantomData;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::policy::Policy;
use super::shape::{Shape, Storable};

#[cold]
fn refused() -> ! {
    unreachable!("the compiler refuses this type")
}

/// A type that threads can share.
#[diagnostic::on_unimplemented(
    message = "a value of `{Self}` can't be stored in a cache: it isn't `Send + Sync`",
    label = "threads can't share it",
    note = "a stored value is read by any thread: return an owned value without `Rc`, `Cell` or `RefCell`; `Arc` is one"
)]
pub trait Shareable {}
#[diagnostic::do_not_recommend]
impl<T: Send + Sync + 'static> Shareable for T {}

/// A stored type for which the trait before is asked for.
#[derive(Debug)]
pub struct NoThreads<S>(pub(super) PhantomData<S>);

impl<S> Deref for NoThreads<S> {
    type Target = NoDeserialize<S>;
    fn deref(&self) -> &NoDeserialize<S> {
        &NoDeserialize(PhantomData)
    }
}

impl<S: Shape> NoThreads<S>
where
    S::Stored: Clone + Serialize + DeserializeOwned,
{
    /// Refuses.
    pub fn __cachekit_compared<'p>(&self) -> &'p Policy<S::Output>
    where
        S::Stored: Shareable,
    {
        refused()
    }
}

/// A type that is read back.
#[diagnostic::on_unimplemented(
    message = "a value of `{Self}` can't be stored in a cache: it lacks `Deserialize`",
    label = "`serde::Deserialize` is missing",
    note = "derive `serde::Deserialize` for it, without borrowed parts, or keep it in this process with the option `local`"
)]
pub trait Deserializable {}
#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> Deserializable for T {}

/// A stored type for which the trait before is asked for.
#[derive(Debug)]
pub struct NoDeserialize<S>(pub(super) PhantomData<S>);

impl<S> Deref for NoDeserialize<S> {
    type Target = NoSerialize<S>;
    fn deref(&self) -> &NoSerialize<S> {
        &NoSerialize(PhantomData)
    }
}

impl<S: Shape> NoDeserialize<S>
where
    S::Stored: Clone + Serialize,
{
    /// Refuses.
    pub fn __cachekit_compared<'p>(&self) -> &'p Policy<S::Output>
    where
        S::Stored: Deserializable,
    {
        refused()
    }
}

/// A type that is written.
#[diagnostic::on_unimplemented(
    message = "a value of `{Self}` can't be stored in a cache: it lacks `Serialize`",
    label = "`serde::Serialize` is missing",
    note = "derive `serde::Serialize` for it, or keep it in this process with the option `local`"
)]
pub trait Serializable {}
#[diagnostic::do_not_recommend]
impl<T: Serialize> Serializable for T {}

/// A stored type for which the trait before is asked for.
#[derive(Debug)]
pub struct NoSerialize<S>(pub(super) PhantomData<S>);

impl<S> Deref for NoSerialize<S> {
    type Target = NoClone<S>;
    fn deref(&self) -> &NoClone<S> {
        &NoClone(PhantomData)
    }
}

impl<S: Shape> NoSerialize<S>
where
    S::Stored: Clone + DeserializeOwned,
{
    /// Refuses.
    pub fn __cachekit_compared<'p>(&self) -> &'p Policy<S::Output>
    where
        S::Stored: Serializable,
    {
        refused()
    }
}

/// A type that is copied out of the cache.
#[diagnostic::on_unimplemented(
    message = "a value of `{Self}` can't be stored in a cache: it lacks `Clone`",
    label = "`Clone` is missing",
    note = "derive `Clone` for it, or return an `Arc` of it: each hit returns a clone"
)]
pub trait Copied {}
#[diagnostic::do_not_recommend]
impl<T: Clone> Copied for T {}

/// A stored type for which the trait before is asked for.
#[derive(Debug)]
pub struct NoClone<S>(pub(super) PhantomData<S>);

impl<S> Deref for NoClone<S> {
    type Target = NoSerde<S>;
    fn deref(&self) -> &NoSerde<S> {
        &NoSerde(PhantomData)
    }
}

impl<S: Shape> NoClone<S>
where
    S::Stored: Serialize + DeserializeOwned,
{
    /// Refuses.
    pub fn __cachekit_compared<'p>(&self) -> &'p Policy<S::Output>
    where
        S::Stored: Copied,
    {
        refused()
    }
}

/// A type that is written and read back.
#[diagnostic::on_unimplemented(
    message = "a value of `{Self}` can't be stored in a cache: it lacks `Serialize` and `Deserialize`",
    label = "`serde::Serialize` and `serde::Deserialize` are missing",
    note = "derive both for it, or keep it in this process with the option `local`"
)]
pub trait WithSerde {}
#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> WithSerde for T {}

/// A stored type for which the trait before is asked for.
#[derive(Debug)]
pub struct NoSerde<S>(pub(super) PhantomData<S>);

impl<S> Deref for NoSerde<S> {
    type Target = NoneOfAll<S>;
    fn deref(&self) -> &NoneOfAll<S> {
        &NoneOfAll(PhantomData)
    }
}

impl<S: Shape> NoSerde<S>
where
    S::Stored: Clone,
{
    /// Refuses.
    pub fn __cachekit_compared<'p>(&self) -> &'p Policy<S::Output>
    where
        S::Stored: WithSerde,
    {
        refused()
    }
}

/// A stored type that lacks more than one of all.
#[derive(Debug)]
pub struct NoneOfAll<S>(PhantomData<S>);

impl<S: Shape> NoneOfAll<S> {
    /// Refuses.
    pub fn __cachekit_compared<'p>(&self) -> &'p Policy<S::Output>
    where
        S::Stored: Storable,
    {
        refused()
    }
}
