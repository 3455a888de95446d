//! The keys of fragments.

use cachekit_backends::StableWriter;
use minijinja::value::{DynObject, Enumerator, ValueKind};
use minijinja::{Error, ErrorKind, Value};

/// The longest key that is kept as it is, in bytes; of longer ones a digest is.
const LONGEST: usize = 1024;
/// How deep lists and maps may be nested in a part of a key.
const DEPTH: usize = 32;

/// Returns the key of a cached fragment, for `cache.delete(..)`: of `{% cache 60, "key1", key2, key3 %}` with texts for parts.
///
/// A number is the text that a template prints for it, so `7` is reached by `"7"`. For booleans, `none`, texts that are marked
/// as safe, lists and maps there is [`fragment_key`]. Each part is preceded by its length, so that `("a", ["b", "c"])` and
/// `("a_b", ["c"])` are different keys.
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
    key.text(fragment_name);
    for part in vary_on {
        key.text(part);
    }
    key.finish()
}

/// Returns the key of a cached fragment whose parts are any values: the one that `{% cache 60, key1, key2 %}` makes of them.
///
/// ```
/// use cachekit::template::fragment_key;
/// use minijinja::Value;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let key = fragment_key(&["sidebar".into(), true.into(), Value::from(vec!["a", "b"])])?;
/// cachekit::cache().delete(&key)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Names the part that can't be one: an undefined value, an iterator, an object.
pub fn fragment_key(parts: &[Value]) -> Result<String, Error> {
    let mut key = Key::named();
    for (number, part) in parts.iter().enumerate() {
        match part.kind() {
            ValueKind::Number => key.text(&part.to_string()),
            _ => key.value(part, DEPTH).map_err(|why| why.error(number + 1, part))?,
        }
    }
    Ok(key.finish())
}

/// Returns the name of a fragment by the first part of its key, for [`Cache::delete_fragments`](crate::Cache::delete_fragments).
pub(super) fn name_of(first: &Value) -> Option<String> {
    match first.kind() {
        ValueKind::String => first.as_str().map(str::to_owned),
        ValueKind::Number => Some(first.to_string()),
        _ => None,
    }
}

/// Returns the key of a block without one, by the template's name and the block's place in it.
pub(super) fn placed(template: &str, place: &str) -> String {
    let mut key = Key("fragment@".into());
    key.text(template);
    key.text(place);
    key.finish()
}

/// A key that is being made. The parts are prefix-free, and those of different kinds begin differently.
struct Key(String);

/// Why a value is no part of a key.
enum Unfit {
    Undefined,
    Invalid,
    Iterator,
    Object,
    Deep,
}

impl Key {
    /// Of parts that the template gives.
    fn named() -> Self {
        Self("fragment:".into())
    }

    fn finish(self) -> String {
        if self.0.len() <= LONGEST {
            return self.0;
        }
        let mut digest = StableWriter::new();
        std::hash::Hasher::write(&mut digest, self.0.as_bytes());
        format!("fragment#{}", digest.to_text())
    }

    fn text(&mut self, text: &str) {
        self.0.push_str(&text.len().to_string());
        self.0.push(':');
        self.0.push_str(text);
        self.0.push(',');
    }

    /// A part of one of the kinds that texts alone are not.
    fn tagged(&mut self, tag: char, text: &str) {
        self.0.push(tag);
        self.text(text);
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Unfit> {
        match value.kind() {
            ValueKind::Undefined => return Err(Unfit::Undefined),
            ValueKind::Invalid => return Err(Unfit::Invalid),
            ValueKind::None => self.tagged('n', ""),
            ValueKind::Bool => self.tagged('b', if value.is_true() { "1" } else { "0" }),
            ValueKind::Number => self.tagged('d', &value.to_string()),
            ValueKind::Bytes => {
                let hex = value.as_bytes().unwrap_or_default().iter().map(|byte| format!("{byte:02x}"));
                self.tagged('y', &hex.collect::<String>());
            }
            ValueKind::String => {
                let text = value.as_str().unwrap_or_default();
                if value.is_safe() { self.tagged('s', text) } else { self.text(text) }
            }
            ValueKind::Iterable => return Err(Unfit::Iterator),
            ValueKind::Seq | ValueKind::Map => {
                let depth = depth.checked_sub(1).ok_or(Unfit::Deep)?;
                let object = value.as_object().ok_or(Unfit::Object)?;
                let text = Self::collection(value.kind(), object, depth)?;
                let tag = match value.kind() {
                    // A tuple prints otherwise.
                    ValueKind::Seq if value.is_tuple() => 't',
                    ValueKind::Seq => 'l',
                    _ => 'm',
                };
                self.tagged(tag, &text);
            }
            _ => return Err(Unfit::Object),
        }
        Ok(())
    }

    /// The parts of a list, or of a map in the order of its keys.
    fn collection(kind: ValueKind, object: &DynObject, depth: usize) -> Result<String, Unfit> {
        if !lists_all(kind, object) {
            return Err(Unfit::Object);
        }
        let mut parts = Vec::new();
        if kind == ValueKind::Seq {
            for value in object.try_iter().ok_or(Unfit::Object)? {
                let mut part = Self(String::new());
                part.value(&value, depth)?;
                parts.push(part.0);
            }
        } else {
            for (key, value) in object.try_iter_pairs().ok_or(Unfit::Object)? {
                let mut part = Self(String::new());
                part.value(&key, depth)?;
                part.value(&value, depth)?;
                parts.push(part.0);
            }
            parts.sort_unstable();
        }
        Ok(parts.concat())
    }
}

/// Whether an object is a list or a map of values, as the engine's and the standard library's are. Others, `loop` among
/// them, may be more than they list: those that name their fields, and those that list nothing.
fn lists_all(kind: ValueKind, object: &DynObject) -> bool {
    match object.enumerate() {
        Enumerator::Values(_) => true,
        Enumerator::Seq(_) => kind == ValueKind::Seq,
        // Tuples and joined lists.
        Enumerator::Iter(_) => kind == ValueKind::Seq && object.enumerator_len().is_some(),
        Enumerator::KeyValueIter(_) | Enumerator::RevKeyValueIter(_) => kind == ValueKind::Map,
        _ => false,
    }
}

impl Unfit {
    fn error(&self, number: usize, part: &Value) -> Error {
        let what = format!("part {number} of the key of `cache`");
        match self {
            Self::Undefined => Error::new(
                ErrorKind::UndefinedError,
                format!(
                    "{what} is undefined, or has something undefined in it: all that lack it would share one text"
                ),
            ),
            Self::Invalid => Error::new(ErrorKind::InvalidOperation, format!("{what} is invalid: {part}")),
            Self::Iterator => Error::new(
                ErrorKind::InvalidOperation,
                format!(
                    "{what} is an iterator, or has one in it, which may give its items once only: write `|list` after it"
                ),
            ),
            Self::Object => Error::new(
                ErrorKind::InvalidOperation,
                format!(
                    "{what} is an object, or has one in it, whose text doesn't tell it from others: write what tells it apart, \
                     such as its `id`"
                ),
            ),
            Self::Deep => Error::new(
                ErrorKind::InvalidOperation,
                format!("{what} is nested more than {DEPTH} deep: write what tells it apart"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
            make_template_fragment_key(&"a".repeat(2000), &[]),
            make_template_fragment_key(&"a".repeat(2001), &[]),
            placed("a", ""),
        ];
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "{key}");
            assert!(key.len() <= LONGEST);
        }
        assert_eq!(keys[0], "fragment:1:a,1:b,1:c,", "stored texts are found by it in later versions");
        let parts = [Value::from("key1"), Value::from(7), Value::from(1.5)];
        assert_eq!(fragment_key(&parts).unwrap(), make_template_fragment_key("key1", &["7", "1.5"]));
    }

    #[test]
    fn different_values_are_different_parts() {
        let nested = |value: Value| Value::from(vec![value]);
        let values = [
            Value::from("x"),
            Value::from_safe_string("x".into()),
            Value::from_bytes(b"x".to_vec()),
            Value::from_bytes(vec![0xff]),
            Value::from(1),
            Value::from(1.0),
            Value::from(-1),
            Value::from(true),
            Value::from("True"),
            Value::from(false),
            Value::from(()),
            Value::from("None"),
            Value::from(""),
            nested("a".into()),
            Value::from(("a",)),
            Value::from(("a", "b")),
            Value::from(("a", "b", "c")),
            Value::from(vec!["a", "b", "c"]),
            nested(Value::from_safe_string("a".into())),
            Value::from("['a']"),
            Value::from(vec!["a", "b"]),
            Value::from(vec!["a, b"]),
            Value::from(vec![vec!["a"], vec!["b"]]),
            nested(1.into()),
            nested("1".into()),
            nested(1.0.into()),
            nested(true.into()),
            nested(nested(1.into())),
            Value::from(Vec::<Value>::new()),
            Value::from(BTreeMap::<String, i32>::new()),
            Value::from_pairs([("k", 1)]),
            Value::from_pairs([("k", "1")]),
            Value::from_pairs([("k", 1), ("l", 2)]),
            Value::from_pairs([(1, "k")]),
            Value::from(u128::MAX),
            Value::from(f64::NAN),
            Value::from(f64::INFINITY),
        ];
        let keys: Vec<String> =
            values.iter().map(|value| fragment_key(std::slice::from_ref(value)).unwrap()).collect();
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "{:?}: {key}", values[at]);
        }
    }

    #[test]
    fn what_is_more_than_its_text_is_refused() {
        let deep = (0..40).fold(Value::from(1), |inner, _| Value::from(vec![inner]));
        for (value, kind, text) in [
            (Value::UNDEFINED, ErrorKind::UndefinedError, "undefined"),
            (Value::from(vec![Value::UNDEFINED]), ErrorKind::UndefinedError, "undefined"),
            (Value::make_one_shot_iterator(0..3), ErrorKind::InvalidOperation, "`|list`"),
            (Value::make_iterable(|| 0..3), ErrorKind::InvalidOperation, "`|list`"),
            (Value::from_function(|| 1), ErrorKind::InvalidOperation, "`id`"),
            (deep, ErrorKind::InvalidOperation, "32 deep"),
        ] {
            let error = fragment_key(&["k".into(), value]).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(text) && error.to_string().contains("part 2"), "{error}");
        }
    }
}
