//! The defaults of the operations on several entries that depend on versions.

use std::collections::HashMap;

use crate::{Fetched, Version};

/// An entry, and the keys of the versions that it depends on.
type Asked<'k> = (&'k str, &'k [&'k str]);

/// Keys, each once.
#[derive(Default)]
pub(crate) struct Distinct<'k> {
    pub(crate) keys: Vec<&'k str>,
    places: HashMap<&'k str, usize>,
}

impl<'k> Distinct<'k> {
    /// Adds a key unless it is there, and returns its place in the list.
    pub(crate) fn add(&mut self, key: &'k str) -> usize {
        *self.places.entry(key).or_insert_with(|| {
            self.keys.push(key);
            self.keys.len() - 1
        })
    }
}

/// The keys of several entries and of their versions, and what was read of them.
pub(crate) struct Many<'k> {
    entries: &'k [Asked<'k>],
    distinct: Distinct<'k>,
    /// For each entry its own place, then those of its versions.
    places: Vec<Vec<usize>>,
    found: Vec<Option<Vec<u8>>>,
    versions: Vec<Option<Version>>,
}

impl<'k> Many<'k> {
    pub(crate) fn new(entries: &'k [Asked<'k>]) -> Self {
        let mut distinct = Distinct::default();
        let places = entries
            .iter()
            .map(|(entry, versions)| {
                std::iter::once(entry).chain(*versions).map(|key| distinct.add(key)).collect()
            })
            .collect();
        Self { entries, distinct, places, found: Vec::new(), versions: Vec::new() }
    }

    /// The keys to read.
    pub(crate) fn keys(&self) -> &[&'k str] {
        &self.distinct.keys
    }

    /// Takes the values under the keys.
    pub(crate) fn read(&mut self, mut found: Vec<Option<Vec<u8>>>) {
        // A backend may answer with fewer values than it was asked for, by mistake.
        found.resize(self.distinct.keys.len(), None);
        self.versions = found.iter().map(|bytes| bytes.as_deref().and_then(Version::from_bytes)).collect();
        self.found = found;
    }

    /// Returns an entry of which a version is unknown, for `fetch` to make it.
    pub(crate) fn lacking(&self) -> Option<Asked<'k>> {
        let lacks = |places: &Vec<usize>| places[1..].iter().any(|&at| self.version(at).is_none());
        self.places.iter().position(lacks).map(|at| self.entries[at])
    }

    fn version(&self, at: usize) -> Option<Version> {
        self.versions.get(at).copied().flatten()
    }

    /// Takes the versions of an entry, as `fetch` returned them.
    pub(crate) fn learn(&mut self, (_, versions): Asked<'k>, fetched: &Fetched) {
        for (number, key) in versions.iter().enumerate() {
            let at = self.distinct.add(key);
            // A version that isn't told is one that was never used.
            let told = fetched.versions.get(number).copied().unwrap_or_else(Version::fresh);
            if let Some(version @ None) = self.versions.get_mut(at) {
                *version = Some(told);
            }
        }
    }

    /// The answers, in the order of the entries.
    pub(crate) fn answers(self) -> Vec<Fetched> {
        let answer = |places: &Vec<usize>| {
            let versions = places[1..].iter().filter_map(|&at| self.version(at)).collect();
            Fetched::new(self.found.get(places[0]).cloned().flatten(), versions, None)
        };
        self.places.iter().map(answer).collect()
    }
}
