//! A stored value as JSON, read without its type.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A value in whatever form it was stored. What JSON lacks is written as near as it can be: bytes as a list of numbers, a key of
/// a map that is no text as its JSON, a number that is none as text, `Some` around `None` as a list.
pub(super) struct Json(pub(super) Value);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any).map(Self)
    }
}

struct Any;

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
}

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stored value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Ok(Value::Array(vec![Json::deserialize(deserializer)?.0]))
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(value.to_string().into())
    }
    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(value.to_string().into())
    }
    fn visit_f32<E>(self, value: f32) -> Result<Value, E> {
        // By its shortest text: 0.1 is not 0.10000000149.
        Ok(value.to_string().parse().map_or_else(|_| float(value.into()), float))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(float(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Json(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((Json(key), Json(value))) = access.next_entry()? {
            let key = match key {
                Value::String(text) => text,
                other => other.to_string(),
            };
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cachekit_backends::{decode, encode};
    use serde::Serialize;

    use super::Json;

    #[derive(Serialize)]
    enum Shape {
        Unit,
        Tuple(u8, Option<()>),
        Fields { bytes: Vec<u8>, ratio: f32 },
    }

    fn json(value: &impl Serialize) -> String {
        let mut bytes = Vec::new();
        encode(value, &mut bytes).unwrap();
        decode::<Json>(&bytes).unwrap().0.to_string()
    }

    #[test]
    fn every_form_of_serde_has_one() {
        assert_eq!(json(&("a", 1u8, -1i64, true, None::<u8>)), r#"["a",1,-1,true,null]"#);
        assert_eq!(json(&[Shape::Unit, Shape::Tuple(1, None)]), r#"["Unit",{"Tuple":[1,null]}]"#);
        assert_eq!(
            json(&Shape::Fields { bytes: vec![1, 2], ratio: 0.1 }),
            r#"{"Fields":{"bytes":[1,2],"ratio":0.1}}"#
        );
        assert_eq!(json(&Some(None::<u8>)), "[null]");
        assert_eq!(json(&(f64::NAN, u128::MAX)), r#"["NaN","340282366920938463463374607431768211455"]"#);
        assert_eq!(json(&BTreeMap::from([((1, "a"), 2.5)])), r#"{"[1,\"a\"]":2.5}"#);
    }
}
