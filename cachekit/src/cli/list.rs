//! `functions` and `ls`.

use std::time::Duration;

use cachekit_backends::unseal;
use serde_json::{Value, json};

use super::Session;
use super::keys::full;
use super::outcome::Outcome;
use super::show::times;
use super::store::{Found, must_list};
use super::table::{Table, bytes, span};

/// A key, and its value where that was read.
type Row = (Found, Option<Vec<u8>>);

impl Session<'_, '_> {
    pub(super) fn functions(&mut self) -> Outcome {
        must_list(&self.store)?;
        let counts = self.counted()?.functions;
        if counts.is_empty() && !self.json {
            return self.nothing(format!("no function has entries under the prefix `{}`", self.prefix()));
        }
        let json = || {
            let list = counts.iter().map(|(name, count)| json!({ "function": name, "entries": count }));
            Value::Array(list.collect())
        };
        self.print(json, || {
            let mut table = Table::new(&["function", ">entries"]);
            for (name, count) in &counts {
                table.row([name.clone(), count.to_string()]);
            }
            table.render()
        })
    }

    /// The prefix of the keys, as it is configured.
    pub(super) fn prefix(&self) -> &str {
        self.store.engine.prefix.trim_end_matches('|')
    }

    pub(super) fn ls(&mut self, function: Option<&str>, long: bool, limit: Option<usize>) -> Outcome {
        must_list(&self.store)?;
        let wanted = |found: &Found| match function.map(|name| (name, name.strip_suffix('*'))) {
            None => true,
            Some((_, Some(begin))) => found.kind.function().is_some_and(|name| name.starts_with(begin)),
            Some((name, None)) => found.kind.function() == Some(name),
        };
        let limit = limit.unwrap_or(usize::MAX);
        let mut rows: Vec<Row> = Vec::new();
        if long {
            self.store.each_value("", wanted, |found, value| {
                rows.extend((rows.len() < limit).then_some((found, value)));
                Ok(())
            })?;
        } else {
            for found in self.store.keys("") {
                let found = found?;
                if wanted(&found) {
                    rows.push((found, None));
                }
                if rows.len() >= limit {
                    break;
                }
            }
        }
        if rows.is_empty() && !self.json {
            let of = function.map_or_else(String::new, |name| format!(" of `{name}`"));
            return self.nothing(format!("no key{of} under the prefix `{}`", self.prefix()));
        }
        rows.sort_by(|(a, _), (b, _)| a.key.cmp(&b.key));
        if self.json { self.print_lines(&rows) } else { self.print_rows(&rows, long) }
    }

    fn print_lines(&mut self, rows: &[Row]) -> Outcome {
        let engine = &self.store.engine;
        for (found, value) in rows {
            let mut line =
                json!({ "key": found.key, "kind": found.kind.word(), "function": found.kind.function() });
            if let (Value::Object(map), Some(value)) = (&mut line, value) {
                map.insert("bytes".into(), value.len().into());
                if let Ok((header, _)) = unseal(&full(engine, &found.key), value) {
                    map.extend(times(&header));
                }
            }
            writeln!(self.streams.out, "{line}")?;
        }
        Ok(())
    }

    fn print_rows(&mut self, rows: &[Row], long: bool) -> Outcome {
        let engine = &self.store.engine;
        let now = engine.clock.now();
        let head: &[&str] = if long { &["kind", ">size", ">age", ">left", "key"] } else { &["kind", "key"] };
        let mut table = Table::new(head);
        for (Found { key, kind }, value) in rows {
            let kind = kind.word().to_owned();
            if !long {
                table.row([kind, key.clone()]);
                continue;
            }
            let size = value.as_ref().map_or_else(|| "gone".to_owned(), |value| bytes(value.len() as u64));
            let header = value.as_deref().and_then(|value| unseal(&full(engine, key), value).ok());
            let (age, left) = match header {
                Some((header, _)) => {
                    let left = header.life_left(now).map_or_else(|| "never".to_owned(), span);
                    (span(Duration::from_millis(now.saturating_sub(header.created))), left)
                }
                None => ("–".to_owned(), "–".to_owned()),
            };
            table.row([kind, size, age, left, key.clone()]);
        }
        write!(self.streams.out, "{}", table.render())?;
        Ok(())
    }
}
