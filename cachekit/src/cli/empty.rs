//! The deletions, and `clear`.

use serde_json::json;

use super::Session;
use super::keys::short;
use super::outcome::{Failure, Outcome};
use super::store::version_of;
use crate::call::path::version_key_of as version_of_view;
use crate::call::tags::{self, version_key_of as version_of_tag};

impl Session<'_, '_> {
    fn done(&mut self, what: &str) -> Outcome {
        self.print(|| json!({ "deleted": what }), || format!("deleted {what}\n"))
    }

    /// Removes a version, also one that isn't there: it may belong to a computation that is under way.
    fn remove_version(&mut self, key: &str, what: &str) -> Outcome {
        if self.store.delete(key)? {
            return self.done(what);
        }
        self.nothing(format!("nothing is stored of {what}, under the prefix `{}`", self.prefix()))
    }

    pub(super) fn delete(&mut self, function: &str, instance: Option<&str>) -> Outcome {
        let key = version_of(&self.store.engine, function, instance);
        let of = instance.map_or_else(String::new, |digest| format!(" on the instance `{digest}`"));
        match self.remove_version(&key, &format!("the function `{function}`{of}")) {
            Err(Failure::Nothing(message)) => {
                let near = self.near(function)?;
                self.nothing(format!("{message}{near}"))
            }
            ended => ended,
        }
    }

    /// The functions that may have been meant.
    fn near(&mut self, name: &str) -> Outcome<String> {
        if !self.store.lists() {
            return Ok(String::new());
        }
        let last = |name: &str| name.rsplit("::").next().unwrap_or_default().to_lowercase();
        let known = self.counted()?.functions;
        let near: Vec<&str> = known
            .keys()
            .filter(|known| known.as_str() != name && strsim::osa_distance(&last(known), &last(name)) <= 2)
            .map(String::as_str)
            .take(3)
            .collect();
        Ok(if near.is_empty() {
            "; `cachekit functions` lists those that have entries".to_owned()
        } else {
            format!("; there is {}", near.join(", "))
        })
    }

    pub(super) fn delete_tag(&mut self, tag: &str) -> Outcome {
        let key = version_of_tag(&self.store.engine, tags::Kind::Tag, tag);
        let key = short(&self.store.engine, &key).to_owned();
        self.remove_version(&key, &format!("the tag `{tag}`"))
    }

    pub(super) fn delete_view(&mut self, path: &str) -> Outcome {
        if !path.starts_with('/') {
            return Err(Failure::wrong(format!("`{path}` is no path of a request: it begins with `/`")));
        }
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let key = version_of_view(&self.store.engine, path);
        let key = short(&self.store.engine, &key).to_owned();
        self.remove_version(&key, &format!("the path `{path}`"))
    }

    pub(super) fn delete_key(&mut self, key: &str) -> Outcome {
        if !self.store.delete(key)? {
            return self.nothing(format!("there is no key `{key}` under the prefix `{}`", self.prefix()));
        }
        self.done(&format!("the key `{key}`"))
    }

    pub(super) fn clear(&mut self, yes: bool) -> Outcome {
        let store = &self.store;
        let server = store.remote.location().map_or_else(String::new, |at| format!(" at {at}"));
        let what =
            format!("everything under the prefix `{}` on {}{server}", self.prefix(), store.remote.name());
        if !yes {
            if !self.streams.terminal {
                return Err(Failure::wrong("`clear` asks, and no terminal is there to answer: add --yes"));
            }
            write!(self.streams.err, "Remove {what}? [y/N] ")?;
            self.streams.err.flush()?;
            let mut answer = String::new();
            self.streams.input.read_line(&mut answer)?;
            if !matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
                return self.nothing("nothing was removed");
            }
        }
        self.cache.clear()?;
        self.done(&what)
    }
}
