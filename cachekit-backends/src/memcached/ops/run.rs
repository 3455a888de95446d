//! Runs tasks under the generations of their keys: both are read in one round trip.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Ops, Task};
use crate::memcached::exchange::Ask;
use crate::memcached::generation::Generations;
use crate::memcached::transport::Transport;
use crate::memcached::wire::WireKey;
use crate::memcached::wire::{Action, Mode, Reply, Request};
use crate::{Error, ErrorKind, Result};

/// How often tasks are tried under other generations. Two are enough, unless a server loses the item meanwhile.
const TRIES: usize = 6;

/// The reply to a task, and the generation of its key that it was done under.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) reply: Reply,
    pub(super) generation: u64,
}

/// Actions on one key under an earlier generation.
pub(super) struct Under<'a> {
    pub(super) key: &'a str,
    pub(super) generation: u64,
    pub(super) actions: Vec<Action<'a>>,
}

/// The tasks of one server.
struct Part {
    place: usize,
    /// The tasks' numbers.
    tasks: Vec<usize>,
    known: Option<Arc<Generations>>,
    /// Whether `known` was read since the operation began.
    learned: bool,
}

impl<T: Transport> Ops<'_, T> {
    /// Runs tasks, all servers at once; the answers, in order. An error of one server is the operation's, after the
    /// others have done their tasks.
    ///
    /// The keys carry the generations as last read, and these are read again ahead of the tasks. If they have changed, a
    /// `clear` came between, and the tasks run again. If that happens twice, the second `clear` is concurrent with this
    /// operation, which then counts as done before it.
    pub(super) async fn run(&self, tasks: &[Task<'_>]) -> Result<Vec<Answer>> {
        let mut answers: Vec<Option<Answer>> = vec![None; tasks.len()];
        let mut parts = self.parts(tasks);
        let mut failure = None;
        for _ in 0..TRIES {
            if parts.iter().any(|part| part.known.is_none()) {
                // Boxed: rarely needed, and a future is as large as its largest step.
                Box::pin(self.learn(&mut parts, &mut failure)).await;
            }
            if parts.is_empty() {
                break;
            }
            let asks: Vec<Ask<'_>> = parts.iter().map(|part| self.ask(part, tasks)).collect();
            let results = self.exchange(&asks).await;
            let mut left = Vec::new();
            for (mut part, result) in parts.into_iter().zip(results) {
                let mut replies = match result {
                    Ok(replies) => replies.into_iter(),
                    Err(error) => {
                        failure.get_or_insert(error);
                        continue;
                    }
                };
                let seen = self.note(part.place, replies.next().as_ref());
                let Some(known) = part.known.take() else { continue };
                let mut again = Vec::new();
                for (&task, reply) in part.tasks.iter().zip(replies) {
                    let (key, generation) = (tasks[task].key, known.of(tasks[task].key));
                    // Only tasks of cleared prefixes run again.
                    match &seen {
                        Some(seen) if part.learned || seen.of(key) == generation => {
                            answers[task] = Some(Answer { reply, generation });
                        }
                        _ => again.push(task),
                    }
                }
                if !again.is_empty() {
                    left.push(Part { learned: seen.is_some(), known: seen, tasks: again, ..part });
                }
            }
            parts = left;
        }
        match (failure, answers.into_iter().collect::<Option<Vec<_>>>()) {
            (Some(error), _) => Err(error),
            (None, Some(answers)) => Ok(answers),
            (None, None) => Err(lost()),
        }
    }

    /// Runs actions on keys under earlier generations, once, all servers at once; returns for each key the replies, and its
    /// generation now, or the error of its server.
    pub(super) async fn run_under(&self, asked: &[Under<'_>]) -> Vec<Result<(Vec<Reply>, Option<u64>)>> {
        let mut places: Vec<usize> = asked.iter().map(|one| self.servers.place(one.key)).collect();
        places.sort_unstable();
        places.dedup();
        let requests = |place: usize| {
            let mut requests =
                vec![Request { key: Cow::Borrowed(&self.servers.generation_key), action: Action::Get }];
            for one in asked.iter().filter(|one| self.servers.place(one.key) == place) {
                let key: Cow<'_, WireKey> = Cow::Owned(WireKey::of(one.key, one.generation));
                requests.extend(one.actions.iter().map(|&action| Request { key: key.clone(), action }));
            }
            requests
        };
        let asks: Vec<Ask<'_>> =
            places.iter().map(|&place| Ask { place, requests: requests(place) }).collect();
        let mut results = Vec::with_capacity(places.len());
        for (&place, result) in places.iter().zip(self.exchange(&asks).await) {
            results.push(result.map(|replies| {
                let mut replies = replies.into_iter();
                let seen = self.note(place, replies.next().as_ref());
                (replies, seen)
            }));
        }
        let answer = |one: &Under<'_>| {
            let at = places.binary_search(&self.servers.place(one.key)).ok();
            match at.and_then(|at| results.get_mut(at)) {
                Some(Ok((replies, seen))) => {
                    let replies = replies.by_ref().take(one.actions.len()).collect();
                    Ok((replies, seen.as_ref().map(|seen| seen.of(one.key))))
                }
                // Each key has an error of its own, since errors can't be cloned.
                Some(Err(error)) => Err(Error::new(error.kind(), error.to_string())),
                None => Err(lost()),
            }
        };
        asked.iter().map(answer).collect()
    }

    /// Whether the generations of all keys' servers were read before.
    pub(super) fn knows(&self, keys: &[&str]) -> bool {
        keys.iter().all(|key| self.servers.all[self.servers.place(key)].generations.read().is_some())
    }

    fn parts(&self, tasks: &[Task<'_>]) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for (number, task) in tasks.iter().enumerate() {
            let place = self.servers.place(task.key);
            if let Some(part) = parts.iter_mut().find(|part| part.place == place) {
                part.tasks.push(number);
            } else {
                let known = self.servers.all[place].generations.read().clone();
                parts.push(Part { place, tasks: vec![number], known, learned: false });
            }
        }
        parts.sort_unstable_by_key(|part| part.place);
        parts
    }

    fn ask<'t>(&'t self, part: &Part, tasks: &[Task<'t>]) -> Ask<'t> {
        let mut requests = Vec::with_capacity(part.tasks.len() + 1);
        requests.push(Request { key: Cow::Borrowed(&self.servers.generation_key), action: Action::Get });
        if let Some(known) = &part.known {
            requests.extend(part.tasks.iter().map(|&task| {
                let Task { key, action } = tasks[task];
                Request { key: Cow::Owned(WireKey::of(key, known.of(key))), action }
            }));
        }
        Ask { place: part.place, requests }
    }

    /// Takes the generations from a reply, and keeps them for the next operation.
    fn note(&self, place: usize, reply: Option<&Reply>) -> Option<Arc<Generations>> {
        let cached = &self.servers.all[place].generations;
        let Some(Reply::Item(found)) = reply else {
            *cached.write() = None;
            return None;
        };
        if let Some(known) = cached.read().as_ref().filter(|known| known.raw() == found.value) {
            return Some(Arc::clone(known));
        }
        let seen = Generations::parse(&found.value).map(Arc::new);
        cached.write().clone_from(&seen);
        seen
    }

    /// Reads the generations of servers where they aren't known, and makes those that are missing, in one round trip.
    async fn learn(&self, parts: &mut Vec<Part>, failure: &mut Option<Error>) {
        let key = &self.servers.generation_key;
        let mut mode = Mode::Add;
        for _ in 0..TRIES {
            // An item that was stored and lost may have been used: each try has another one.
            let fresh = Generations::fresh();
            let store = Action::Store { mode, flags: 0, expiry: 0, value: fresh.raw() };
            let ask = |part: &Part| Ask {
                place: part.place,
                requests: [store, Action::Get]
                    .map(|action| Request { key: Cow::Borrowed(key), action })
                    .into(),
            };
            let unknown: Vec<Ask<'_>> = parts.iter().filter(|part| part.known.is_none()).map(ask).collect();
            if unknown.is_empty() {
                return;
            }
            let results = self.exchange(&unknown).await;
            let mut results = unknown.iter().map(|ask| ask.place).zip(results).collect::<Vec<_>>();
            for (place, result) in results.drain(..) {
                match result {
                    Ok(replies) => {
                        let seen = self.note(place, replies.get(1));
                        if let (None, Some(Reply::Item(junk))) = (&seen, replies.get(1)) {
                            mode = Mode::Cas(junk.cas);
                        }
                        if let Some(part) = parts.iter_mut().find(|part| part.place == place) {
                            part.learned = seen.is_some();
                            part.known = seen;
                        }
                    }
                    Err(error) => {
                        failure.get_or_insert(error);
                        parts.retain(|part| part.place != place);
                    }
                }
            }
        }
        parts.retain(|part| part.known.is_some());
        failure.get_or_insert_with(lost);
    }
}

fn lost() -> Error {
    Error::new(
        ErrorKind::Full,
        "memcached loses items that were just written: it has too little memory (`-m`), or is flushed all the time",
    )
}
