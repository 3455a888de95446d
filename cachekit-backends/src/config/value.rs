use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A value of [`Config::args`](super::Config::args) and [`Config::options`](super::Config::options), as it stands in a
/// file.
///
/// The environment has only text, so `as_integer`, `as_float` and `as_bool` also read text: `CACHE_OPTIONS=shards=4` and
/// `options = { shards = 4 }` are the same to a backend that asks `as_integer`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    String(String),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Several values in order.
    List(Vec<Value>),
    /// Values by name.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is a whole one or text that reads as one.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(n) => Some(*n),
            Self::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The number, if it is one or text that reads as one. A whole number beyond 2⁵³ is rounded.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(x) => Some(*x),
            #[expect(clippy::cast_precision_loss, reason = "documented")]
            Self::Integer(n) => Some(*n as f64),
            Self::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The truth value, if it is one, the number 0 or 1, or one of the texts `true`, `yes`, `on`, `1`, `false`, `no`, `off`
    /// and `0` in any case.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(yes) => Some(*yes),
            Self::Integer(n @ (0 | 1)) => Some(*n == 1),
            Self::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some(true),
                "false" | "no" | "off" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// The values, if it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The values by name, if it is a map.
    pub fn as_map(&self) -> Option<&BTreeMap<String, Value>> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }
}

macro_rules! from {
    ($($t:ty => |$x:ident| $value:expr;)*) => {$(
        impl From<$t> for Value {
            fn from($x: $t) -> Self {
                $value
            }
        }
    )*};
}
from! {
    &str => |x| Value::String(x.into());
    String => |x| Value::String(x);
    i64 => |x| Value::Integer(x);
    i32 => |x| Value::Integer(x.into());
    u32 => |x| Value::Integer(x.into());
    f64 => |x| Value::Float(x);
    bool => |x| Value::Bool(x);
    BTreeMap<String, Value> => |x| Value::Map(x);
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(list: Vec<T>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number, true or false, a list or a map")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(n.into())
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<Value, E> {
        i64::try_from(n).map(Value::Integer).map_err(|_| E::custom("a number is greater than 2^63 - 1"))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Value, E> {
        Ok(x.into())
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Value, E> {
        Ok(yes.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((name, item)) = items.next_entry()? {
            map.insert(name, item);
        }
        Ok(Value::Map(map))
    }
}
