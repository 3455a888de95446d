//! The writes of several entries, which go to the backend together.

use crate::call::inputs::Call;
use crate::call::look::survived;
use crate::call::store::Write;
use crate::engine::remote::{DeleteMany, Io, PutIf, PutIfMany};
use crate::engine::stats::Event;

/// Values to be stored, and entries to be removed.
pub(super) struct Writes {
    puts: Vec<PutIf>,
    removals: Vec<String>,
    /// The values replace what is there.
    replaces: bool,
}

impl Extend<Write> for Writes {
    fn extend<I: IntoIterator<Item = Write>>(&mut self, writes: I) {
        for write in writes {
            match write {
                Write::Put(put) => self.puts.push(put),
                Write::Remove(key) => self.removals.push(key),
            }
        }
    }
}

impl Writes {
    pub(super) fn new(call: &Call<'_>) -> Self {
        Self { puts: Vec::new(), removals: Vec::new(), replaces: call.refresh }
    }

    /// Makes the writes. An error is counted and logged.
    pub(super) async fn run<D: Io>(self, io: D, call: &Call<'_>) {
        let Self { puts, mut removals, replaces } = self;
        let Some(remote) = &call.engine.remote else { return };
        if !puts.is_empty() {
            let keys: Vec<String> =
                if replaces { puts.iter().map(|put| put.key.clone()).collect() } else { Vec::new() };
            match io.call_within(remote, &call.budget, PutIfMany { items: puts, replaces }).await {
                Ok(stored) => {
                    stored.iter().filter(|stored| **stored).for_each(|_| call.count(Event::Store));
                    // The entry that was stored meanwhile may be older than the refresh that was to replace it.
                    let refused = keys.into_iter().zip(stored).filter(|(_, stored)| !stored);
                    removals.extend(refused.map(|(key, _)| key));
                }
                Err(error) => survived(call, remote, &error),
            }
        }
        if !removals.is_empty() {
            let removed = io.call_within(remote, &call.budget, DeleteMany { keys: removals }).await;
            if let Err(error) = removed {
                survived(call, remote, &error);
            }
        }
    }
}
