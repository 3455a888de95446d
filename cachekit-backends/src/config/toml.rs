//! TOML, as the readers of files and variables use it.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Value;

/// The deepest nesting of lists and tables. The parser recurses, so that a deeper text could overflow the stack.
const MOST_NESTED: usize = 64;

/// Parses a document.
///
/// # Errors
/// The parser's message, with line and column.
pub(super) fn document<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    if nesting(text) > MOST_NESTED {
        return Err(format!("lists and tables may be nested at most {MOST_NESTED} times"));
    }
    basic_toml::from_str(text).map_err(|error| error.to_string())
}

/// Parses one value.
pub(super) fn value(text: &str) -> Option<Value> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Document {
        value: Value,
    }
    document::<Document>(&format!("value = {text}")).ok().map(|document| document.value)
}

/// The most brackets that are open at a time. Those in quotes count too, which only makes it greater.
fn nesting(text: &str) -> usize {
    let (mut open, mut most) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}
