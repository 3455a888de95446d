//! The cases. Each says in its first lines which promise it tries.

mod add;
mod clear;
mod conditional;
mod keys;
mod list;
mod locks;
mod many;
mod store;
mod time;
mod values;
mod versions;

use super::case::Case;
use super::outcome::Outcome;

type Test = fn(&Case<'_>) -> Outcome;

/// Lists the cases by their paths. Those of stores that keep something do not apply to others.
macro_rules! cases {
    (always { $($any:ident :: $always:ident)* } if_kept { $($module:ident :: $name:ident)* }) => {
        /// All cases by name.
        pub(super) const ALL: &[(&str, Test)] = &[
            $((stringify!($always), $any::$always),)*
            $((stringify!($name), |case| {
                if case.caps.discards { case.skip("nothing is kept") } else { $module::$name(case) }
            }),)*
        ];
    };
}

cases! {
    always {
        store::capabilities_agree
        store::nothing_is_kept
        store::failures_are_errors
    }
    if_kept {
        values::values_come_back
        values::too_large_is_refused
        values::writes_are_seen_whole
        values::delete_says_what_was_there
        keys::keys_may_have_any_character
        keys::keys_may_be_long
        keys::similar_keys_differ
        many::get_many_keeps_the_order
        many::set_many_stores_each
        many::delete_many_counts
        many::fetch_many_is_fetch_of_each
        many::put_under_many_stores_each
        add::add_stores_once
        add::add_follows_the_time
        add::add_is_won_by_one
        add::add_tells_of_another_key
        time::entries_end_at_their_time
        time::tiny_lifetimes_are_rounded_up
        time::long_lifetimes_work
        time::overwriting_resets_the_time
        time::for_ever_does_not_end
        clear::clear_takes_the_prefix_only
        clear::clear_is_literal
        clear::clear_finds_all
        clear::clear_works_under_traffic
        conditional::tokens_keep_still
        conditional::changes_void_tokens
        conditional::add_voids_tokens
        conditional::clear_voids_tokens
        conditional::put_if_follows_the_time
        conditional::fetch_brings_a_token
        conditional::put_if_is_won_by_one
        conditional::deletion_beats_put_if
        conditional::writes_beat_put_if
        conditional::foreign_tokens_do_no_harm
        conditional::delete_if_follows_the_token
        list::keys_lists_the_prefix_only
        list::keys_lists_all
        list::keys_lists_what_is_there
        versions::fetch_makes_versions_once
        versions::versions_are_entries
        versions::fetch_heals_junk
        versions::racing_fetches_agree
        versions::put_under_makes_no_version
        versions::a_deleted_version_changes_alone
        versions::versions_outlive_their_entries
        locks::a_lock_has_one_owner
        store::handles_share
        store::the_threshold_holds
    }
}

/// Makes a `#[test]` for each case of the [suite](crate::conformance) that the expression, a
/// [`Suite`](crate::conformance::Suite), describes. The expression is evaluated once for each.
#[macro_export]
macro_rules! conformance_tests {
    ($suite:expr) => {
        $crate::conformance_tests! { @each $suite;
            capabilities_agree
            nothing_is_kept
            failures_are_errors
            values_come_back
            too_large_is_refused
            writes_are_seen_whole
            delete_says_what_was_there
            keys_may_have_any_character
            keys_may_be_long
            similar_keys_differ
            get_many_keeps_the_order
            set_many_stores_each
            delete_many_counts
            fetch_many_is_fetch_of_each
            put_under_many_stores_each
            add_stores_once
            add_follows_the_time
            add_is_won_by_one
            add_tells_of_another_key
            entries_end_at_their_time
            tiny_lifetimes_are_rounded_up
            long_lifetimes_work
            overwriting_resets_the_time
            for_ever_does_not_end
            clear_takes_the_prefix_only
            clear_is_literal
            clear_finds_all
            clear_works_under_traffic
            tokens_keep_still
            changes_void_tokens
            add_voids_tokens
            clear_voids_tokens
            put_if_follows_the_time
            fetch_brings_a_token
            put_if_is_won_by_one
            deletion_beats_put_if
            writes_beat_put_if
            foreign_tokens_do_no_harm
            delete_if_follows_the_token
            keys_lists_the_prefix_only
            keys_lists_all
            keys_lists_what_is_there
            fetch_makes_versions_once
            versions_are_entries
            fetch_heals_junk
            racing_fetches_agree
            put_under_makes_no_version
            a_deleted_version_changes_alone
            versions_outlive_their_entries
            a_lock_has_one_owner
            handles_share
            the_threshold_holds
        }
    };
    (@each $suite:expr; $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $crate::conformance::Suite::run_case(&$suite, ::core::stringify!($name));
            }
        )*

        /// The tests above are all cases of the suite.
        #[test]
        fn no_case_is_left_out() {
            let named = [$(::core::stringify!($name)),*];
            ::core::assert!($crate::conformance::Suite::cases().eq(named));
        }
    };
}
