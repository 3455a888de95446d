//! The body of `run`: looks for the value, computes it if it must, stores it.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, Ident};

use super::key;
use crate::attr::TimeoutOption;
use crate::model::{KeySource, Model, located};
use crate::options::Flavor;

/// The statements of the function that has the user's body. `handle` is an expression for its handle, `operation` one
/// for what this call does.
pub(super) fn body(model: &Model, handle: &TokenStream, operation: &TokenStream) -> TokenStream {
    let Model { private, returns, .. } = model;
    let [rules, pending, keep, ticket, value, done] =
        ["policy", "pending", "cache_if", "ticket", "value", "done"]
            .map(|name| Ident::new(&format!("__cachekit_{name}"), Span::mixed_site()));
    let imports = key::imports(model);
    let references = if has_expressions(model) { key::pattern_references(model) } else { TokenStream::new() };
    let parts = key::parts(model);
    let instance = key::instance(model);
    let policy = key::policy(model);
    let options = options(model);
    let cache_if = if let Some(closure) = &model.conditions.cache_if {
        quote!(#private::predicate::<#returns, _>(#closure))
    } else {
        quote!(#private::keep_all::<#returns>)
    };
    let compute = compute(model, &ticket);
    let handle = match model.flavor {
        Flavor::Cached => quote!(#private::taking_part(#handle)),
        Flavor::Memoize => handle.clone(),
    };
    let (lead, finish) = if model.is_async() {
        (quote!(lead_async(#rules).await), quote!(finish_async(#rules, #value, #keep).await))
    } else {
        (quote!(lead(#rules)), quote!(finish(#rules, #value, #keep)))
    };
    // A handler's response: its body must be read before it can be stored.
    let ready = (model.flavor == Flavor::Cached)
        .then(|| quote!(let #value = (&&#private::Returns::<#returns>::NEW).__cachekit_ready(#value);));
    quote! {
        #imports
        #references
        let #rules = #policy;
        let #pending = match #private::probe(#handle, #rules, &#parts, &#instance, #operation, #options) {
            #private::Probe::Done(#done) => return #done,
            #private::Probe::Pending(#pending) => #pending,
        };
        let #keep = #cache_if;
        let #ticket = match #pending.#lead {
            #private::Lead::Done(#done) => return #done,
            #private::Lead::Compute(#ticket) => #ticket,
        };
        let #value: #returns = #compute;
        #ready
        #ticket.#finish
    }
}

/// The user's body, run under the ticket.
fn compute(model: &Model, ticket: &Ident) -> TokenStream {
    let Model { body, returns, .. } = model;
    let bindings: Vec<TokenStream> = model
        .arguments
        .iter()
        .filter_map(|argument| {
            let name = &argument.name;
            argument.pattern.as_ref().map(|pattern| quote!(let #pattern = #name;))
        })
        .collect();
    let body = if bindings.is_empty() { body.to_token_stream() } else { quote!({ #(#bindings)* #body }) };
    // The body owns the arguments, unless `cache_if` may look at them afterwards.
    let capture = model.conditions.cache_if.is_none().then(|| quote!(move));
    if model.is_async() {
        quote!(#ticket.run_async::<#returns, _>(async #capture #body).await)
    } else {
        quote!(#ticket.run(#capture || -> #returns #body))
    }
}

fn options(model: &Model) -> TokenStream {
    let Model { private, returns, single_flight, conditions, .. } = model;
    let condition = |expression: &Option<Expr>| {
        if let Some(expression) = expression {
            quote!(|| -> bool { #expression })
        } else {
            quote!(#private::no)
        }
    };
    let unless = match (&model.key, &conditions.unless) {
        (KeySource::View(_), None) => quote!(|| -> bool { !#private::in_request() }),
        (KeySource::View(_), Some(unless)) => quote!(|| -> bool { !#private::in_request() || { #unless } }),
        (_, unless) => condition(unless),
    };
    let refresh_if = condition(&conditions.refresh_if);
    let stale_if = if let Some(closure) = &conditions.stale_if {
        quote!(#private::predicate::<#returns, _>(#closure))
    } else {
        quote!(#private::keep::<#returns>)
    };
    let fixed = |timeout: TokenStream| quote!(#private::Fixed(#private::Timeout::#timeout));
    let timeout = match &model.timeout {
        None => fixed(quote!(Default)),
        Some(TimeoutOption::Millis(0)) => fixed(quote!(Never)),
        Some(TimeoutOption::Millis(millis)) => fixed(quote!(After(#private::millis(#millis)))),
        Some(TimeoutOption::Computed(expression)) => {
            let span = located(expression.span());
            let expression = quote_spanned!(span=> ::core::convert::From::from(#expression));
            quote!(#private::Computed(|| -> #private::Timeout { #expression }))
        }
    };
    quote! {
        #private::Options {
            unless: #unless,
            refresh_if: #refresh_if,
            stale_if: #stale_if,
            timeout: #timeout,
            single_flight: #single_flight,
        }
    }
}

fn has_expressions(model: &Model) -> bool {
    let conditions = &model.conditions;
    let expressions =
        [&conditions.unless, &conditions.refresh_if, &conditions.stale_if, &conditions.cache_if];
    expressions.iter().any(|expression| expression.is_some())
        || matches!(model.key, KeySource::Expression(_))
        || matches!(model.timeout, Some(TimeoutOption::Computed(_)))
}
