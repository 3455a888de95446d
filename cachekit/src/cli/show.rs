//! `show`.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use cachekit_backends::{Content, Header, Version, decode, unseal};
use serde_json::{Map, Value, json};

use super::Session;
use super::json::Json;
use super::keys::{Kind, full, short};
use super::outcome::{Failure, Outcome};
use super::store::State;
use super::table::{bytes, span};

/// An instant, in milliseconds since the Unix epoch, as text.
fn instant(millis: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(millis)).to_string()
}

/// The times of a header.
pub(super) fn times(header: &Header) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("created".into(), instant(header.created).into());
    map.insert("expires".into(), header.expiry.map(instant).into());
    if let Some(fresh) = header.fresh {
        map.insert("fresh_until".into(), instant(fresh).into());
    }
    map
}

impl Session<'_, '_> {
    pub(super) fn show(&mut self, key: &str) -> Outcome {
        let engine = std::sync::Arc::clone(&self.store.engine);
        let key = short(&engine, key);
        let Some(found) = self.store.value(key)? else {
            return self.nothing(format!("there is no key `{key}` under the prefix `{}`", self.prefix()));
        };
        let kind = Kind::of(key);
        if !kind.is_value()
            && let Some(version) = Version::from_bytes(&found)
        {
            let version = format!("{:032x}", version.0);
            return self.print(
                || json!({ "key": key, "kind": kind.word(), "version": version }),
                || format!("key      {key}\nkind     {}\nversion  {version}\n", kind.word()),
            );
        }
        let (header, payload) = unseal(&full(&engine, key), &found).map_err(|reject| {
            Failure::nothing(format!("the {} bytes of `{key}` are no entry: {reject:?}", found.len()))
        })?;
        let value = decode::<Json>(payload).map(|Json(value)| value);
        let state = if self.store.lists() {
            Some(self.store.versions()?.judge(&engine, key, &kind, &found))
        } else {
            None
        };
        self.print(
            || {
                let mut map = Map::new();
                map.insert("key".into(), key.into());
                map.insert("kind".into(), kind.word().into());
                map.insert("function".into(), kind.function().into());
                map.insert("bytes".into(), found.len().into());
                map.extend(times(&header));
                map.insert("error".into(), header.is_err.into());
                map.insert("generation".into(), format!("{:032x}", header.generation).into());
                map.insert("state".into(), state.map(State::word).into());
                map.insert("value".into(), value.as_ref().map_or(Value::Null, Clone::clone));
                map.into()
            },
            || {
                let mut text = String::new();
                let mut line = |name: &str, value: &str| {
                    let _ = writeln!(text, "{name:<12}{value}");
                };
                line("key", key);
                line("kind", kind.word());
                if let Some(function) = kind.function() {
                    line("function", function);
                }
                if let Kind::Entry { version: Some(version), .. } = &kind {
                    line("version", version);
                }
                line("size", &bytes(found.len() as u64));
                let now = engine.clock.now();
                let age = Duration::from_millis(now.saturating_sub(header.created));
                line("created", &format!("{} ({} ago)", instant(header.created), span(age)));
                let expires = match header.expiry {
                    None => "never".to_owned(),
                    Some(at) if at <= now => format!("{} (over)", instant(at)),
                    Some(at) => format!("{} (in {})", instant(at), span(Duration::from_millis(at - now))),
                };
                line("expires", &expires);
                if let Some(fresh) = header.fresh {
                    line("fresh until", &instant(fresh));
                }
                line("generation", &format!("{:032x}", header.generation));
                let of = match header.content {
                    Content::Integer => "an integer".to_owned(),
                    Content::Value(fingerprint) => format!("{fingerprint:016x}"),
                };
                line("type", &if header.is_err { format!("{of}, an `Err`") } else { of });
                if let Some(state) = state {
                    line("state", state.word());
                }
                match &value {
                    Ok(value) => {
                        let _ = writeln!(text, "\n{value:#}");
                    }
                    Err(_) => {
                        let _ =
                            writeln!(text, "\n{} of no form that can be shown", bytes(payload.len() as u64));
                    }
                }
                text
            },
        )
    }
}
