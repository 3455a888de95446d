//! The keys of fragments.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// The key of a cached fragment, for `cache.delete(..)`: of `{% cache 60, "key1", key2, key3 %}` with those values.
///
/// The parts are text, as a template prints them: `7` and `"7"` are the same part, `true` is `True`. Each is preceded by its length, so that
/// `("a", ["b", "c"])` and `("a_b", ["c"])` are different keys.
///
/// ```
/// use cachekit::template::make_template_fragment_key;
///
/// # fn main() -> cachekit::Result<()> {
/// let cache = cachekit::cache();
/// let user = 7;
/// cache.delete(&make_template_fragment_key("sidebar", &["en", &user.to_string()]))?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn make_template_fragment_key(fragment_name: &str, vary_on: &[&str]) -> String {
    let mut key = Key::named();
    key.push(fragment_name);
    for part in vary_on {
        key.push(part);
    }
    key.0
}

/// A key under way.
pub(super) struct Key(String);

impl Key {
    /// Of parts that the template gives.
    pub(super) fn named() -> Self {
        Self("fragment:".into())
    }

    /// Of the template's name and the block's place in it.
    pub(super) fn placed(template: &str, place: &str) -> String {
        let mut key = Self("fragment@".into());
        key.push(template);
        key.push(place);
        key.0
    }

    fn push(&mut self, part: &str) {
        self.0.push_str(&part.len().to_string());
        self.0.push(':');
        self.0.push_str(part);
        self.0.push(',');
    }

    /// A key of the parts that a template gives.
    pub(super) fn of(parts: &[Value]) -> Result<String, Error> {
        let mut key = Self::named();
        for (number, part) in parts.iter().enumerate() {
            match part.as_str() {
                Some(text) => key.push(text),
                None => key.push(&printed(number + 1, part)?),
            }
        }
        Ok(key.0)
    }
}

fn printed(number: usize, part: &Value) -> Result<String, Error> {
    match part.kind() {
        ValueKind::Undefined => Err(Error::new(
            ErrorKind::UndefinedError,
            format!(
                "part {number} of the key of `cache` is undefined: all that lack it would share one text"
            ),
        )),
        // Printed they would lose what tells them apart.
        ValueKind::Bytes => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("part {number} of the key of `cache` is bytes that are no text"),
        )),
        ValueKind::Invalid => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("part {number} of the key of `cache` is invalid: {part}"),
        )),
        _ => Ok(part.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_delimited_and_reached_by_their_text() {
        let keys = [
            make_template_fragment_key("a", &["b", "c"]),
            make_template_fragment_key("a_b", &["c"]),
            make_template_fragment_key("a", &["b_c"]),
            make_template_fragment_key("a,1:b", &["c"]),
            make_template_fragment_key("a,:b", &["c"]),
            make_template_fragment_key("a", &[]),
            make_template_fragment_key("a", &[""]),
            make_template_fragment_key("", &["a"]),
            Key::placed("a", ""),
        ];
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "{key}");
        }
        assert_eq!(keys[0], "fragment:1:a,1:b,1:c,", "stored texts are found by it in later versions");
        let parts =
            [Value::from("key1"), Value::from(7), Value::from(1.5), Value::from(true), Value::from(())];
        assert_eq!(
            Key::of(&parts).unwrap(),
            make_template_fragment_key("key1", &["7", "1.5", "True", "None"])
        );
        assert_eq!(Key::of(&[Value::from_safe_string("é".into())]).unwrap(), "fragment:2:é,");
        assert_eq!(Key::of(&[Value::from_bytes(b"x".to_vec())]).unwrap(), "fragment:1:x,");
        assert_eq!(Key::of(&[Value::UNDEFINED]).unwrap_err().kind(), ErrorKind::UndefinedError);
        Key::of(&[Value::from_bytes(vec![0xff])]).unwrap_err();
    }
}
