use std::borrow::Cow;

use super::{Ops, contended};
use crate::memcached::exchange::Ask;
use crate::memcached::generation::Generations;
use crate::memcached::transport::Transport;
use crate::memcached::wire::{Action, Mode, Reply, Request};
use crate::{Error, Result};

/// How often a server's item is tried when other clients change it at the same time.
const TRIES: usize = 100;

/// A change of a server's item.
struct Change {
    place: usize,
    next: Generations,
    mode: Mode,
}

impl Change {
    fn store(&self) -> (usize, Action<'_>) {
        (self.place, Action::Store { mode: self.mode, flags: 0, expiry: 0, value: self.next.raw() })
    }
}

impl<T: Transport> Ops<'_, T> {
    /// Gives the keys that begin with the prefix another generation on every server. A server that can't be reached is an error,
    /// after the others have done it.
    pub(in crate::memcached) async fn clear(&self, prefix: &str) -> Result<()> {
        let mut left: Vec<usize> = (0..self.servers.all.len()).collect();
        let mut failure = None;
        for _ in 0..TRIES {
            let mut changes = Vec::new();
            for (place, reply) in
                self.each(left.iter().map(|&place| (place, Action::Get)), &mut failure).await
            {
                let (old, mode) = match reply {
                    Reply::Item(found) => {
                        (Generations::parse(&found.value), Mode::Cas(super::numbered(found.cas)?))
                    }
                    _ => (None, Mode::Add),
                };
                // Without an item no key of the server can be found.
                let next = old.map_or_else(|| Ok(Generations::fresh()), |old| old.cleared(prefix))?;
                changes.push(Change { place, next, mode });
            }
            left.clear();
            for (place, reply) in self.each(changes.iter().map(Change::store), &mut failure).await {
                // The known item is stale: this or another client has changed it.
                *self.servers.all[place].generations.write() = None;
                match reply {
                    Reply::Stored => {}
                    Reply::TooLarge | Reply::NoRoom => {
                        failure.get_or_insert_with(|| self.no_room(prefix));
                    }
                    _ => left.push(place),
                }
            }
            if left.is_empty() {
                return failure.map_or(Ok(()), Err);
            }
        }
        Err(contended(prefix))
    }

    /// Runs an action on the generations of several servers at once; collects the first error.
    async fn each<'t>(
        &'t self,
        actions: impl Iterator<Item = (usize, Action<'t>)>,
        failure: &mut Option<Error>,
    ) -> Vec<(usize, Reply)> {
        let key = &self.servers.generation_key;
        let ask =
            |(place, action)| Ask { place, requests: vec![Request { key: Cow::Borrowed(key), action }] };
        let asks: Vec<Ask<'t>> = actions.map(ask).collect();
        let mut done = Vec::new();
        for (ask, result) in asks.iter().zip(self.exchange(&asks).await) {
            match result {
                Ok(replies) => done.extend(replies.into_iter().next().map(|reply| (ask.place, reply))),
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        done
    }
}
