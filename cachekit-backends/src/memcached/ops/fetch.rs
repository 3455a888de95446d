use super::read::Content;
use super::run::Answer;
use super::write::token_of;
use super::{Ops, Task, contended, numbered};
use crate::many::Distinct;
use crate::memcached::transport::Transport;
use crate::memcached::wire::{Action, Mode, Reply};
use crate::{Fetched, Result, Token, Version};

/// The TTL of a stub: a computation that takes longer is not stored.
pub(super) const LEASE: u32 = 60 * 60;
const TRIES: usize = 8;

/// Why a version isn't known yet.
enum Lack {
    Missing,
    /// The item with this number is no version.
    Junk(u64),
}

impl<T: Transport> Ops<'_, T> {
    /// Returns the state of a key. An absent key gets a stub, so that it has a state that a deletion changes.
    pub(in crate::memcached) async fn token(&self, key: &str) -> Result<Token> {
        let action = Action::Lease { seconds: LEASE, value: false };
        for _ in 0..TRIES {
            match self.run(&[Task { key, action }]).await?.pop() {
                Some(Answer { reply: Reply::Item(found), generation }) => {
                    return Ok(token_of(generation, numbered(found.cas)?));
                }
                Some(Answer { reply: Reply::NoRoom, .. }) => return Err(self.no_room(key)),
                // The item was removed between the look and the stub.
                _ => {}
            }
        }
        Err(contended(key))
    }

    pub(in crate::memcached) async fn fetch(&self, entry: &str, keys: &[&str]) -> Result<Fetched> {
        let mut found = self.leased(&[entry], keys).await?;
        let (value, token) = found.entries.pop().unwrap_or_default();
        Ok(Fetched::new(value, found.versions, token))
    }

    pub(in crate::memcached) async fn fetch_many(&self, entries: &[(&str, &[&str])]) -> Result<Vec<Fetched>> {
        let (mut keys, mut versions) = (Distinct::default(), Distinct::default());
        let places: Vec<(usize, Vec<usize>)> = entries
            .iter()
            .map(|(entry, of)| (keys.add(entry), of.iter().map(|key| versions.add(key)).collect()))
            .collect();
        let found = self.leased(&keys.keys, &versions.keys).await?;
        let fetched = |(entry, of): (usize, Vec<usize>)| {
            let (value, token) = found.entries[entry].clone();
            Fetched::new(value, of.into_iter().map(|at| found.versions[at]).collect(), token)
        };
        Ok(places.into_iter().map(fetched).collect())
    }

    /// Reads entries and versions; leaves a stub where an entry is absent, and makes the versions that are missing.
    async fn leased(&self, entries: &[&str], keys: &[&str]) -> Result<Leased> {
        let lease = Action::Lease { seconds: LEASE, value: true };
        // Where the generations are unknown, this is a first call, and the versions may be missing too: they are made in the
        // same round trip.
        let lacks: Vec<Lack> = keys.iter().map(|_| Lack::Missing).collect();
        let wanted: Vec<(&str, Lack)> = keys.iter().copied().zip(lacks).collect();
        let fresh = (!self.knows(keys)).then(|| proposals(&wanted));
        let mut tasks: Vec<Task<'_>> = entries.iter().map(|&key| Task { key, action: lease }).collect();
        tasks.extend(version_tasks(&wanted, fresh.as_deref()));
        let mut answers = self.run(&tasks).await?.into_iter();
        let of_entries: Vec<Answer> = answers.by_ref().take(entries.len()).collect();
        let step = if fresh.is_some() { 2 } else { 1 };
        let answers: Vec<Answer> = answers.skip(step - 1).step_by(step).collect();

        let mut versions: Vec<std::result::Result<Version, Lack>> =
            answers.iter().map(|answer| version(&answer.reply)).collect();
        for _ in 0..TRIES {
            let (places, wanted) = lacking(keys, &versions);
            if wanted.is_empty() {
                break;
            }
            let fresh = proposals(&wanted);
            let tasks: Vec<Task<'_>> = version_tasks(&wanted, Some(&fresh)).collect();
            let answers = Box::pin(self.run(&tasks)).await?;
            for (place, answer) in places.into_iter().zip(answers.iter().skip(1).step_by(2)) {
                versions[place] = version(&answer.reply);
            }
        }
        let versions: Option<Vec<Version>> = versions.into_iter().map(std::result::Result::ok).collect();
        let Some(versions) = versions else {
            return Err(contended(entries.first().copied().unwrap_or_default()));
        };

        let (mut tokens, mut contents) = (Vec::new(), Vec::new());
        for answer in of_entries {
            if let Answer { reply: Reply::Item(found), generation } = answer {
                tokens.push(Some(token_of(generation, numbered(found.cas)?)));
                contents.push(self.content_of(found));
            } else {
                tokens.push(None);
                contents.push(Content::Nothing);
            }
        }
        let values = self.values(contents).await?;
        Ok(Leased { entries: values.into_iter().zip(tokens).collect(), versions })
    }
}

/// Entries with their tokens, and versions, as they were read together.
struct Leased {
    entries: Vec<(Option<Vec<u8>>, Option<Token>)>,
    versions: Vec<Version>,
}

fn proposals(wanted: &[(&str, Lack)]) -> Vec<[u8; 16]> {
    wanted.iter().map(|_| Version::fresh().to_bytes()).collect()
}

/// Reads versions; proposes each before, if there are proposals.
fn version_tasks<'t>(
    wanted: &'t [(&'t str, Lack)],
    proposals: Option<&'t [[u8; 16]]>,
) -> impl Iterator<Item = Task<'t>> {
    wanted.iter().enumerate().flat_map(move |(i, (key, lack))| {
        let propose = proposals.map(|proposals| {
            let mode = match lack {
                Lack::Missing => Mode::Add,
                Lack::Junk(cas) => Mode::Cas(*cas),
            };
            Action::Store { mode, flags: 0, expiry: 0, value: &proposals[i] }
        });
        propose.into_iter().chain([Action::Get]).map(move |action| Task { key, action })
    })
}

fn version(reply: &Reply) -> std::result::Result<Version, Lack> {
    match reply {
        Reply::Item(found) => match Version::from_bytes(&found.value) {
            Some(version) => Ok(version),
            None => Err(Lack::Junk(found.cas)),
        },
        _ => Err(Lack::Missing),
    }
}

/// The keys without a known version, with their places in the list.
fn lacking<'k>(
    keys: &[&'k str],
    versions: &[std::result::Result<Version, Lack>],
) -> (Vec<usize>, Vec<(&'k str, Lack)>) {
    let lack = |(place, version): (usize, &std::result::Result<Version, Lack>)| match version {
        Ok(_) => None,
        Err(Lack::Missing) => Some((place, (keys[place], Lack::Missing))),
        Err(Lack::Junk(cas)) => Some((place, (keys[place], Lack::Junk(*cas)))),
    };
    versions.iter().enumerate().filter_map(lack).unzip()
}
