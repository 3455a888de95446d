//! Several processes on one server: promise 2 between them.
//!
//! Each test starts processes of this program, which open the cache by their environment, as real ones do.

mod by_name;
mod counting;
mod heir;
mod hot;
mod mixed;
mod near;
mod once;
mod script;
mod torment;
mod work;

use std::time::Duration;

use cachekit::Config;
use cachekit_tests::server::Server;
use cachekit_tests::{Child, memcached, redis, role};

const PROCESSES: usize = 3;

/// Where the entries are, as variables for the processes, and what has to live meanwhile.
struct Place {
    variables: Vec<(&'static str, String)>,
    /// Ends before the servers.
    _torment: Option<torment::Torment>,
    servers: Vec<Server>,
    _dir: Option<tempfile::TempDir>,
}

impl Place {
    fn new(cache_type: &str, variable: &'static str, value: String, servers: Vec<Server>) -> Self {
        let variables = vec![
            ("CACHE_TYPE", cache_type.into()),
            (variable, value),
            ("CACHE_KEY_PREFIX", "fleet:".into()),
            // A busy machine is no outage.
            ("CACHE_OPERATION_TIMEOUT", "30s".into()),
            ("CACHE_CONNECT_TIMEOUT", "30s".into()),
        ];
        Self { variables, _torment: None, servers, _dir: None }
    }

    fn filesystem() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap().to_owned();
        Self { _dir: Some(dir), ..Self::new("filesystem", "CACHE_DIR", path, Vec::new()) }
    }

    /// How long a tier may serve an old value after a prompt deletion, with this `near_staleness`.
    fn longest_staleness(&self, near_staleness: Duration) -> Duration {
        let has_mark = self.variables.contains(&("CACHE_TYPE", "filesystem".into()));
        if has_mark { Duration::ZERO } else { near_staleness }
    }

    fn redis() -> Self {
        let server = redis::plain();
        Self::new("redis", "CACHE_REDIS_URL", redis::url(&server), vec![server])
    }

    fn memcached(cache_type: &str, servers: Vec<Server>) -> Self {
        let addresses: Vec<String> = servers.iter().map(memcached::address).collect();
        Self::new(cache_type, "CACHE_MEMCACHED_SERVERS", addresses.join(","), servers)
    }

    fn sasl() -> Self {
        let mut place = Self::memcached("saslmemcached", vec![memcached::with_sasl()]);
        place.variables.extend([
            ("CACHE_MEMCACHED_USERNAME", memcached::USER.into()),
            ("CACHE_MEMCACHED_PASSWORD", memcached::SASL_PASSWORD.into()),
        ]);
        place
    }

    /// The larger values are split.
    fn spread() -> Self {
        let servers = vec![memcached::server(&[]), memcached::server(&[])];
        let mut place = Self::memcached("spreadsaslmemcached", servers);
        place.variables.push(("CACHE_OPTIONS", format!("max_item_size={}", work::LARGE / 2)));
        place
    }

    /// The configuration of the processes.
    fn config(&self) -> Config {
        Config::from_vars(self.variables.iter().map(|(name, value)| (*name, value.as_str())), "CACHE_")
            .unwrap()
    }

    /// Starts the processes of a test. Each has a number, and these variables.
    fn fleet(&self, test: &str, variables: &[(&str, &str)]) -> Vec<Child> {
        self.fleet_of(PROCESSES, test, variables)
    }

    /// The same with so many processes.
    fn fleet_of(&self, count: usize, test: &str, variables: &[(&str, &str)]) -> Vec<Child> {
        let ours = self.variables.iter().map(|(name, value)| (*name, value.as_str()));
        let all: Vec<(&str, &str)> = ours.chain(variables.iter().copied()).collect();
        (0..count).map(|number| Child::start(test, &number.to_string(), &all)).collect()
    }
}

/// In a process of the fleet: opens the cache; its number. None in the test itself.
fn enlist() -> Option<u16> {
    let number = role()?.parse().unwrap();
    cachekit::init(Config::from_env().unwrap()).unwrap();
    Some(number)
}

/// A variable of this process.
fn variable(name: &str) -> String {
    std::env::var(name).unwrap()
}

macro_rules! fleets {
    ($($name:ident: $place:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn a_deletion_in_one_process_is_seen_by_all_at_the_next_call() {
                script::seen_by_all(|| $place, concat!(
                    stringify!($name),
                    "::a_deletion_in_one_process_is_seen_by_all_at_the_next_call"
                ));
            }

            #[test]
            fn what_another_process_computes_during_a_deletion_does_not_come_back() {
                script::under_way(|| $place, concat!(
                    stringify!($name),
                    "::what_another_process_computes_during_a_deletion_does_not_come_back"
                ));
            }

            #[test]
            fn ten_thousand_mixed_calls_and_deletions_return_allowed_values_only() {
                mixed::mixed(|| $place, concat!(
                    stringify!($name),
                    "::ten_thousand_mixed_calls_and_deletions_return_allowed_values_only"
                ));
            }
        }
    )*};
}

fleets! {
    filesystem: Place::filesystem();
    redis_server: Place::redis();
    memcached_server: Place::memcached("memcached", vec![memcached::server(&[])]);
    three_memcached_servers: Place::memcached("memcached", (0..3).map(|_| memcached::server(&[])).collect());
    memcached_with_login: Place::sasl();
    spread: Place::spread();
}

macro_rules! tormented {
    ($($name:ident: $place:expr;)*) => {$(
        #[test]
        fn $name() {
            mixed::mixed(|| $place, stringify!($name));
        }
    )*};
}

tormented! {
    a_redis_server_that_loses_keys_and_scripts_and_is_full_returns_allowed_values_only: Place::losing_redis();
    a_cluster_whose_slots_move_returns_allowed_values_only: Place::moving_cluster();
}

macro_rules! hot {
    ($($name:ident: $place:expr;)*) => {$(
        #[test]
        fn $name() {
            hot::hot(|| $place, stringify!($name));
        }
    )*};
}

hot! {
    no_call_of_four_hot_keys_on_filesystem_returns_a_value_from_before_a_deletion: Place::filesystem();
    no_call_of_four_hot_keys_on_redis_returns_a_value_from_before_a_deletion: Place::redis();
    no_call_of_four_hot_keys_on_memcached_returns_a_value_from_before_a_deletion:
        Place::memcached("memcached", vec![memcached::server(&[])]);
}

macro_rules! counting {
    ($($name:ident: $place:expr;)*) => {$(
        #[test]
        fn $name() {
            counting::counting(|| $place, stringify!($name));
        }
    )*};
}

counting! {
    no_change_of_one_entry_on_filesystem_is_lost: Place::filesystem();
    no_change_of_one_entry_on_redis_is_lost: Place::redis();
    no_change_of_one_entry_on_memcached_is_lost: Place::memcached("memcached", vec![memcached::server(&[])]);
    no_change_of_one_entry_on_memcached_with_login_is_lost: Place::sasl();
}

macro_rules! by_name {
    ($($name:ident: $place:expr;)*) => {$(
        #[test]
        fn $name() {
            by_name::by_name(|| $place, stringify!($name));
        }
    )*};
}

by_name! {
    a_process_that_has_not_called_a_function_deletes_it_by_name_on_filesystem: Place::filesystem();
    a_process_that_has_not_called_a_function_deletes_it_by_name_on_redis: Place::redis();
    a_process_that_has_not_called_a_function_deletes_it_by_name_on_memcached:
        Place::memcached("memcached", vec![memcached::server(&[])]);
}

macro_rules! once {
    ($($name:ident: $place:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn callers_of_four_processes_compute_a_cold_key_once() {
                once::once(|| $place, concat!(
                    stringify!($name),
                    "::callers_of_four_processes_compute_a_cold_key_once"
                ));
            }

            #[test]
            fn a_slow_computation_is_not_taken_for_dead() {
                once::slow(|| $place, concat!(
                    stringify!($name),
                    "::a_slow_computation_is_not_taken_for_dead"
                ));
            }

            #[test]
            fn after_the_end_of_the_computing_process_one_other_computes() {
                once::killed(|| $place, concat!(
                    stringify!($name),
                    "::after_the_end_of_the_computing_process_one_other_computes"
                ));
            }

            #[test]
            fn no_call_after_a_deletion_waits_for_a_computation_from_before() {
                once::deleted(|| $place, concat!(
                    stringify!($name),
                    "::no_call_after_a_deletion_waits_for_a_computation_from_before"
                ));
            }

            #[test]
            fn an_error_lets_the_other_processes_compute() {
                once::failed(|| $place, concat!(
                    stringify!($name),
                    "::an_error_lets_the_other_processes_compute"
                ));
            }
        }
    )*};
}

once! {
    once_on_filesystem: Place::filesystem();
    once_on_redis: Place::redis();
    once_on_memcached: Place::memcached("memcached", vec![memcached::server(&[])]);
    once_on_memcached_with_login: Place::sasl();
}

macro_rules! near {
    ($($name:ident: $place:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn beside_near_tiers_deletions_of_every_process_hold() {
                near::deletions(|| $place, concat!(
                    stringify!($name),
                    "::beside_near_tiers_deletions_of_every_process_hold"
                ));
            }

            #[test]
            fn a_process_that_was_stopped_serves_nothing_deleted_from_its_tier() {
                near::stopped(|| $place, concat!(
                    stringify!($name),
                    "::a_process_that_was_stopped_serves_nothing_deleted_from_its_tier"
                ));
            }
        }
    )*};
}

near! {
    near_on_filesystem: Place::filesystem();
    near_on_redis: Place::redis();
    near_on_memcached: Place::memcached("memcached", vec![memcached::server(&[])]);
}

#[test]
fn tiers_that_are_cut_off_from_redis_serve_nothing_deleted() {
    let address = |port| ("CACHE_REDIS_URL", format!("redis://127.0.0.1:{port}/0"));
    near::cut_off(Place::redis, address, "tiers_that_are_cut_off_from_redis_serve_nothing_deleted");
}

#[test]
fn tiers_that_are_cut_off_from_memcached_serve_nothing_deleted() {
    let place = || Place::memcached("memcached", vec![memcached::server(&[])]);
    let address = |port| ("CACHE_MEMCACHED_SERVERS", format!("127.0.0.1:{port}"));
    near::cut_off(place, address, "tiers_that_are_cut_off_from_memcached_serve_nothing_deleted");
}

#[test]
fn a_deletion_after_redis_has_lost_the_registrations_is_final() {
    near::restarted(Place::redis, "a_deletion_after_redis_has_lost_the_registrations_is_final");
}

#[test]
fn a_deletion_after_memcached_has_lost_the_registrations_is_final() {
    let place = || Place::memcached("memcached", vec![memcached::server(&[])]);
    near::restarted(place, "a_deletion_after_memcached_has_lost_the_registrations_is_final");
}

#[test]
fn a_deletion_waits_for_tiers_of_the_longest_staleness() {
    near::longest(Place::redis, "a_deletion_waits_for_tiers_of_the_longest_staleness");
}
