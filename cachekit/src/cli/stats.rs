//! `ping`, `stats` and `watch`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::outcome::{Failure, Outcome};
use super::table::{Table, bytes};
use super::{Session, progress, progress_ends};
use crate::cache::Health;

/// The counts of a listing.
#[derive(Default)]
pub(super) struct Counted {
    kinds: BTreeMap<&'static str, u64>,
    /// The entries of each function, of those without any too.
    pub(super) functions: BTreeMap<String, u64>,
}

impl Session<'_, '_> {
    pub(super) fn ping(&mut self) -> Outcome {
        let health = self.cache.health();
        let Health { backend, server, reachable, took, last_error, .. } = &health;
        let at = server.as_deref().unwrap_or("no server");
        if *reachable {
            return self.print(
                || json!({ "backend": backend, "server": server, "reachable": true, "micros": took.as_micros() }),
                || format!("{backend} at {at} answers in {}\n", micros(*took)),
            );
        }
        let why = last_error.as_ref().map_or_else(String::new, |last| format!(": {}", last.message));
        if self.json {
            let line = json!({ "backend": backend, "server": server, "reachable": false });
            writeln!(self.streams.out, "{line}")?;
        }
        self.nothing(format!("{backend} at {at} doesn't answer{why}"))
    }

    pub(super) fn stats(&mut self) -> Outcome {
        let (json, text) = self.gathered()?;
        self.print(|| json, || text)
    }

    fn gathered(&mut self) -> Outcome<(Value, String)> {
        let health = self.cache.health();
        if !health.reachable {
            let why = health.last_error.map_or_else(String::new, |last| format!(": {}", last.message));
            return Err(Failure::wrong(format!("{} doesn't answer{why}", health.backend)));
        }
        let counted = if self.store.lists() { Some(self.counted()?) } else { None };
        let usage = self.store.remote.usage();
        let mut text = String::new();
        let mut line = |name: &str, value: &str| _ = writeln!(text, "{name:<10}{value}");
        line("backend", &health.backend);
        if let Some(server) = &health.server {
            line("server", server);
        }
        line("prefix", self.prefix());
        line("answers", &format!("in {}", micros(health.took)));
        if let Some(size) = usage.bytes {
            line("disk", &bytes(size));
        }
        if let Some(Counted { kinds, functions }) = &counted {
            let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            line("keys", &if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") });
            if !functions.is_empty() {
                let mut table = Table::new(&["function", ">entries"]);
                for (name, count) in functions {
                    table.row([name.clone(), count.to_string()]);
                }
                let _ = write!(text, "\n{}", table.render());
            }
        } else {
            line("keys", "not known: this backend can't list them");
        }
        let json = json!({
            "backend": health.backend,
            "server": health.server,
            "prefix": self.prefix(),
            "micros": health.took.as_micros(),
            "bytes": usage.bytes,
            "keys": counted.as_ref().map(|counted| &counted.kinds),
            "functions": counted.as_ref().map(|counted| &counted.functions),
        });
        Ok((json, text))
    }

    /// Lists all keys, and counts them.
    pub(super) fn counted(&mut self) -> Outcome<Counted> {
        let mut counted = Counted::default();
        let mut keys = self.store.keys("");
        let mut seen = 0_usize;
        while let Some(found) = keys.next().transpose()? {
            seen += 1;
            progress(self.streams, seen, "keys")?;
            *counted.kinds.entry(found.kind.word()).or_default() += 1;
            if let Some(function) = found.kind.function() {
                *counted.functions.entry(function.to_owned()).or_default() +=
                    u64::from(found.kind.is_value());
            }
        }
        progress_ends(self.streams)?;
        Ok(counted)
    }

    pub(super) fn watch(&mut self, every: f64, count: Option<u64>) -> Outcome {
        let pause = Duration::try_from_secs_f64(every)
            .ok()
            .filter(|pause| !pause.is_zero())
            .ok_or_else(|| Failure::wrong(format!("`--every {every}` is no time between two tables")))?;
        let mut made = 0;
        loop {
            let (json, text) = self.gathered()?;
            if self.streams.terminal && !self.json {
                // To the top of the screen, and the rest of it empty.
                write!(self.streams.out, "\x1b[H\x1b[J")?;
            }
            self.print(|| json, || text)?;
            self.streams.out.flush()?;
            made += 1;
            if count.is_some_and(|count| made >= count) {
                return Ok(());
            }
            // The pause between two printed tables, as the user asked for.
            std::thread::sleep(pause);
        }
    }
}

/// A short time for a reader.
pub(super) fn micros(time: Duration) -> String {
    let nanos = time.as_nanos();
    match nanos {
        0..1_000_000 => format!("{}.{} µs", nanos / 1_000, nanos % 1_000 / 100),
        _ => format!("{}.{} ms", nanos / 1_000_000, nanos % 1_000_000 / 100_000),
    }
}
