//! Pages as entries: their keys, and the operations on their values.

use std::any::{Any, TypeId};
use std::sync::Arc;

use cachekit_backends::simple::{Entry, Weight};
use cachekit_backends::{CacheKey, KeyWriter, NO_WORDS};

use super::page::Page;
use super::query;
use super::scope::Target;
use crate::call::arguments::KeyPart;
use crate::call::path::Path;
use crate::call::policy::{Policy, of_type};
use crate::call::{Identity, Place};
use crate::engine::flight::Shared;
use crate::engine::{Engine, PAGES};

/// One identity for all responses of all layers: deletion is by path.
const IDENTITY: Identity<'static> = Identity {
    number: PAGES,
    name: "cachekit::web::pages",
    version: "2",
    local: false,
    stamped: false,
    calls: None,
};

/// Tells the pages of one path apart.
struct PageKey<'a> {
    target: &'a Target,
    query: &'a str,
    custom: Option<&'a str>,
}

impl KeyPart for PageKey<'_> {
    fn feed<W: KeyWriter>(&self, writer: &mut W) {
        self.target.path.cache_key(writer);
        self.target.further.cache_key(writer);
        self.custom.is_some().cache_key(writer);
        if let Some(custom) = self.custom {
            custom.cache_key(writer);
        } else {
            self.target.host.cache_key(writer);
            self.query.cache_key(writer);
        }
    }
}

/// The place of the page for a target. `sorted` ignores the order of the query's names; `custom` replaces host and
/// query.
pub(super) fn place(engine: &Engine, target: &Target, sorted: bool, custom: Option<&str>) -> Place {
    let sorted_query;
    let query = if sorted {
        sorted_query = query::sorted(&target.query);
        &sorted_query
    } else {
        &target.query
    };
    IDENTITY.place(engine, NO_WORDS, &PageKey { target, query, custom }, &(Path(&target.path),), None)
}

/// A page with all that it owns.
fn weight(page: &Page) -> Weight {
    Weight { bytes: page.size() as u64, exact: false }
}

/// The operations on pages. In process a page is shared by reference count.
pub(super) const fn policy() -> Policy<Arc<Page>> {
    Policy {
        unbox: |_| None,
        stores: |_| true,
        fails: |_| false,
        keep: |key, _, page| Some(Entry::new(key, weight(page), Arc::clone(page))),
        weight: |page| Some(weight(page)),
        words: || NO_WORDS,
        to_words: |_| None,
        take_words: |_, _| false,
        share: |page| Some(Arc::new(Arc::clone(page)) as Shared),
        take: |value: &(dyn Any + Send + Sync), slot| {
            *slot = value.downcast_ref::<Arc<Page>>().cloned();
            slot.is_some()
        },
        stored: TypeId::of::<Arc<Page>>,
        value: |page| Arc::clone(of_type(page)),
        seal: |envelope, page| envelope.seal(&**page).map(Some),
        // Pages are not watched.
        encode: |_| None,
        // A page is cachekit's own type.
        check: |_, _, _| Ok(()),
        open: |envelope, bytes| envelope.open(bytes).map(Arc::new),
        clone_may_share: || false,
        type_name: std::any::type_name::<Page>,
    }
}
