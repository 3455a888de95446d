//! A call whose value is kept for the request that is being handled.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use super::{key, run};
use crate::model::Model;

/// The statements of `run`: see [`run::body`].
pub(super) fn body(model: &Model, handle: &TokenStream, operation: &TokenStream) -> TokenStream {
    let (compute, wait) = (run::compute(model), model.is_async().then(|| quote!(.await)));
    call(model, handle, operation, &compute, wait.as_ref())
}

/// The statements of the function that keeps a value in the place of the body's.
pub(super) fn prime(model: &Model, handle: &TokenStream, value: &Ident) -> TokenStream {
    let private = &model.private;
    let (compute, wait) = if model.is_async() {
        (quote!(async move { #value }), Some(quote!(.await)))
    } else {
        (quote!(move || #value), None)
    };
    let call = call(model, handle, &quote!(#private::Op::Refresh), &compute, wait.as_ref());
    quote! {
        let _ = { #call };
        ::core::result::Result::Ok(())
    }
}

fn call(
    model: &Model,
    handle: &TokenStream,
    operation: &TokenStream,
    compute: &TokenStream,
    wait: Option<&TokenStream>,
) -> TokenStream {
    let private = &model.private;
    let [pending, found] =
        ["pending", "found"].map(|name| Ident::new(&format!("__cachekit_{name}"), Span::mixed_site()));
    let references = if run::has_expressions(model) { key::pattern_references(model) } else { quote!() };
    let (shape, parts, instance) = (key::shape(model), key::parts(model), key::instance(model));
    let (options, question) = (run::options(model), run::question(model));
    let finish = if wait.is_some() { quote!(finish_async) } else { quote!(finish) };
    quote! {
        #references
        let mut #found = ::core::option::Option::None;
        let #pending =
            #private::per_request(#handle, #shape, &#parts, &#instance, #operation, #options, &mut #found);
        match #pending {
            ::core::option::Option::None => #private::found(#found),
            ::core::option::Option::Some(#pending) => #pending.#finish(#question, #compute) #wait,
        }
    }
}
