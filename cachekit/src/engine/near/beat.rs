//! The thread that keeps a tier in step: it is registered, reads the mark, and empties the tier.

use std::sync::{Arc, Weak};
use std::time::Duration;

use cachekit_backends::{Result, Token, Ttl, Version};

use super::change::Known;
use super::{APPROACH, CLASSES, DISBELIEVE_AFTER, Near, PROLONG_AFTER, REGISTERED, now};
use crate::engine::remote::{Add, BlockingIo, Budget, Io, Operation, PutIf, Remote, ready, with_token};

/// The state of the thread.
pub(super) struct Beat {
    class: usize,
    registration: Option<Registration>,
    /// The mark that the tier is in step with.
    mark: Option<Version>,
}

/// A registration that this process has made or found.
struct Registration {
    text: Vec<u8>,
    /// When it was last prolonged, or before.
    prolonged: Duration,
    /// When the tier may serve.
    serves_from: Duration,
}

/// The answer to the question of a beat.
struct Heard {
    asked: Duration,
    registration: Option<Vec<u8>>,
    token: Token,
    mark: Option<Version>,
}

impl Near {
    /// Starts the thread of a cache's tier, if it needs one. It ends with the cache.
    pub(crate) fn start(remote: &Arc<Remote>) {
        let Some(near) = remote.near().filter(|near| near.is_timed()) else { return };
        Known::note_tier();
        let mut beat = Beat::new(near);
        let (pause, remote) = (near.staleness / 4, Arc::downgrade(remote));
        let run = move || {
            while let Some(alive) = Weak::upgrade(&remote) {
                if let Some(near) = alive.near() {
                    // An error is the backend's: the tier serves no longer when its time is over.
                    let _ = beat.beat(&alive, near);
                }
                drop(alive);
                // The pace of the beats: the thread has nothing else to wait for.
                std::thread::sleep(pause);
            }
        };
        if let Err(error) = std::thread::Builder::new().name("cachekit-near".into()).spawn(run) {
            tracing::warn!(target: "cachekit", "the near tier is off: its thread could not be started: {error}");
        }
    }
}

/// Carries an operation out without announcing it.
fn run<O: Operation>(remote: &Arc<Remote>, op: O) -> Result<O::Out> {
    ready(BlockingIo.carry_out(remote, &Budget::default(), op))
}

impl Beat {
    pub(super) fn new(near: &Near) -> Self {
        let class = CLASSES.iter().position(|class| near.staleness <= *class).unwrap_or(CLASSES.len() - 1);
        Self { class, registration: None, mark: None }
    }

    /// Reads the mark and the registration once, and brings the tier in step.
    ///
    /// # Errors
    /// The backend's. The tier goes on until its time is over.
    pub(super) fn beat(&mut self, remote: &Arc<Remote>, near: &Near) -> Result<()> {
        let heard = self.hear(remote)?;
        let known = self.registration.as_ref();
        let holds = known.is_some_and(|known| {
            heard.registration.as_ref() == Some(&known.text)
                && heard.asked < known.prolonged + DISBELIEVE_AFTER
        });
        if !holds {
            near.serve_until(Duration::ZERO);
            self.registration = self.register(remote, heard)?;
            self.mark = None;
            return Ok(());
        }
        if self.mark.is_none() || self.mark != heard.mark {
            near.empty();
            self.mark = heard.mark;
        }
        let Some(known) = &mut self.registration else { return Ok(()) };
        if heard.asked >= known.serves_from {
            near.serve_until((heard.asked + near.staleness).min(known.prolonged + DISBELIEVE_AFTER));
        }
        if heard.asked >= known.prolonged + PROLONG_AFTER {
            let (began, text) = (now(), known.text.clone());
            let key = &remote.known().keys.registrations[self.class];
            if prolong(remote, key, text, heard.token)? {
                known.prolonged = began;
            }
            record(remote, self.class, false)?;
        }
        Ok(())
    }

    /// Reads the mark and the registration.
    fn hear(&self, remote: &Arc<Remote>) -> Result<Heard> {
        let keys = &remote.known().keys;
        let (asked, own, mark) = (now(), Budget::default(), [keys.mark.clone()]);
        let key = &keys.registrations[self.class];
        let (fetched, token) = ready(with_token(BlockingIo, remote, &own, key, &mark))?;
        Ok(Heard { asked, registration: fetched.entry, token, mark: fetched.versions.first().copied() })
    }

    /// Registers this process, beside others of its class if there are any.
    fn register(&self, remote: &Arc<Remote>, heard: Heard) -> Result<Option<Registration>> {
        let (prolonged, is_new) = (now(), heard.registration.is_none());
        let key = &remote.known().keys.registrations[self.class];
        let (text, done) = if let Some(text) = heard.registration {
            (text.clone(), prolong(remote, key, text, heard.token)?)
        } else {
            let text = Version::fresh().to_bytes().to_vec();
            let add = Add { key: key.clone(), value: text.clone(), life: Some(REGISTERED) };
            (text, run(remote, add)?)
        };
        // After the registration, which counts where this fails.
        let done = done && record(remote, self.class, is_new)?;
        Ok(done.then(|| Registration { text, prolonged, serves_from: now() + APPROACH }))
    }
}

/// Has the registry say that a class is registered; false if another process wrote it meanwhile.
fn record(remote: &Arc<Remote>, class: usize, is_new: bool) -> Result<bool> {
    let known = remote.known();
    let key = &known.keys.registry;
    let (found, token) = ready(with_token(BlockingIo, remote, &Budget::default(), key, &[]))?;
    let Some(value) = known.registered(found.entry.as_deref(), class, is_new) else { return Ok(true) };
    run(remote, put(key, value, None, token))
}

fn prolong(remote: &Arc<Remote>, key: &str, text: Vec<u8>, token: Token) -> Result<bool> {
    run(remote, put(key, text, Some(REGISTERED), token))
}

fn put(key: &str, value: Vec<u8>, life: Ttl, token: Token) -> PutIf {
    PutIf { key: key.to_owned(), value, life, token, replaces: false, versions: Vec::new() }
}
