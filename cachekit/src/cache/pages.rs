//! Whole responses as entries: the operations that the web layer is built on. The page's type is the layer's affair.

use std::hash::Hasher;
use std::sync::Arc;

use cachekit_backends::simple::{Draft, SimpleStore};
use cachekit_backends::{Lifetime, Matcher, Token, Unsealed, combine, seal_value, unseal_value};

use super::Inner;
use crate::flight::Role;
use crate::link::{AsyncIo, Fetch, Io, PutIf, TokenOf};
use crate::memo::parts::KeyPart;
use crate::memo::policy::Storable;
use crate::memo::site::Function;
use crate::memo::target::{LocalKey, SharedKey};
use crate::memo::view::Path;
use crate::memo::{Evidence, Seen};
use crate::stats::Event;

/// Where a page is.
pub(crate) struct PageSpot {
    function: &'static Function,
    local: LocalKey,
    shared: Option<SharedKey>,
}

/// What a look at a page gave, and what was seen besides.
pub(crate) struct PageLook<T> {
    pub(crate) page: Option<Arc<T>>,
    state: State,
    since: u64,
}

/// The state of the store at a look.
enum State {
    Local {
        at: u64,
    },
    /// The backend didn't answer.
    Down,
    Seen {
        generation: u128,
        token: Option<Token>,
    },
}

impl PageSpot {
    /// A number for it, of this process.
    pub(crate) fn digest(&self) -> u64 {
        self.local.key.digest
    }
}

impl Inner {
    /// Where the page of a path is; `parts` tell the pages of one path apart.
    pub(crate) fn page_spot(
        &self,
        function: &'static Function,
        path: &str,
        parts: &impl KeyPart,
    ) -> PageSpot {
        let instance = (Path(path),);
        let digest = function.digest(&self.local, parts);
        PageSpot {
            function,
            local: function.local_key(self, digest, parts, &instance),
            shared: self.link.is_some().then(|| function.shared_key(self, parts, &instance)),
        }
    }

    /// Looks a page up; one round trip. A backend that fails is a miss, counted and logged.
    pub(crate) async fn page_look<T: Storable>(&self, spot: &PageSpot) -> PageLook<T> {
        // Before the look, so that nothing which lands in between is missed.
        let since = self.flights.completions(&spot.local.key);
        let (Some(link), Some(key)) = (&self.link, &spot.shared) else {
            let at = self.local.now();
            let bytes = spot.local.key.bytes.as_slice();
            let feed = |m: &mut Matcher<'_>| m.write(bytes);
            let entry = self.local.read(spot.local.key.digest, feed, Arc::clone);
            let page = entry.and_then(|entry| entry.value::<Arc<T>>().cloned());
            return PageLook { page, state: State::Local { at }, since };
        };
        let fetch = Fetch { entry: key.entry.clone(), versions: key.versions.clone() };
        match AsyncIo.call(link, fetch).await {
            Ok(fetched) => {
                let generation = combine(&fetched.versions);
                let page = fetched.entry.and_then(|bytes| {
                    match unseal_value(&key.entry, &bytes, self.clock.now(), generation) {
                        Unsealed::Value(page) => Some(Arc::new(page)),
                        Unsealed::Expired | Unsealed::OtherGeneration => None,
                        Unsealed::Unreadable(_) => {
                            self.page_count(spot, Event::Error);
                            None
                        }
                    }
                });
                PageLook { page, state: State::Seen { generation, token: fetched.token }, since }
            }
            Err(error) => {
                self.page_count(spot, Event::Error);
                link.report("a response is made", &error);
                PageLook { page: None, state: State::Down, since }
            }
        }
    }

    /// What the look says about the validity of what is made after it. Asks the backend for the token, if the look didn't
    /// bring it.
    pub(crate) async fn page_evidence<T>(&self, spot: &PageSpot, look: &PageLook<T>) -> Evidence {
        match (&look.state, &self.link, &spot.shared) {
            (State::Local { at }, ..) => {
                Evidence::Birth { function: spot.function.number, instance: spot.local.instance, at: *at }
            }
            (State::Seen { generation, token: Some(token) }, ..) => {
                Evidence::Seen(Some(Seen::new(*generation, *token)))
            }
            (State::Seen { generation, .. }, Some(link), Some(key)) => {
                match AsyncIo.call(link, TokenOf { key: key.entry.clone() }).await {
                    Ok(token) => Evidence::Seen(Some(Seen::new(*generation, token))),
                    Err(error) => {
                        self.page_count(spot, Event::Error);
                        link.report("a response is made", &error);
                        Evidence::Seen(None)
                    }
                }
            }
            _ => Evidence::Seen(None),
        }
    }

    /// Waits for the one that makes the page, or becomes it.
    pub(crate) fn page_join<T>(
        &self,
        spot: &PageSpot,
        look: &PageLook<T>,
        evidence: Evidence,
        patient: bool,
    ) -> Role<'static, Evidence> {
        let joinable = |theirs: &Evidence, ours: &Evidence| theirs.serves(ours, &self.local);
        let patient = patient && matches!(evidence, Evidence::Seen(Some(_)));
        let role = self.flights.join(&spot.local.key, evidence, joinable, Some(look.since), patient);
        role.holding(&self.flights)
    }

    /// Stores a page, unless something of it was deleted since the evidence was taken.
    pub(crate) async fn page_store<T: Storable>(
        &self,
        spot: &PageSpot,
        evidence: Evidence,
        page: Arc<T>,
        life: Lifetime,
    ) {
        let stored = match (evidence, &self.link, &spot.shared) {
            (Evidence::Birth { at, .. }, None, _) => {
                let draft = Draft {
                    digest: spot.local.key.digest,
                    bytes: spot.local.key.bytes.clone(),
                    expiry: self.local.expiry(life),
                    birth: at,
                    instance: spot.local.instance,
                    function: spot.function.number,
                };
                self.local.insert(SimpleStore::entry(draft, page), || true)
            }
            (Evidence::Seen(Some(seen)), Some(link), Some(key)) => {
                let put = match seal_value(&key.entry, self.clock.now(), life, seen.generation(), &*page) {
                    Ok(value) => {
                        let put = PutIf { key: key.entry.clone(), value, life, token: seen.token() };
                        AsyncIo.call(link, put).await
                    }
                    Err(error) => Err(error),
                };
                put.unwrap_or_else(|error| {
                    self.page_count(spot, Event::Error);
                    link.report("a response is sent", &error);
                    false
                })
            }
            _ => false,
        };
        if stored {
            self.page_count(spot, Event::Store);
        }
    }

    pub(crate) fn page_count(&self, spot: &PageSpot, event: Event) {
        self.functions.get(spot.function.number).counters.count(event);
    }
}
