//! Refuses the options that a call for several ids (`each`) does not support.

use crate::attr::TimeoutOption;
use crate::errors::Errors;
use crate::model::{KeySource, Model, Way};

pub(super) fn check(model: &Model, errors: &Errors) {
    let Some(each) = &model.each else { return };
    let at = each.name.span();
    if let KeySource::Expression(key) = &model.key {
        errors.over(
            key,
            "with `each` every id has an entry of its own: leave `key` out; arguments that are not to be in the key go into \
             `ignore(..)`",
        );
    }
    if model.arguments[each.index].way == Way::Ignored {
        let name = &each.name;
        errors.at(at, format!("`{name}` has the ids, which are the keys: leave it out of `ignore`"));
    }
    if model.err_timeout.is_some() {
        errors.at(
            at,
            "an `Err` is about all ids of a call together, and no entry is: leave `err_timeout` out where `each` is",
        );
    }
    if let Some(receiver) = &model.receiver
        && !receiver.reference
    {
        errors.at(
            receiver.token.span(),
            "with `each` the body may run for a part of the ids, and must not use `self` up: take `&self`",
        );
    }
    if each.of.is_some() {
        shared(model, errors);
    }
}

/// Options that the other function decides.
fn shared(model: &Model, errors: &Errors) {
    let Some(of) = model.each.as_ref().and_then(|each| each.of.as_ref()) else { return };
    let conditions = &model.conditions;
    let said = [
        (conditions.stale_if.is_some(), "stale_if"),
        (conditions.cache_if.is_some(), "cache_if"),
        (conditions.weight.is_some(), "weight"),
        (matches!(model.timeout, Some(TimeoutOption::OfValue(_))), "timeout = |value| .."),
        (model.none_timeout.is_some(), "none_timeout"),
        (model.none_timeout.is_none() && model.cache_none, "cache_none"),
        (model.windows.while_revalidate.is_some(), "stale_while_revalidate"),
        (model.windows.if_error.is_some(), "stale_if_error"),
        (model.windows.refresh_ahead.is_some(), "refresh_ahead"),
        (!model.tags.is_empty(), "tags"),
        (model.name.is_some(), "name"),
        (!model.version.is_empty(), "version` and `source_check"),
        (model.local, "local"),
        (model.cache.is_some(), "cache"),
        (model.debug, "debug"),
        (model.arguments.iter().any(|argument| argument.way != Way::ByType), "ignore`, `hash` and `debug"),
    ];
    for (_, option) in said.iter().filter(|(is_said, _)| *is_said) {
        errors.over(
            of,
            format!("with `of` the entries are those of that function, which decides about them: write `{option}` there only"),
        );
    }
}
