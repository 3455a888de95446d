//! Refuses the options that a value kept for one request (`per_request`) does not support.

use crate::errors::Errors;
use crate::model::Model;

pub(super) fn check(model: &Model, errors: &Errors) {
    let Some(at) = model.per_request else { return };
    let said = [
        (model.timeout.is_some(), "timeout"),
        (model.none_timeout.is_some(), "none_timeout"),
        (model.err_timeout.is_some(), "err_timeout"),
        (model.jitter.is_some(), "jitter"),
        (model.windows.while_revalidate.is_some(), "stale_while_revalidate"),
        (model.windows.if_error.is_some(), "stale_if_error"),
        (model.windows.refresh_ahead.is_some(), "refresh_ahead"),
        (model.detached.is_some(), "detached"),
        (model.conditions.weight.is_some(), "weight"),
        (!model.tags.is_empty(), "tags"),
        (!model.version.is_empty(), "version` and `source_check"),
        (!model.single_flight || model.fleet.said.is_some(), "single_flight"),
        (model.flight_timeout.is_some(), "flight_timeout"),
        (model.cache.is_some(), "cache"),
        (model.policy.is_some(), "policy"),
        (model.each.is_some(), "each"),
    ];
    for (_, option) in said.iter().filter(|(is_said, _)| *is_said) {
        errors.at(
            at,
            format!("a `per_request` value is kept in the request that is being handled, and in no cache: leave `{option}` out"),
        );
    }
}
