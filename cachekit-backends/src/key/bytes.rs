//! The bytes of a key, as a store keeps them.

use std::hash::Hasher;
use std::sync::Arc;

/// The bytes of a key in a store: short ones in place, long ones shared.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyBytes(Repr);

const INLINE: usize = 22;

#[derive(Clone)]
enum Repr {
    Inline(u8, [u8; INLINE]),
    Shared(Arc<[u8]>),
}

impl KeyBytes {
    /// Keeps a key's bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let mut inline = [0; INLINE];
        match (inline.get_mut(..bytes.len()), u8::try_from(bytes.len())) {
            (Some(room), Ok(len)) => {
                room.copy_from_slice(bytes);
                Self(Repr::Inline(len, inline))
            }
            _ => Self(Repr::Shared(bytes.into())),
        }
    }

    /// Returns how many of the bytes are in an allocation of their own.
    pub(crate) fn heap(&self) -> usize {
        match &self.0 {
            Repr::Inline(..) => 0,
            Repr::Shared(bytes) => bytes.len(),
        }
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(len, bytes) => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Repr::Shared(bytes) => bytes,
        }
    }
}

impl PartialEq for Repr {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Repr::Inline(n, a), Repr::Inline(m, b)) => n == m && a == b,
            (Repr::Shared(a), Repr::Shared(b)) => a == b,
            _ => false,
        }
    }
}
impl Eq for Repr {}

impl std::hash::Hash for KeyBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl std::fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyBytes({} bytes)", self.as_slice().len())
    }
}
