//! The bytes of a lock.

use cachekit_backends::Version;

use crate::engine::RemoteState;

const HELD: u8 = 1;
const OPEN: u8 = 2;

/// The right of one call to compute a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    owner: u128,
    state: u128,
    beat: u64,
}

/// The contents of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    Held(Claim),
    /// The computation ended with nothing to share.
    Open,
    /// Bytes of another layout.
    Foreign,
}

impl Claim {
    /// A claim of a new owner.
    pub(super) fn new(state: RemoteState) -> Self {
        // Each state is two numbers of which one is random, so that their sum identifies it.
        let state = state.generation().wrapping_add(state.token().0);
        Self { owner: Version::fresh().0, state, beat: 0 }
    }

    /// The next claim of the same owner.
    pub(super) fn next(self) -> Self {
        Self { beat: self.beat.wrapping_add(1), ..self }
    }

    /// Whether both are of one owner.
    pub(super) fn is_of_owner(&self, other: &Self) -> bool {
        self.owner == other.owner
    }

    /// Whether the owners of both saw the value's key in one state.
    pub(super) fn is_of_state(&self, other: &Self) -> bool {
        self.state == other.state
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![HELD];
        bytes.extend_from_slice(&self.owner.to_le_bytes());
        bytes.extend_from_slice(&self.state.to_le_bytes());
        bytes.extend_from_slice(&self.beat.to_le_bytes());
        bytes
    }
}

impl Lock {
    /// The bytes of an open lock.
    pub(super) fn open() -> Vec<u8> {
        vec![OPEN]
    }

    pub(super) fn read(bytes: &[u8]) -> Self {
        match bytes.split_first() {
            Some((&HELD, rest)) => Self::held(rest).unwrap_or(Self::Foreign),
            Some((&OPEN, [])) => Self::Open,
            _ => Self::Foreign,
        }
    }

    fn held(bytes: &[u8]) -> Option<Self> {
        let (owner, bytes) = bytes.split_first_chunk()?;
        let (state, bytes) = bytes.split_first_chunk()?;
        let (owner, state) = (u128::from_le_bytes(*owner), u128::from_le_bytes(*state));
        Some(Self::Held(Claim { owner, state, beat: u64::from_le_bytes(bytes.try_into().ok()?) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cachekit_backends::Token;

    #[test]
    fn a_lock_comes_back_and_other_bytes_are_foreign() {
        let claim = Claim::new(RemoteState::new(7, Token(5))).next();
        let bytes = claim.to_bytes();
        assert_eq!(Lock::read(&bytes), Lock::Held(claim));
        assert_eq!(Lock::read(&Lock::open()), Lock::Open);
        for cut in 0..bytes.len() {
            assert_eq!(Lock::read(&bytes[..cut]), Lock::Foreign, "{cut}");
        }
        assert_eq!(Lock::read(&[&bytes[..], b"x"].concat()), Lock::Foreign);
    }

    #[test]
    fn claims_differ_by_owner_and_by_state() {
        let (state, other) = (RemoteState::new(7, Token(5)), RemoteState::new(7, Token(6)));
        let (one, two, three) = (Claim::new(state), Claim::new(state), Claim::new(other));
        assert!(one.is_of_state(&two) && !one.is_of_state(&three));
        assert!(one.is_of_owner(&one.next()) && !one.is_of_owner(&two));
        assert_ne!(one.to_bytes(), one.next().to_bytes());
    }
}
