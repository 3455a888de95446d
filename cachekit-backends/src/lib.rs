//! The contract between cachekit and its stores (the [`Backend`] trait, keys, entries, errors, clock, configuration), and
//! the stores themselves, each in a folder of its own that uses no other one.
//!
//! Users of cachekit need this crate only to write a backend: everything else is re-exported by `cachekit`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod backend;
mod breaker;
mod builtin;
mod clock;
mod codec;
mod config;
#[doc(hidden)]
pub mod deadline;
mod delegate;
mod entry;
mod error;
mod fork;
mod key;
mod many;
#[cfg(any(feature = "memcached", feature = "redis"))]
mod net;
mod process;
mod random;
mod registry;
mod timeout;
#[cfg(any(feature = "memcached", feature = "redis"))]
mod tls;
mod uptime;
mod version_key;

pub mod layers;
pub mod null;
pub mod simple;

#[cfg(feature = "filesystem")]
pub mod filesystem;

#[cfg(feature = "memcached")]
pub mod memcached;

#[cfg(feature = "redis")]
pub mod redis;

#[cfg(feature = "conformance")]
pub mod conformance;

#[cfg(test)]
mod captured;
#[cfg(test)]
mod example;

pub use backend::{
    AsyncBackend, Backend, BoxFuture, Capabilities, Cursor, Fetched, KeyPage, Put, Token, Usage, Version,
};
#[doc(hidden)]
pub use breaker::Breaker;
pub use clock::Clock;
#[cfg(any(test, feature = "testing"))]
pub use clock::ManualClock;
pub use codec::{EncodingDigest, content_size, decode, encode, encoding_digest};
pub use config::{CacheType, Config, FunctionConfig, NearDeletion, Secret, Servers, Value};
#[doc(hidden)]
pub use config::{NamedOptions, hint, is_pattern, name_matches};
pub use entry::{
    Content, Header, Reject, Unsealed, combine, dependencies, dependency, fingerprint, read_payload, seal,
    seal_integer, seal_value, seal_with, unseal, unseal_if, unseal_value,
};
pub use error::{Error, ErrorKind, Result};
pub use key::{CacheKey, KeyBytes, KeyHasher, KeySecret, KeyWriter, Matcher, Recorder, StableWriter, base32};
#[doc(hidden)]
pub use key::{
    NO_WORDS, Scout, Words, feed_debug, feed_hash, feed_serialize, is_of_std, names_closure, text_of_words,
};
#[doc(hidden)]
pub use process::{PerProcess, process_number};
pub use registry::{Opened, describe, open, register_backend};
pub use timeout::{Timeout, Ttl, jittered, ttl_millis};
#[doc(hidden)]
pub use uptime::uptime;
pub use version_key::{is_version_key, version_key};
