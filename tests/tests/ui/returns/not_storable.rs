use std::rc::Rc;

use cachekit::memoize;
use serde::{Deserialize, Serialize};

struct Plain;

#[derive(Clone)]
struct NotSerde;

#[derive(Clone, Serialize)]
struct NotDeserialize;

#[derive(Clone, Deserialize)]
struct NotSerialize;

#[derive(Serialize, Deserialize)]
struct NotClone;

#[memoize]
fn plain(_a: u8) -> Plain {
    Plain
}

#[memoize]
fn not_serde(_a: u8) -> Option<NotSerde> {
    None
}

#[memoize]
fn not_deserialize(_a: u8) -> Vec<NotDeserialize> {
    Vec::new()
}

#[memoize]
async fn not_serialize(_a: u8) -> Result<NotSerialize, String> {
    Ok(NotSerialize)
}

#[memoize]
fn not_clone(_a: u8) -> NotClone {
    NotClone
}

#[memoize]
fn not_send(_a: u8) -> Rc<u8> {
    Rc::new(1)
}

#[memoize]
fn generic<T: Clone + Serialize + Default>(_a: u8) -> T {
    T::default()
}

#[memoize(local)]
fn local(_a: u8) -> Result<Plain, String> {
    Ok(Plain)
}

fn main() {}
