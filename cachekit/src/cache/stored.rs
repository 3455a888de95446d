//! The values that the methods of the cache object take.

use std::any::Any;
use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A value that [`Cache::set`](crate::Cache::set), `set_many` and `add` store: any [`Storable`](crate::Storable) one, and a text
/// by reference, which is read as a `String`.
///
/// ```
/// # fn main() -> cachekit::Result<()> {
/// # let cache = cachekit::Cache::open(cachekit::Config::simple())?;
/// # let name = String::from("ann");
/// cache.set("literal", &"text", 60)?;
/// cache.set("borrowed", name.as_str(), 60)?;
/// assert_eq!(cache.get::<String>("literal")?.as_deref(), Some("text"));
/// assert_eq!(cache.get::<String>("borrowed")?.as_deref(), Some("ann"));
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "a value of `{Self}` can't be stored in a cache",
    label = "the stored value must be `Clone + Serialize + DeserializeOwned + Send + Sync + 'static`",
    note = "derive `Clone`, `serde::Serialize` and `serde::Deserialize` for it"
)]
pub trait ToStored {
    /// The type of the value in the cache.
    #[doc(hidden)]
    type Stored: Stored;
    /// Returns the value, copied where it is borrowed.
    #[doc(hidden)]
    fn to_stored(&self) -> Cow<'_, Self::Stored>;
}

// Not `DeserializeOwned`, which no borrowed text is: the compiler's error would be that `Deserialize` is "not general enough".
#[diagnostic::do_not_recommend]
impl<T: Stored + Deserialize<'static>> ToStored for T {
    type Stored = T;

    fn to_stored(&self) -> Cow<'_, T> {
        Cow::Borrowed(self)
    }
}

impl ToStored for str {
    type Stored = String;

    fn to_stored(&self) -> Cow<'_, String> {
        Cow::Owned(self.to_owned())
    }
}

/// A value that can be put into a cache.
pub trait Stored: Clone + Serialize + Send + Sync + 'static {}
#[diagnostic::do_not_recommend]
impl<T: Clone + Serialize + Send + Sync + 'static> Stored for T {}

/// Returns the text that a value is a reference to.
pub(super) fn borrowed_text<T: Stored>(value: &T) -> Option<String> {
    (value as &dyn Any).downcast_ref::<&'static str>().map(|text| (*text).to_owned())
}
