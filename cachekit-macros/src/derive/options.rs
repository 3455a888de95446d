//! `#[cache_key(..)]` on a type, a variant and a field.

use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{Attribute, LitStr, Path, Token, WherePredicate, parse_quote};

use crate::errors::Errors;

/// Reads every option of every `#[cache_key(..)]`.
fn each(attrs: &[Attribute], errors: &Errors, mut read: impl FnMut(&ParseNestedMeta<'_>) -> syn::Result<()>) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("cache_key")) {
        if let Err(error) = attr.parse_nested_meta(|meta| read(&meta)) {
            errors.push(error);
        }
    }
}

/// The options of the type.
pub(super) struct Container {
    pub(super) krate: Path,
    /// The bounds of the implementation, instead of those that follow from the fields.
    pub(super) bound: Option<Punctuated<WherePredicate, Token![,]>>,
}

impl Container {
    pub(super) fn parse(attrs: &[Attribute], errors: &Errors) -> Self {
        let mut container = Self { krate: parse_quote!(::cachekit), bound: None };
        each(attrs, errors, |meta| {
            if meta.path.is_ident("crate") {
                let value = meta.value()?;
                container.krate =
                    if value.peek(LitStr) { value.parse::<LitStr>()?.parse()? } else { value.parse()? };
                return Ok(());
            }
            if meta.path.is_ident("bound") {
                let text: LitStr = meta.value()?.parse()?;
                container.bound = Some(text.parse_with(Punctuated::parse_terminated)?);
                return Ok(());
            }
            let on_field = ["skip", "hash", "debug"].into_iter().find(|name| meta.path.is_ident(name));
            let hint = match on_field {
                Some(name) => format!("`{name}` goes on a field"),
                None => "unknown option".to_owned(),
            };
            Err(meta.error(format!(
                "{hint}: on a type, write `#[cache_key(bound = \"T: Bound\")]` or `#[cache_key(crate = path)]`"
            )))
        });
        container
    }
}

/// How a field goes into the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldWay {
    /// As its type can.
    ByType,
    /// By its `Hash`, without a form beside it.
    Hash,
    /// By its `Debug` text.
    Debug,
    /// Not at all.
    Skipped,
}

impl FieldWay {
    pub(super) fn parse(attrs: &[Attribute], errors: &Errors) -> Self {
        let mut way = Self::ByType;
        each(attrs, errors, |meta| {
            let named = if meta.path.is_ident("skip") {
                Self::Skipped
            } else if meta.path.is_ident("hash") {
                Self::Hash
            } else if meta.path.is_ident("debug") {
                Self::Debug
            } else {
                return Err(meta.error(
                    "unknown option: on a field, write `#[cache_key(skip)]`, `#[cache_key(hash)]` or \
                     `#[cache_key(debug)]`",
                ));
            };
            if way != Self::ByType {
                return Err(
                    meta.error("a field has one way into the key: write one of `skip`, `hash` and `debug`")
                );
            }
            way = named;
            Ok(())
        });
        way
    }
}

/// Refuses every option on a variant.
pub(super) fn refuse_on_variant(attrs: &[Attribute], errors: &Errors) {
    each(attrs, errors, |meta| {
        Err(meta.error(
            "a variant can't be left out: its values would be one key; put `#[cache_key(skip)]` on its fields",
        ))
    });
}
