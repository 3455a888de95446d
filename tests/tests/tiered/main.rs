//! The tests of the cache on every backend, once more with a near tier in front of each: `cachekit_tests` gives the caches of the
//! matrix tiers in the program of this name.

// Odd values are the point of these tests.
#![allow(clippy::float_cmp, clippy::option_option, clippy::type_complexity)]

#[path = "../it/cache_object.rs"]
mod cache_object;
#[path = "../it/deletion.rs"]
mod deletion;
#[path = "../it/each/mod.rs"]
mod each;
#[path = "../it/fallback.rs"]
mod fallback;
#[path = "../it/flight.rs"]
mod flight;
#[path = "../it/freshness.rs"]
mod freshness;
#[path = "../it/invalidates.rs"]
mod invalidates;
#[path = "../it/keys.rs"]
mod keys;
#[path = "../it/methods.rs"]
mod methods;
#[path = "../it/object_changes.rs"]
mod object_changes;
#[path = "../it/object_state.rs"]
mod object_state;
#[path = "../it/races.rs"]
mod races;
#[path = "../it/stale.rs"]
mod stale;
#[path = "../it/tags.rs"]
mod tags;
#[path = "../it/time.rs"]
mod time;
#[path = "../it/trait_methods.rs"]
mod trait_methods;
#[path = "../it/values.rs"]
mod values;

/// The matrix has tiers, and they serve.
#[test]
fn the_caches_have_tiers() {
    cachekit_tests::everywhere(|world| {
        let near = world.cache().health().near;
        assert_eq!(near.is_some_and(|near| near.serves), world.name != "simple", "{}", world.name);
    });
}
