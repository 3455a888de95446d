//! The rendered text of a fragment, as it is stored.

use std::borrow::Cow;

use minijinja::{AutoEscape, Value};
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

/// A text and the way in which what it is made of was escaped. It is good for no other one.
///
/// The mode is kept beside the text, not in the key, so that one deletion reaches the key whatever the mode is.
#[derive(Clone)]
pub(crate) struct Text {
    mode: Cow<'static, str>,
    /// A string of the engine's, which marks it as safe if it was escaped. A copy is a reference.
    text: Value,
}

impl Text {
    pub(super) fn new(escape: &AutoEscape, text: Value) -> Self {
        Self { mode: mode(escape), text }
    }

    pub(super) fn is_of(&self, escape: &AutoEscape) -> bool {
        self.mode == mode(escape)
    }

    pub(super) fn into_value(self) -> Value {
        self.text
    }
}

fn mode(escape: &AutoEscape) -> Cow<'static, str> {
    match escape {
        AutoEscape::None => Cow::Borrowed("none"),
        AutoEscape::Html => Cow::Borrowed("html"),
        AutoEscape::Custom(name) => Cow::Owned(format!("custom {name}")),
        // There is one for JSON if the engine is built so.
        other => Cow::Owned(format!("{other:?}").to_lowercase()),
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.mode, self.text.as_str().unwrap_or_default()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (mode, text) = <(String, String)>::deserialize(deserializer)?;
        let text = if mode == "none" { Value::from(text) } else { Value::from_safe_string(text) };
        Ok(Self { mode: Cow::Owned(mode), text })
    }
}
