//! The forms of settings: how a field is read, shown and resolved.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::{self, Debug as _};
use std::path::PathBuf;
use std::time::Duration;

use super::duration::{self, FORMS};
use super::secret::redacted;
use super::{CacheType, Secret, Servers, Value, resolve, variable};
use crate::Timeout;

/// A result whose error completes the sentence "`name` …", such as "must be text".
pub(super) type Read<T> = Result<T, String>;

/// The form of a field of type `T`.
pub(super) trait Form<T: fmt::Debug> {
    /// Reads the value of a file.
    fn read(&self, value: Value) -> Read<T>;

    /// Reads the text of a variable: not empty, without blanks around it.
    fn read_text(&self, text: &str) -> Read<T> {
        self.read(text.into())
    }

    /// Reads a variable that isn't UTF-8. It isn't shown, because it may be a password.
    fn read_bytes(&self, _bytes: OsString) -> Read<T> {
        Err("must be UTF-8".into())
    }

    /// Shows a field without secrets.
    fn show(&self, field: &T, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        field.fmt(f)
    }

    /// Removes the blanks around a field; makes a path absolute.
    fn resolve(&self, _field: &mut T) -> Read<()> {
        Ok(())
    }
}

/// A field as its form shows it.
pub(super) struct Shown<'a, F, T>(pub(super) &'a F, pub(super) &'a T);

impl<T: fmt::Debug, F: Form<T>> fmt::Debug for Shown<'_, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show(self.1, f)
    }
}

/// A field that may be left out.
pub(super) struct Maybe<F>(pub(super) F);

impl<T: fmt::Debug, F: Form<T>> Form<Option<T>> for Maybe<F> {
    fn read(&self, value: Value) -> Read<Option<T>> {
        self.0.read(value).map(Some)
    }
    fn read_text(&self, text: &str) -> Read<Option<T>> {
        self.0.read_text(text).map(Some)
    }
    fn read_bytes(&self, bytes: OsString) -> Read<Option<T>> {
        self.0.read_bytes(bytes).map(Some)
    }
    fn show(&self, field: &Option<T>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        field.as_ref().map(|field| Shown(&self.0, field)).fmt(f)
    }
    fn resolve(&self, field: &mut Option<T>) -> Read<()> {
        field.as_mut().map_or(Ok(()), |field| self.0.resolve(field))
    }
}

/// The word for a backend.
pub(super) struct Word;

impl Form<CacheType> for Word {
    fn read(&self, value: Value) -> Read<CacheType> {
        text(value).map(CacheType::from)
    }
    fn show(&self, field: &CacheType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted(field.as_str()).fmt(f)
    }
    fn resolve(&self, field: &mut CacheType) -> Read<()> {
        *field = CacheType::from(field.as_str());
        Ok(())
    }
}

/// True or false.
pub(super) struct Switch;

impl Form<bool> for Switch {
    fn read(&self, value: Value) -> Read<bool> {
        value.as_bool().ok_or_else(|| must_be("true or false (also yes, on, 1, no, off, 0)", &value))
    }
}

/// A whole number; the text says of what.
pub(super) struct Number(pub(super) &'static str);

impl<T: TryFrom<i64> + fmt::Debug> Form<T> for Number {
    fn read(&self, value: Value) -> Read<T> {
        value.as_integer().and_then(|n| T::try_from(n).ok()).ok_or_else(|| must_be(self.0, &value))
    }
}

/// A part of a whole.
pub(super) struct Fraction;

impl Form<f64> for Fraction {
    fn read(&self, value: Value) -> Read<f64> {
        let part = value.as_float().filter(|part| FRACTIONS.contains(part));
        part.ok_or_else(|| must_be("a number from 0 to less than 1", &value))
    }
}

/// The parts that a lifetime may be shortened by.
pub(super) const FRACTIONS: std::ops::Range<f64> = 0.0..1.0;

/// A duration.
pub(super) struct Span;

impl Form<Duration> for Span {
    fn read(&self, value: Value) -> Read<Duration> {
        span(&value, FORMS)
    }
}

/// A duration, or 0 for never.
pub(super) struct SpanOrNever;

impl Form<Timeout> for SpanOrNever {
    fn read(&self, value: Value) -> Read<Timeout> {
        if duration::is_bare_zero(&value) {
            return Ok(Timeout::Never);
        }
        let forms = format!("{FORMS}, or 0 for never");
        let time = span(&value, &forms)?;
        if time.is_zero() { Err(must_be(&forms, &value)) } else { Ok(Timeout::After(time)) }
    }
}

fn span(value: &Value, forms: &str) -> Read<Duration> {
    duration::read(value).map_err(|reason| {
        let wrong = must_be(forms, value);
        // The reason may quote the text, so it is left out where the text is shown in part only.
        match value.as_str() {
            Some(text) if text.trim().is_empty() || redacted(text) != text => wrong,
            _ => format!("{wrong}: {reason}"),
        }
    })
}

/// Text that is kept as it is given, and may be empty.
pub(super) struct Verbatim;

impl Form<String> for Verbatim {
    fn read(&self, value: Value) -> Read<String> {
        match value {
            Value::String(text) => Ok(text),
            other => Err(must_be("text", &other)),
        }
    }
}

/// A name or an address, of which a login isn't shown.
pub(super) struct Address;

impl Form<String> for Address {
    fn read(&self, value: Value) -> Read<String> {
        text(value)
    }
    fn show(&self, field: &String, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted(field).fmt(f)
    }
    fn resolve(&self, field: &mut String) -> Read<()> {
        resolve::trim(field);
        Ok(())
    }
}

/// Servers: a list, or text with commas.
pub(super) struct ServerList;

impl Form<Vec<String>> for ServerList {
    fn read(&self, value: Value) -> Read<Vec<String>> {
        let wrong = || "must be a list of servers such as `host:11211`".to_owned();
        let servers: Servers = match value {
            Value::List(list) => {
                list.into_iter().map(|server| text(server).map_err(|_| wrong())).collect::<Read<_>>()?
            }
            Value::String(text) => text.into(),
            _ => return Err(wrong()),
        };
        if servers.names_none() { Err(format!("{}; it names none", wrong())) } else { Ok(servers.into()) }
    }
    fn read_text(&self, text: &str) -> Read<Vec<String>> {
        self.read(variable::servers(text)?)
    }
    fn show(&self, field: &Vec<String>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(field.iter().map(|server| redacted(server))).finish()
    }
    fn resolve(&self, field: &mut Vec<String>) -> Read<()> {
        field.iter_mut().for_each(resolve::trim);
        Ok(())
    }
}

/// A password, of which messages show nothing.
pub(super) struct Password;

impl Form<Secret> for Password {
    fn read(&self, value: Value) -> Read<Secret> {
        match value {
            Value::String(text) if text.is_empty() => Err("must not be empty".into()),
            Value::String(text) => Ok(text.into()),
            _ => Err("must be text".into()),
        }
    }
}

/// A path, which needs not be UTF-8.
pub(super) struct Directory;

impl Form<PathBuf> for Directory {
    fn read(&self, value: Value) -> Read<PathBuf> {
        text(value).map(PathBuf::from)
    }
    fn read_bytes(&self, bytes: OsString) -> Read<PathBuf> {
        Ok(bytes.into())
    }
    fn resolve(&self, field: &mut PathBuf) -> Read<()> {
        *field = resolve::absolute(field)?;
        Ok(())
    }
}

/// Values for a custom backend, none of which is shown: their meaning isn't known.
pub(super) struct Hidden;

impl Form<Vec<Value>> for Hidden {
    fn read(&self, value: Value) -> Read<Vec<Value>> {
        match value {
            Value::List(list) => Ok(list),
            _ => Err("must be a list".into()),
        }
    }
    fn read_text(&self, text: &str) -> Read<Vec<Value>> {
        self.read(variable::list(text)?)
    }
    fn show(&self, field: &Vec<Value>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(field.iter().map(|_| Stars)).finish()
    }
}

impl Form<BTreeMap<String, Value>> for Hidden {
    fn read(&self, value: Value) -> Read<BTreeMap<String, Value>> {
        match value {
            Value::Map(map) => Ok(map),
            _ => Err("must be a table".into()),
        }
    }
    fn read_text(&self, text: &str) -> Read<BTreeMap<String, Value>> {
        self.read(variable::map(text)?)
    }
    fn show(&self, field: &BTreeMap<String, Value>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(field.keys().map(|name| (name, Stars))).finish()
    }
}

struct Stars;

impl fmt::Debug for Stars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Says what a value must be, and what it is.
pub(super) fn must_be(what: &str, value: &Value) -> String {
    let given = match value {
        Value::String(text) if text.trim().is_empty() => "empty".into(),
        Value::String(text) => format!("`{}`{}", redacted(text), variable::service_hint(text)),
        Value::Integer(n) => format!("`{n}`"),
        Value::Float(x) => format!("`{x}`"),
        Value::Bool(yes) => format!("`{yes}`"),
        Value::List(_) => "a list".into(),
        Value::Map(_) => "a table".into(),
    };
    format!("must be {what}; it is {given}")
}

/// Text that isn't empty, without the blanks around it.
fn text(value: Value) -> Read<String> {
    match value {
        Value::String(mut text) => {
            resolve::trim(&mut text);
            if text.is_empty() { Err("must not be empty".into()) } else { Ok(text) }
        }
        other => Err(must_be("text", &other)),
    }
}
