//! The promises and options of cachekit through its public interface, as a stranger's program uses it, on every embedded
//! backend.

// Odd values are the point of these tests.
#![allow(clippy::float_cmp, clippy::option_option, clippy::type_complexity)]

mod background;
mod bounds;
mod by_name;
mod cache_object;
mod config;
mod deletion;
mod each;
mod every_option;
mod fallback;
mod flight;
mod foreign;
mod fork;
mod freshness;
mod identity;
mod instantiation;
mod invalidates;
mod keys;
mod methods;
mod nearest;
mod object_changes;
mod object_stale;
mod object_state;
mod options;
mod outage;
mod owned;
mod patience;
mod races;
mod seeing;
mod sharing;
mod stack;
mod stale;
mod stats;
mod steering;
mod tags;
mod testing_kit;
mod time;
mod trait_methods;
mod untrusted;
mod values;
