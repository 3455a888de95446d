//! The near tier's protocol over stubs: the same names as `cachekit/src/engine`.

pub(crate) mod near;
pub(crate) mod remote;
