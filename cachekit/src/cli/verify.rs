//! `verify`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

use super::outcome::Outcome;
use super::store::{Found, State, must_list};
use super::table::{Table, bytes};
use super::{Session, progress, progress_ends};

/// How many keys are removed at a time.
const BATCH: usize = 100;

#[derive(Clone, Copy, Default)]
struct Total {
    entries: u64,
    bytes: u64,
}

impl Session<'_, '_> {
    pub(super) fn verify(&mut self, repair: bool) -> Outcome {
        must_list(&self.store)?;
        let engine = std::sync::Arc::clone(&self.store.engine);
        let began = engine.clock.now();
        let versions = self.store.versions()?;
        let mut totals: BTreeMap<State, Total> = State::ALL.map(|state| (state, Total::default())).into();
        let (mut dead, mut corrupt): (Vec<String>, Vec<String>) = Default::default();
        let mut seen = 0_usize;
        let streams = &mut *self.streams;
        self.store.each_value(
            "",
            |found| found.kind.is_value(),
            |Found { key, kind }, value| {
                // Gone since it was listed.
                let Some(value) = value else { return Ok(()) };
                seen += 1;
                progress(streams, seen, "entries")?;
                let mut state = versions.judge(&engine, &key, &kind, &value);
                // The version of an entry that was stored meanwhile may be newer than those that were read.
                let created = cachekit_backends::unseal(&super::keys::full(&engine, &key), &value)
                    .map_or(0, |(header, _)| header.created);
                if state == State::Orphaned && created >= began {
                    state = State::Unproven;
                }
                let total = totals.entry(state).or_default();
                total.entries += 1;
                total.bytes += value.len() as u64;
                if state.is_dead() {
                    dead.push(key.clone());
                }
                if state == State::Corrupt {
                    corrupt.push(key);
                }
                Ok(())
            },
        )?;
        progress_ends(self.streams)?;
        let mut removed = 0;
        if repair {
            for keys in dead.chunks(BATCH) {
                removed += self.store.delete_many(keys)?;
            }
        }
        let counts: BTreeMap<&str, u64> =
            totals.iter().map(|(state, total)| (state.word(), total.entries)).collect();
        self.print(
            || json!({ "entries": counts, "versions": versions.counts(), "corrupt": corrupt, "removed": removed }),
            || {
                let mut table = Table::new(&["state", ">entries", ">size"]);
                for (state, total) in &totals {
                    table.row([state.word().into(), total.entries.to_string(), bytes(total.bytes)]);
                }
                let mut text = table.render();
                for key in &corrupt {
                    let _ = writeln!(text, "corrupt: {key}");
                }
                if repair {
                    let _ = writeln!(text, "{removed} removed");
                }
                text
            },
        )?;
        let left = corrupt.len();
        if left > 0 && !repair {
            return self.nothing(format!("corrupt entries: {left}; `--repair` removes them"));
        }
        Ok(())
    }
}
