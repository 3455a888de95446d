//! The state of a store as a call saw it before it computed.

use cachekit_backends::Token;

/// The state under which a value is computed. It decides whether the value may be stored, and which calls may share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Snapshot {
    /// In process: the sequence of the store.
    Local { at: u64 },
    /// On a backend: the state of the entry; none if the backend did not answer.
    Remote(Option<RemoteState>),
}

/// The versions and the token of an entry, as the backend returned them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RemoteState {
    // Bytes: two numbers of 128 bits would be aligned, and so widen a snapshot in process.
    generation: [u8; 16],
    token: [u8; 16],
}

impl RemoteState {
    pub(crate) fn new(generation: u128, token: Token) -> Self {
        Self { generation: generation.to_ne_bytes(), token: token.0.to_ne_bytes() }
    }

    pub(crate) fn generation(self) -> u128 {
        u128::from_ne_bytes(self.generation)
    }

    pub(crate) fn token(self) -> Token {
        Token(u128::from_ne_bytes(self.token))
    }
}

impl Snapshot {
    /// Whether a call with the snapshot `ours` may take a value that is computed under `self`, on the backend.
    pub(crate) fn serves(&self, ours: &Self) -> bool {
        match (self, ours) {
            // Without an answer of the backend, deletions since are unknown: each call computes.
            (Self::Remote(Some(theirs)), Self::Remote(Some(ours))) => theirs == ours,
            _ => false,
        }
    }
}
