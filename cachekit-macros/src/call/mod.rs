//! The macros that name a memoized function: `delete_memoized!(f, a)` and its relatives.

pub(crate) mod target;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
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
        }
    }

    fn method(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::DeleteVersion => "delete_version",
            Self::Peek => "peek",
            Self::Stats => "stats",
            Self::Refresh | Self::Uncached => "run",
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
        if comma.is_none() && !input.is_empty() {
            return Err(input.error("expected `,` and the arguments"));
        }
        let arguments = Arguments::parse_terminated(input)?;
        generate(operation, &target, &arguments)
    };
    // An expression, so that the only error is this one.
    parser.parse2(tokens).unwrap_or_else(|error| error.to_compile_error())
}

fn generate(operation: Operation, target: &Target, arguments: &Arguments) -> syn::Result<TokenStream> {
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
            whole(name, target, &method)
        }
        Operation::Delete if arguments.is_empty() => whole(name, target, &method),
        Operation::Delete | Operation::Peek => {
            let key = target.call("key", arguments, None);
            Ok(quote_spanned!(located(target.span())=> #key.#method()))
        }
        Operation::Refresh | Operation::Uncached => {
            // `Op` by its number: the path of cachekit isn't known here.
            let number = if operation == Operation::Refresh { 1_u8 } else { 2_u8 };
            Ok(target.call("run", arguments, Some(&quote!(::core::convert::From::from(#number)))))
        }
    }
}

/// Returns an operation on all calls, of the function or on one instance.
fn whole(name: &str, target: &Target, method: &Ident) -> syn::Result<TokenStream> {
    if let Some(generics) = target.generics() {
        let message = format!(
            "without arguments it is about all instantiations together: write `{name}!({})`, or give the \
             arguments of one call",
            target.display()
        );
        return Err(syn::Error::new_spanned(generics, message));
    }
    let handle = target.whole();
    Ok(quote_spanned!(located(target.span())=> #handle.#method()))
}

#[cfg(test)]
mod tests;
