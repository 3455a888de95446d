//! Cached blocks while their template is rendered.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cachekit_backends::Timeout;
use minijinja::value::{Kwargs, Object, ObjectRepr, Rest, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, Value};
use parking_lot::Mutex;

use super::args::STALE;
use super::fragment::{FragmentClaim as Claim, FragmentFound as Found};
use super::key;
use super::rewrite::{BEGIN, END};
use super::text::Text;
use crate::cache::{Cache, Freshness};

/// Gives an environment the function and the filter that rewritten blocks call.
pub(super) fn install(env: &mut Environment<'_>, cache: &Cache) {
    let cache = cache.clone();
    let gate = move |state: &State<'_, '_>, place: &str, args: Rest<Value>, options: Kwargs| {
        begin(&cache, state, place, &args, &options).map(Value::from_object)
    };
    env.add_function(BEGIN, gate);
    env.add_filter(END, |text: Value, gate: Value| end(text, &gate));
}

/// The state of a block at its beginning.
enum Gate {
    /// The stored text.
    Hit(Value),
    /// The block is to be rendered, and then stored if a claim is there.
    Miss(Mutex<Option<Box<Miss>>>),
}

/// The claim to store the rendered text. Dropped before it has stored, it hands over to a render that waits for this text.
struct Miss {
    escape: AutoEscape,
    claim: Claim,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Hit(_)) { "a stored fragment" } else { "a fragment" })
    }
}

impl Object for Gate {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    /// Whether the block is to be rendered.
    fn is_true(self: &Arc<Self>) -> bool {
        matches!(**self, Self::Miss(_))
    }

    /// `text`.
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        match &**self {
            Self::Hit(text) => Some(text.clone()),
            Self::Miss(_) => None,
        }
    }

    fn get_value_by_str(self: &Arc<Self>, _: &str) -> Option<Value> {
        self.get_value(&Value::UNDEFINED)
    }
}

fn begin(
    cache: &Cache,
    state: &State<'_, '_>,
    place: &str,
    args: &[Value],
    options: &Kwargs,
) -> Result<Gate, Error> {
    let past = stale_of(options)?;
    let (timeout, parts) = match args.split_first() {
        Some((timeout, parts)) => (timeout_of(timeout)?, parts),
        None => (Some(Timeout::Default), args),
    };
    let key = if parts.is_empty() { placed(state.name(), place)? } else { key::fragment_key(parts)? };
    let escape = state.auto_escape().clone();
    let found = match timeout {
        Some(timeout) => {
            let name = parts.first().and_then(key::name_of);
            let freshness = Freshness::new(timeout).stale_while_revalidate(past);
            cache.find_fragment(&key, name.as_deref(), freshness, |text: &Text| text.is_of(&escape))
        }
        // Deletion errors propagate; otherwise the stale text would still be served.
        None => cache.delete(&key).map(|_| Found::Nothing(None)).map_err(|error| {
            Error::new(ErrorKind::InvalidOperation, "`cache` could not delete the stored text")
                .with_source(error)
        })?,
    };
    Ok(match found {
        Found::Value(text) => Gate::Hit(text.into_value()),
        Found::Nothing(claim) => Gate::Miss(Mutex::new(claim.map(|claim| Box::new(Miss { escape, claim })))),
    })
}

fn end(text: Value, gate: &Value) -> Value {
    if let Some(Gate::Miss(miss)) = gate.downcast_object_ref()
        && let Some(miss) = miss.lock().take()
    {
        let Miss { escape, claim } = *miss;
        claim.store(&Text::new(&escape, text.clone()));
    }
    text
}

fn placed(template: &str, place: &str) -> Result<String, Error> {
    // The engine's name for a template that was made of a string.
    if template.is_empty() || template == "<string>" {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "`cache` without a key in a template without a name: others would share its text; write \
             `{% cache timeout, \"key\" %}`, or give the template a name",
        ));
    }
    Ok(key::placed(template, place))
}

/// Returns how long the text lives; `None` if it is to be deleted.
fn timeout_of(value: &Value) -> Result<Option<Timeout>, Error> {
    let refused =
        |what: &str| Err(Error::new(ErrorKind::InvalidOperation, format!("the timeout of `cache` {what}")));
    let timeout = match value.kind() {
        ValueKind::None => Timeout::Never,
        ValueKind::String if value.as_str() == Some("del") => return Ok(None),
        ValueKind::String if value.as_str() == Some("default") => Timeout::Default,
        ValueKind::Number => match seconds(value) {
            Some(Duration::ZERO) => Timeout::Never,
            Some(seconds) => Timeout::After(seconds),
            None => return refused(&format!("is {value}: it must not be negative")),
        },
        ValueKind::Undefined => {
            return Err(Error::new(ErrorKind::UndefinedError, "the timeout of `cache` is undefined"));
        }
        _ => {
            return refused(&format!(
                "is {value:?}: write seconds, `none` for no timeout, `'default'`, or `'del'` to delete"
            ));
        }
    };
    Ok(Some(timeout))
}

/// Returns how long past its timeout the text is served while one render makes it anew: the option `stale`.
fn stale_of(options: &Kwargs) -> Result<Duration, Error> {
    let value: Value = if options.has(STALE) { options.get(STALE)? } else { ().into() };
    if value.is_none() {
        return Ok(Duration::ZERO);
    }
    if value.is_undefined() {
        return Err(Error::new(ErrorKind::UndefinedError, "`stale` of `cache` is undefined"));
    }
    let time = (value.kind() == ValueKind::Number).then(|| seconds(&value)).flatten();
    time.ok_or_else(|| {
        let what = format!("`stale` of `cache` is {value:?}: write seconds, which must not be negative");
        Error::new(ErrorKind::InvalidOperation, what)
    })
}

fn seconds(number: &Value) -> Option<Duration> {
    if number.is_integer() {
        return u64::try_from(number.clone()).ok().map(Duration::from_secs);
    }
    f64::try_from(number.clone()).ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}
