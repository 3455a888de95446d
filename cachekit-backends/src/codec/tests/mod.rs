mod exact;
mod hostile;
mod measure;
mod schema;
mod wire;

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{decode, encode};

fn bytes<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out).unwrap();
    out
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "the cases are literals")]
fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    let bytes = bytes(&value);
    let back: T = decode(&bytes).unwrap_or_else(|e| panic!("{value:?} as {bytes:02x?}: {e}"));
    assert_eq!(back, value, "through {bytes:02x?}");
}
