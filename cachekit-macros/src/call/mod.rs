//! The macros that name a memoized function: `delete_memoized!(f, a)` and its relatives.

pub(crate) mod target;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Expr, Token};

use crate::model::located;
use target::Target;

/// The operation on the function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    Delete,
    DeleteVersion,
    Peek,
    Stats,
    Refresh,
    Uncached,
    Traced,
    Explain,
    Prime,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete_memoized",
            Self::DeleteVersion => "delete_memoized_verhash",
            Self::Peek => "peek",
            Self::Stats => "stats",
            Self::Refresh => "refresh",
            Self::Uncached => "uncached",
            Self::Traced => "traced",
            Self::Explain => "explain",
            Self::Prime => "prime",
        }
    }

    fn method(self) -> &'static str {
        match self {
            // To remove the version is how all entries of a function are deleted.
            Self::Delete | Self::DeleteVersion => "delete",
            Self::Peek => "peek",
            Self::Stats => "stats",
            Self::Explain => "explain",
            Self::Refresh => "refresh",
            Self::Uncached => "uncached",
            Self::Traced => "traced",
            Self::Prime => "prime",
        }
    }
}

pub(crate) type Arguments = Punctuated<Expr, Token![,]>;

/// The expansion of `operation!(tokens)`.
pub(crate) fn expand(operation: Operation, tokens: TokenStream) -> TokenStream {
    let parser = |input: ParseStream<'_>| -> syn::Result<TokenStream> {
        if input.is_empty() {
            let message = format!("name the function: write `{}!(function, arguments..)`", operation.name());
            return Err(syn::Error::new(Span::call_site(), message));
        }
        let target = Target::parse(input, operation.name())?;
        let comma: Option<Token![,]> = input.parse()?;
        let value = operation == Operation::Prime && input.peek(Token![=>]);
        if comma.is_none() && !input.is_empty() && !value {
            return Err(input.error("expected `,` and the arguments"));
        }
        let (arguments, value) = if operation == Operation::Prime {
            let (arguments, value) = primed(input, &target)?;
            (arguments, Some(value))
        } else {
            (Arguments::parse_terminated(input)?, None)
        };
        generate(operation, &target, &arguments, value.as_ref())
    };
    // An expression, so that the only error is this one.
    parser.parse2(tokens).unwrap_or_else(|error| error.to_compile_error())
}

/// Reads `arguments.. => value`.
fn primed(input: ParseStream<'_>, target: &Target) -> syn::Result<(Arguments, TokenStream)> {
    let mut arguments = Arguments::new();
    while !input.is_empty() && !input.peek(Token![=>]) {
        arguments.push(input.parse()?);
        if input.peek(Token![,]) {
            arguments.push_punct(input.parse()?);
        } else {
            break;
        }
    }
    let usage =
        || format!("give the value after `=>`: write `prime!({}, arguments.. => value)`", target.display());
    if !input.peek(Token![=>]) {
        return Err(input.error(usage()));
    }
    input.parse::<Token![=>]>()?;
    if input.is_empty() {
        return Err(input.error(usage()));
    }
    let value: Expr = input.parse()?;
    input.parse::<Option<Token![,]>>()?;
    if !input.is_empty() {
        return Err(input.error("one value is stored: expected `)`"));
    }
    Ok((arguments, value.into_token_stream()))
}

fn generate(
    operation: Operation,
    target: &Target,
    arguments: &Arguments,
    value: Option<&TokenStream>,
) -> syn::Result<TokenStream> {
    let name = operation.name();
    let method = Ident::new(operation.method(), located(target.span()));
    match operation {
        Operation::DeleteVersion | Operation::Stats => {
            if let Some(first) = arguments.first() {
                let message = match operation {
                    Operation::Stats => {
                        "statistics are kept by function, not by arguments: write only the function"
                            .to_owned()
                    }
                    _ => format!(
                        "`{name}!` drops every call of the function: for one call, write \
                         `delete_memoized!(function, arguments..)`"
                    ),
                };
                return Err(syn::Error::new_spanned(first, message));
            }
            whole(operation, target, &method)
        }
        Operation::Delete if arguments.is_empty() => whole(operation, target, &method),
        Operation::Delete | Operation::Peek | Operation::Explain => {
            let what = if operation == Operation::Explain { "explain" } else { "key" };
            let key = target.call(what, arguments, None);
            Ok(quote_spanned!(located(target.span())=> #key.#method()))
        }
        Operation::Traced | Operation::Prime | Operation::Refresh | Operation::Uncached => {
            Ok(target.call(operation.method(), arguments, value))
        }
    }
}

/// Returns an operation on all calls, of the function, of one instantiation or on one instance.
fn whole(operation: Operation, target: &Target, method: &Ident) -> syn::Result<TokenStream> {
    if let (Some(narrowed), false) = (target.instantiation(), operation == Operation::Stats) {
        return Ok(quote_spanned!(located(target.span())=> #narrowed.#method()));
    }
    if let Some(generics) = target.generics() {
        let message = format!(
            "without arguments it is about all instantiations together: write `{}!({})`",
            operation.name(),
            target.display()
        );
        return Err(syn::Error::new_spanned(generics, message));
    }
    let handle = target.whole();
    Ok(quote_spanned!(located(target.span())=> #handle.#method()))
}

#[cfg(test)]
mod tests;
