//! First stage: the text of the attribute becomes typed options. Every mistake in it is reported, not only the first.

use proc_macro2::{Ident, Span, TokenStream};
use syn::ext::IdentExt as _;
use syn::parse::{Parse as _, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprClosure, ExprLit, Lit, LitStr, Path, Token};

use crate::duration;
use crate::errors::Errors;
use crate::model::{literal, located};
use crate::options::{self, Flavor};

/// How long an entry lives.
pub(crate) enum TimeoutOption {
    /// Known at compile time, in milliseconds; `0` is for ever.
    Millis(u64),
    /// Computed at each store: seconds or a `Duration`.
    Computed(Expr),
    /// Computed by a closure over the value.
    OfValue(Expr),
}

/// The options of one attribute.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "the options are independent of one another")]
pub(crate) struct Attr {
    pub(crate) timeout: Option<TimeoutOption>,
    pub(crate) key_prefix: Option<Expr>,
    pub(crate) view: Option<Span>,
    pub(crate) key: Option<Expr>,
    pub(crate) ignore: Vec<Ident>,
    pub(crate) per_request: Option<Span>,
    /// The argument of the ids.
    pub(crate) each: Option<Ident>,
    /// The function whose entries are shared.
    pub(crate) of: Option<syn::ExprPath>,
    pub(crate) hash: Vec<Ident>,
    pub(crate) debug: Vec<Ident>,
    /// `debug` without names.
    pub(crate) debug_all: bool,
    pub(crate) name: Option<LitStr>,
    pub(crate) unless: Option<Expr>,
    pub(crate) refresh_if: Option<Expr>,
    pub(crate) stale_if: Option<Expr>,
    pub(crate) cache_if: Option<Expr>,
    pub(crate) weight: Option<Expr>,
    pub(crate) cache_none: bool,
    pub(crate) none_timeout: Option<TimeoutOption>,
    pub(crate) err_timeout: Option<TimeoutOption>,
    pub(crate) jitter: Option<Expr>,
    pub(crate) windows: Windows,
    pub(crate) policy: Option<LitStr>,
    pub(crate) detached: Option<Span>,
    pub(crate) version: Option<LitStr>,
    pub(crate) source_check: bool,
    pub(crate) local: bool,
    pub(crate) tags: Vec<Expr>,
    pub(crate) no_single_flight: bool,
    pub(crate) fleet: Fleet,
    pub(crate) flight_timeout: Option<TimeoutOption>,
    pub(crate) cache: Option<Path>,
    pub(crate) in_impl: Option<Span>,
    pub(crate) in_trait: Option<Span>,
    pub(crate) companion: Option<Ident>,
    pub(crate) krate: Option<Path>,
    /// Options that stand only where the request is the key.
    of_views: Vec<Ident>,
    /// All of it, as text.
    pub(crate) written: String,
}

/// The options about one computation in all processes.
#[derive(Default)]
pub(crate) struct Fleet {
    /// Where `single_flight = "fleet"` stands.
    pub(crate) said: Option<Span>,
    pub(crate) wait: Option<TimeoutOption>,
    /// Where `fleet_wait` stands.
    pub(crate) wait_said: Option<Span>,
}

/// The options about values that are served while they are computed anew.
#[derive(Default)]
pub(crate) struct Windows {
    pub(crate) while_revalidate: Option<TimeoutOption>,
    pub(crate) if_error: Option<TimeoutOption>,
    pub(crate) refresh_ahead: Option<Expr>,
    pub(crate) retry_after: Option<TimeoutOption>,
    /// Where `"background"` stands.
    pub(crate) background: Option<Span>,
    pub(crate) soft_timeout: Option<TimeoutOption>,
    /// Where `soft_timeout` stands.
    pub(crate) soft: Option<Span>,
    /// Where `revalidate` or `retry_after` stands.
    pub(crate) said: Option<Ident>,
}

impl Windows {
    /// Whether any value is served past its timeout, or computed anew ahead of it.
    pub(crate) fn is_used(&self) -> bool {
        self.while_revalidate.is_some() || self.refresh_ahead.is_some() || self.if_error.is_some()
    }
}

/// The tokens after the name of an option.
enum Value {
    Nothing,
    Is(Expr),
    /// Names in parentheses, at least one.
    List(Punctuated<Ident, Token![,]>),
}

impl Attr {
    /// Reads the attribute's tokens.
    pub(crate) fn parse(flavor: Flavor, tokens: TokenStream, errors: &Errors) -> Self {
        let mut attr = Self { written: tokens.to_string(), ..Self::default() };
        let parser = |input: ParseStream<'_>| {
            let mut seen: Vec<String> = Vec::new();
            let mut first = true;
            while !input.is_empty() {
                if let Err(error) = attr.item(flavor, input, first, &mut seen, errors) {
                    errors.push(error);
                    skip_item(input)?;
                }
                first = false;
                if !input.is_empty() && input.parse::<Token![,]>().is_err() {
                    errors.push(input.error("expected `,` between options"));
                    skip_item(input)?;
                    input.parse::<Option<Token![,]>>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            errors.push(error);
        }
        if !attr.is_view() {
            attr.of_views.iter().for_each(|key| misplaced(flavor, key, errors));
        }
        attr
    }

    /// Whether the request is the key: by `view`, or by `%s` in a literal `key_prefix`.
    pub(crate) fn is_view(&self) -> bool {
        let text = self.key_prefix.as_ref().and_then(literal);
        self.view.is_some() || text.is_some_and(|text| text.contains("%s"))
    }

    fn item(
        &mut self,
        flavor: Flavor,
        input: ParseStream<'_>,
        first: bool,
        seen: &mut Vec<String>,
        errors: &Errors,
    ) -> syn::Result<()> {
        if input.peek(Lit) || input.peek(Token![-]) {
            let value: Expr = input.parse()?;
            if !first {
                let message =
                    "only the timeout may stand without its name, and it comes first: write `option = value`";
                return Err(syn::Error::new_spanned(value, message));
            }
            seen.push("timeout".to_owned());
            self.timeout = Some(timeout(value)?);
            return Ok(());
        }
        let key = input.call(Ident::parse_any)?;
        let name = key.unraw().to_string();
        let Some(spec) = options::find(&name) else {
            let mut message = options::unknown(flavor, &name);
            if name == "ttl" || name == "time" || name == "expires" {
                message = message.replacen('.', "; did you mean `timeout`?", 1);
            }
            errors.at(key.span(), message);
            return skip_item(input);
        };
        if spec.only.is_some_and(|only| only != flavor) {
            if !spec.of_views {
                misplaced(flavor, &key, errors);
                return skip_item(input);
            }
            self.of_views.push(key.clone());
        }
        if seen.contains(&name) {
            errors.at(key.span(), format!("`{name}` is given twice: keep one of them"));
            return skip_item(input);
        }
        if name == "tags" {
            self.tags = tags(&key, spec.usage, input)?;
            seen.push(name);
            return Ok(());
        }
        let value = Value::parse(&key, spec.usage, input)?;
        seen.push(name);
        self.set(&key, spec.usage, value)
    }

    fn set(&mut self, key: &Ident, usage: &str, value: Value) -> syn::Result<()> {
        let span = key.span();
        let wrong = || syn::Error::new(span, format!("write `{usage}`"));
        match (key.unraw().to_string().as_str(), value) {
            ("timeout", Value::Is(value)) => self.timeout = Some(timeout(value)?),
            ("key_prefix", Value::Is(value)) => self.key_prefix = Some(value),
            ("key", Value::Is(value)) => self.key = Some(value),
            ("ignore", Value::List(names)) => self.ignore = names.into_iter().collect(),
            ("each", Value::Is(value)) => self.each = Some(argument(value, usage)?),
            ("of", Value::Is(value)) => match value {
                Expr::Path(path) => self.of = Some(path),
                other => return Err(syn::Error::new_spanned(other, format!("write `{usage}`"))),
            },
            ("hash", Value::List(names)) => self.hash = names.into_iter().collect(),
            ("debug", Value::List(names)) => self.debug = names.into_iter().collect(),
            ("debug", value @ (Value::Nothing | Value::Is(_))) => self.debug_all = flag(value, usage)?,
            ("name", Value::Is(value)) => self.name = Some(text(value, usage)?),
            ("unless", Value::Is(value)) => self.unless = Some(value),
            ("refresh_if", Value::Is(value)) => self.refresh_if = Some(value),
            ("stale_if", Value::Is(value)) => self.stale_if = Some(predicate("stale_if", value, usage)?),
            ("cache_if", Value::Is(value)) => self.cache_if = Some(predicate("cache_if", value, usage)?),
            ("weight", Value::Is(value)) => self.weight = Some(predicate("weight", value, usage)?),
            ("version", Value::Is(value)) => self.version = Some(text(value, usage)?),
            ("cache", Value::Is(value)) => self.cache = Some(path(value, usage)?),
            ("crate", Value::Is(value)) => self.krate = Some(path(value, usage)?),
            ("companion", Value::Is(value)) => {
                let path = path(value, usage)?;
                let name = path.get_ident().cloned();
                self.companion =
                    Some(name.ok_or_else(|| syn::Error::new_spanned(path, format!("write `{usage}`")))?);
            }
            ("per_request", value) => self.per_request = flag(value, usage)?.then_some(span),
            ("view", value) => self.view = flag(value, usage)?.then_some(span),
            ("in_impl", value) => self.in_impl = flag(value, usage)?.then_some(span),
            ("in_trait", value) => self.in_trait = flag(value, usage)?.then_some(span),
            ("cache_none", value) => self.cache_none = flag(value, usage)?,
            ("none_timeout", Value::Is(value)) => {
                self.none_timeout = Some(timeout_of_kind("none_timeout", value)?);
            }
            ("err_timeout", Value::Is(value)) => {
                self.err_timeout = Some(timeout_of_kind("err_timeout", value)?);
            }
            ("stale_while_revalidate", Value::Is(value)) => {
                self.windows.while_revalidate = Some(span_of("stale_while_revalidate", value)?);
            }
            ("stale_if_error", Value::Is(value)) => {
                self.windows.if_error = Some(span_of("stale_if_error", value)?);
            }
            ("refresh_ahead", Value::Is(value)) => {
                self.windows.refresh_ahead = Some(part_between(value, usage)?);
            }
            ("revalidate", Value::Is(value)) => {
                let said = text(value, usage)?;
                match said.value().as_str() {
                    "caller" => {}
                    "background" => self.windows.background = Some(said.span()),
                    _ => {
                        let message =
                            format!("expected `\"caller\"` or `\"background\"`: write for example `{usage}`");
                        return Err(syn::Error::new_spanned(said, message));
                    }
                }
                self.windows.said.get_or_insert(key.clone());
            }
            ("retry_after", Value::Is(value)) => {
                self.windows.retry_after = Some(span_of("retry_after", value)?);
                self.windows.said.get_or_insert(key.clone());
            }
            ("policy", Value::Is(value)) => self.policy = Some(text(value, usage)?),
            ("soft_timeout", Value::Is(value)) => {
                self.windows.soft_timeout = Some(span_of("soft_timeout", value)?);
                self.windows.soft = Some(span);
            }
            ("detached", value) => self.detached = flag(value, usage)?.then_some(span),
            ("jitter", Value::Is(value)) => self.jitter = Some(fraction(value, usage)?),
            ("source_check", value) => self.source_check = flag(value, usage)?,
            ("local", value) => self.local = flag(value, usage)?,
            ("flight_timeout", Value::Is(value)) => self.flight_timeout = Some(flight_timeout(value)?),
            ("single_flight", Value::Is(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })))
                if text.value() == "fleet" =>
            {
                self.fleet.said = Some(text.span());
            }
            ("single_flight", Value::Is(value @ Expr::Lit(ExprLit { lit: Lit::Str(_), .. }))) => {
                let message = format!("expected `true`, `false` or `\"fleet\"`: write `{usage}`");
                return Err(syn::Error::new_spanned(value, message));
            }
            ("single_flight", value) => self.no_single_flight = !flag(value, usage)?,
            ("fleet_wait", Value::Is(value)) => {
                self.fleet.wait = Some(span_of("fleet_wait", value)?);
                self.fleet.wait_said = Some(span);
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }
}

/// Reads the expressions in parentheses, at least one.
fn tags(key: &Ident, usage: &str, input: ParseStream<'_>) -> syn::Result<Vec<Expr>> {
    let wrong = |span| syn::Error::new(span, format!("tags stand in parentheses: write `{usage}`"));
    if !input.peek(syn::token::Paren) {
        return Err(wrong(key.span()));
    }
    let content;
    let parentheses = syn::parenthesized!(content in input);
    let tags = content.parse_terminated(Expr::parse, Token![,]).inspect_err(|_| {
        // Tokens that are left over would be an error of their own.
        let _ = content.parse::<TokenStream>();
    })?;
    if tags.is_empty() {
        return Err(wrong(parentheses.span.join()));
    }
    Ok(tags.into_iter().map(ungrouped).collect())
}

/// The name of an argument.
fn argument(value: Expr, usage: &str) -> syn::Result<Ident> {
    let name = match &value {
        Expr::Path(path) => path.path.get_ident().cloned(),
        _ => None,
    };
    name.ok_or_else(|| {
        syn::Error::new_spanned(value, format!("this is the name of an argument: write `{usage}`"))
    })
}

/// An option of the other attribute.
fn misplaced(flavor: Flavor, key: &Ident, errors: &Errors) {
    let name = key.unraw().to_string();
    let instead = options::find(&name).map_or("", |spec| spec.instead);
    errors.at(key.span(), format!("`{name}` is not an option of `#[{}]`: {instead}", flavor.name()));
}

impl Value {
    fn parse(key: &Ident, usage: &str, input: ParseStream<'_>) -> syn::Result<Self> {
        if input.parse::<Option<Token![=]>>()?.is_some() {
            if input.is_empty() || input.peek(Token![,]) {
                return Err(syn::Error::new(
                    key.span(),
                    format!("the value of `{key}` is missing after `=`"),
                ));
            }
            Ok(Self::Is(ungrouped(input.parse()?)))
        } else if input.peek(syn::token::Paren) {
            let content;
            let parentheses = syn::parenthesized!(content in input);
            let forked = content.fork();
            match forked.parse_terminated(Ident::parse_any, Token![,]) {
                Ok(names) if !names.is_empty() && !takes_equals(key, usage) => {
                    content.parse::<TokenStream>()?;
                    Ok(Self::List(names))
                }
                _ => {
                    // Tokens that are left over would be an error of their own.
                    let value = content.parse::<TokenStream>()?;
                    let message = if takes_equals(key, usage) && !value.is_empty() {
                        format!("the value of `{key}` stands after `=`: write `{key} = {value}`")
                    } else {
                        format!("write `{usage}`")
                    };
                    Err(syn::Error::new(parentheses.span.join(), message))
                }
            }
        } else {
            Ok(Self::Nothing)
        }
    }
}

/// Whether an option is written `key = value`.
fn takes_equals(key: &Ident, usage: &str) -> bool {
    usage.starts_with(&format!("{} =", key.unraw()))
}

/// Returns the expression without the invisible group in which `macro_rules!` passes on `$value:expr`.
fn ungrouped(value: Expr) -> Expr {
    match value {
        Expr::Group(group) => ungrouped(*group.expr),
        other => other,
    }
}

/// Moves on to the next comma outside of brackets.
fn skip_item(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}

fn flag(value: Value, usage: &str) -> syn::Result<bool> {
    match value {
        Value::Nothing => Ok(true),
        Value::Is(Expr::Lit(ExprLit { lit: Lit::Bool(value), .. })) => Ok(value.value),
        Value::Is(other) => {
            Err(syn::Error::new_spanned(other, format!("expected `true` or `false`: write `{usage}`")))
        }
        Value::List(names) => Err(syn::Error::new_spanned(names, format!("write `{usage}`"))),
    }
}

fn text(value: Expr, usage: &str) -> syn::Result<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if !text.value().is_empty() => Ok(text),
        other => {
            let message = format!(
                "this option is fixed at compile time and needs a string literal that is not empty: write `{usage}`"
            );
            Err(syn::Error::new_spanned(other, message))
        }
    }
}

fn path(value: Expr, usage: &str) -> syn::Result<Path> {
    match value {
        Expr::Path(path) if path.qself.is_none() => Ok(path.path),
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => text.parse(),
        other => Err(syn::Error::new_spanned(other, format!("expected a path: write `{usage}`"))),
    }
}

/// A closure, or the path of a function.
fn predicate(name: &str, value: Expr, usage: &str) -> syn::Result<Expr> {
    match value {
        Expr::Closure(ref closure) if closure.inputs.len() != 1 => {
            let message = format!("the closure takes one argument, the value by reference: write `{usage}`");
            Err(syn::Error::new_spanned(value, message))
        }
        Expr::Closure(_) | Expr::Path(_) | Expr::Call(_) | Expr::Block(_) => Ok(value),
        other => {
            let message = format!("`{name}` takes a closure over the value: write `{usage}`");
            Err(syn::Error::new_spanned(other, message))
        }
    }
}

fn flight_timeout(value: Expr) -> syn::Result<TimeoutOption> {
    match timeout(value.clone())? {
        TimeoutOption::Millis(0) => Err(syn::Error::new_spanned(
            value,
            "`flight_timeout` can't be 0: write `single_flight = false` for calls that don't wait for each other",
        )),
        TimeoutOption::OfValue(closure) => Err(syn::Error::new_spanned(
            closure,
            "`flight_timeout` is decided before there is a value: write it without `|..|`",
        )),
        read => Ok(read),
    }
}

/// The timeout of values of one kind, which the value has no part in.
fn timeout_of_kind(name: &str, value: Expr) -> syn::Result<TimeoutOption> {
    match timeout(value)? {
        TimeoutOption::OfValue(closure) => Err(syn::Error::new_spanned(
            closure,
            format!(
                "`{name}` is one time for all such values: write it without `|..|`, or use `timeout = |value| ..`"
            ),
        )),
        read => Ok(read),
    }
}

/// A time that is neither 0, which is "never", nor decided by the value.
fn span_of(name: &str, value: Expr) -> syn::Result<TimeoutOption> {
    match timeout_of_kind(name, value.clone())? {
        TimeoutOption::Millis(0) => Err(syn::Error::new_spanned(
            value,
            format!("`{name}` can't be 0: leave it out, or write a duration"),
        )),
        read => Ok(read),
    }
}

/// A part of a whole that is neither nothing nor all of it.
fn part_between(value: Expr, usage: &str) -> syn::Result<Expr> {
    let is_nothing = matches!(
        &value,
        Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) if number.base10_parse::<f64>().is_ok_and(|part| part == 0.0)
    );
    if is_nothing {
        let message =
            format!("at 0.0 every call would compute anew: write a part of the timeout, as `{usage}`");
        return Err(syn::Error::new_spanned(value, message));
    }
    fraction(value, usage)
}

/// A part of a whole: a literal from 0 to less than 1, or an expression.
fn fraction(value: Expr, usage: &str) -> syn::Result<Expr> {
    let number = match &value {
        Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) => number.base10_parse::<f64>().ok(),
        Expr::Lit(_) | Expr::Closure(_) | Expr::Unary(syn::ExprUnary { op: syn::UnOp::Neg(_), .. }) => None,
        _ => return Ok(value),
    };
    match number {
        Some(number) if (0.0..1.0).contains(&number) => Ok(value),
        _ => Err(syn::Error::new_spanned(
            value,
            format!("this is a part of the timeout, from 0.0 to less than 1.0: write `{usage}`"),
        )),
    }
}

fn timeout(value: Expr) -> syn::Result<TimeoutOption> {
    let value = ungrouped(value);
    let wrong = |message: &str| Err(syn::Error::new_spanned(&value, message));
    match &value {
        Expr::Lit(ExprLit { lit: Lit::Int(seconds), .. }) if matches!(seconds.suffix(), "" | "u64") => {
            let millis = seconds.base10_parse::<u64>().ok().and_then(|seconds| seconds.checked_mul(1_000));
            match millis {
                Some(millis) => Ok(TimeoutOption::Millis(millis)),
                None => {
                    wrong("this many seconds are too long: write `timeout = 0` for entries that never expire")
                }
            }
        }
        Expr::Lit(ExprLit { lit: Lit::Int(_), .. }) => wrong("an integer is seconds, without a suffix"),
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
            let text = text.value();
            match duration::parse(&text) {
                Ok(time) if time.is_zero() && !duration::is_bare(text.trim()) => wrong(&format!(
                    "`{text}` is zero with a unit: write `timeout = 0` for entries that never expire"
                )),
                Ok(time) => {
                    let millis = time.as_nanos().div_ceil(1_000_000);
                    Ok(TimeoutOption::Millis(u64::try_from(millis).unwrap_or(u64::MAX)))
                }
                Err(reason) => {
                    wrong(&format!("`{text}` is not a duration: {reason}; write {}", duration::FORMS))
                }
            }
        }
        Expr::Lit(ExprLit { lit: Lit::Float(_), .. }) => {
            wrong("an integer is seconds; for parts of a second write for example `timeout = \"1500ms\"`")
        }
        Expr::Lit(_) => {
            wrong("a timeout is seconds, a text such as \"5m\", or an expression for a `Duration`")
        }
        Expr::Unary(syn::ExprUnary { op: syn::UnOp::Neg(_), .. }) => {
            wrong("a timeout can't be negative; write `timeout = 0` for entries that never expire")
        }
        Expr::Closure(closure) if closure.inputs.len() != 1 => wrong(
            "the closure takes one argument, the value by reference: write `timeout = |value| duration`",
        ),
        // A path in its place would be a duration, so no lint may turn the closure into one: it counts as generated.
        Expr::Closure(closure) => Ok(TimeoutOption::OfValue(Expr::Closure(ExprClosure {
            inputs_begin: Token![|](located(closure.inputs_begin.span)),
            ..closure.clone()
        }))),
        _ => Ok(TimeoutOption::Computed(value)),
    }
}
