//! Entries of values.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;

use super::{Content, Header, Reject, seal, seal_under, unseal};
use crate::{Result, Ttl, codec};

/// The result of reading the bytes under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsealed<T> {
    /// The value, in time and of the generation asked for.
    Value(T),
    /// An expired entry.
    Expired,
    /// An entry of a generation that was deleted.
    OtherGeneration,
    /// No entry, or one that can't be read.
    Unreadable(Reject),
}

/// Makes an entry of a value.
///
/// Integers of at most 64 bits are stored without their type. Fails with [`ErrorKind::Codec`](crate::ErrorKind::Codec)
/// when the value can't be encoded.
pub fn seal_value<T: Serialize + ?Sized + 'static>(
    key: &str,
    created: u64,
    life: Ttl,
    generation: u128,
    value: &T,
) -> Result<Vec<u8>> {
    seal_with(key, Header::new(created, life, generation, Content::Integer), &[], value)
}

/// Makes an entry of a value with the properties of this header, whose kind of content becomes that of the value's type. The
/// entry says under which versions it was stored if these are their keys.
///
/// Fails as [`seal_value`].
pub fn seal_with<T: Serialize + ?Sized + 'static>(
    key: &str,
    header: Header,
    versions: &[String],
    value: &T,
) -> Result<Vec<u8>> {
    let header = Header { content: content::<T>(), ..header };
    seal_under(key, &header, versions, |out| codec::encode(value, out))
}

/// Makes an entry of an integer that keeps the times and the generation of the one before, for an increment.
pub fn seal_integer(key: &str, before: &Header, value: i64) -> Result<Vec<u8>> {
    seal(key, &Header { content: Content::Integer, is_err: false, ..*before }, |out| {
        codec::encode(&value, out)
    })
}

/// Reads the value of an entry, given the time and the generation that count.
pub fn unseal_value<T: DeserializeOwned + 'static>(
    key: &str,
    bytes: &[u8],
    now: u64,
    generation: u128,
) -> Unsealed<T> {
    unseal_if(key, bytes, generation, |header| !header.is_expired(now))
}

/// Reads the value of an entry of the generation that counts, if `serves` says that it is to be served at this time.
pub fn unseal_if<T: DeserializeOwned + 'static>(
    key: &str,
    bytes: &[u8],
    generation: u128,
    serves: impl FnOnce(&Header) -> bool,
) -> Unsealed<T> {
    let (header, payload) = match unseal(key, bytes) {
        Ok(parts) => parts,
        Err(reject) => return Unsealed::Unreadable(reject),
    };
    if header.generation != generation {
        Unsealed::OtherGeneration
    } else if !serves(&header) {
        Unsealed::Expired
    } else {
        match read_payload(&header, payload) {
            Ok(value) => Unsealed::Value(value),
            Err(reject) => Unsealed::Unreadable(reject),
        }
    }
}

/// Decodes the payload of an unsealed entry, if the value has the type asked for or is an integer that fits it.
pub fn read_payload<T: DeserializeOwned + 'static>(header: &Header, payload: &[u8]) -> Result<T, Reject> {
    if header.content != content::<T>() {
        return Err(Reject::OtherType);
    }
    // Bytes are copied at once, where serde takes them one by one: a third of a hit of 1 KiB on `filesystem`.
    if TypeId::of::<T>() == TypeId::of::<Vec<u8>>()
        && let Some(bytes) = codec::only_bytes(payload)
    {
        let mut value: Option<T> = None;
        if let Some(slot) = (&mut value as &mut dyn Any).downcast_mut::<Option<Vec<u8>>>() {
            *slot = Some(bytes.to_vec());
        }
        return value.ok_or(Reject::Undecodable);
    }
    codec::decode(payload).map_err(|_| Reject::Undecodable)
}

/// A number for a type: the hash of its full name. All owned and borrowed kinds of text are the same type here, so that
/// a stored `&str` is read as a `String`.
pub fn fingerprint<T: ?Sized + 'static>() -> u64 {
    let name = if is_text(TypeId::of::<T>()) { "str" } else { std::any::type_name::<T>() };
    xxh3_64(name.as_bytes())
}

fn content<T: ?Sized + 'static>() -> Content {
    if is_integer(TypeId::of::<T>()) { Content::Integer } else { Content::Value(fingerprint::<T>()) }
}

fn is_one_of(id: TypeId, all: &[TypeId]) -> bool {
    all.contains(&id)
}

#[inline]
fn is_integer(id: TypeId) -> bool {
    is_one_of(
        id,
        &[
            TypeId::of::<i8>(),
            TypeId::of::<i16>(),
            TypeId::of::<i32>(),
            TypeId::of::<i64>(),
            TypeId::of::<isize>(),
            TypeId::of::<u8>(),
            TypeId::of::<u16>(),
            TypeId::of::<u32>(),
            TypeId::of::<u64>(),
            TypeId::of::<usize>(),
        ],
    )
}

#[inline]
fn is_text(id: TypeId) -> bool {
    is_one_of(
        id,
        &[
            TypeId::of::<str>(),
            TypeId::of::<&'static str>(),
            TypeId::of::<String>(),
            TypeId::of::<Box<str>>(),
            TypeId::of::<Rc<str>>(),
            TypeId::of::<Arc<str>>(),
            TypeId::of::<Cow<'static, str>>(),
        ],
    )
}
