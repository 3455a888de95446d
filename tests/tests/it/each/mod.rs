//! `each`: a call for several ids, each of which is an entry of its own.

mod deletions;
mod failing;
mod fleet;
mod options;
mod shapes;
mod shared;
mod waiting;

use std::collections::HashMap;

use cachekit_tests::Calls;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    at: u64,
}

/// The bodies that ran, by their ids.
struct Ran(Mutex<Vec<Vec<u64>>>, Calls);

impl Ran {
    const fn new() -> Self {
        Self(Mutex::new(Vec::new()), Calls::new())
    }

    fn user(&self, id: u64) -> User {
        User { id, at: self.1.hit() }
    }

    /// Those of the ids that are there: no id from 100 on is.
    fn all(&self, ids: &[u64]) -> HashMap<u64, User> {
        self.0.lock().push(ids.to_vec());
        ids.iter().filter(|id| **id < 100).map(|id| (*id, self.user(*id))).collect()
    }

    fn take(&self) -> Vec<Vec<u64>> {
        std::mem::take(&mut self.0.lock())
    }
}

fn ids(users: &HashMap<u64, User>) -> Vec<u64> {
    let mut ids: Vec<u64> = users.keys().copied().collect();
    ids.sort_unstable();
    ids
}
