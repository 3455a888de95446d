//! The siblings that hold the body: a call, the flight or a later refresh runs it.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{FnArg, Ident, Type};

use super::super::run::{self, OwnedPaths};
use super::form::{
    Bindings, expect_as_allow, hidden, is_lint, path, returning, sibling, signature, turbofish,
};
use crate::model::{Model, located};
use crate::owned::is_static;

/// The function that has the body.
fn compute_sibling(model: &Model) -> TokenStream {
    let hidden = hidden(model);
    let lints = model.attrs.iter().filter(|attr| is_lint(attr)).map(expect_as_allow);
    let mut inner = model.sig.clone();
    inner.ident = sibling(model, "compute");
    let (value, body) = run::judged(model);
    inner.output = returning(value);
    let compute = signature(model, inner, Bindings::Inner, None);
    quote! {
        #hidden
        #[allow(clippy::unused_async)]
        #(#lints)*
        #compute #body
    }
}

/// Emits the hidden functions for `revalidate = "background"` and `detached`: they hold the body, and make its arguments
/// owned.
pub(super) fn outliving_siblings(model: &Model) -> TokenStream {
    let Model { private, sig, returns, .. } = model;
    let (hidden, compute) = (hidden(model), compute_sibling(model));
    let OwnedPaths { compute: path, judge, .. } = owned_paths(model);
    let mut own = sig.clone();
    own.asyncness = None;
    own.ident = sibling(model, "choose");
    let result = if model.is_async() { quote!(Owned) } else { quote!(Task) };
    own.output = returning(quote!(#private::#result<#returns>));
    let own = signature(model, own, Bindings::Outer, None);
    let arguments = run::arguments(model);
    let names = run::numbered(arguments.len());
    let (mut values, mut passed) = (Vec::new(), Vec::new());
    for ((input, argument), name) in sig.inputs.iter().zip(arguments).zip(&names) {
        let (borrowed, span) = match input {
            FnArg::Receiver(receiver) => {
                let borrowed = match &receiver.kind {
                    syn::ReceiverKind::Typed(_, ty) => is_borrow(ty),
                    kind => matches!(kind, syn::ReceiverKind::Reference(..)),
                };
                (borrowed, receiver.self_token.span)
            }
            FnArg::Typed(typed) => (is_borrow(&typed.ty), typed.ty.span()),
        };
        let span = located(span);
        let function = Ident::new(if borrowed { "own_ref" } else { "own_value" }, span);
        values.push(quote_spanned!(span=> #private::#function(#argument)));
        passed.push(if borrowed { quote!(::core::borrow::Borrow::borrow(&#name)) } else { quote!(#name) });
    }
    let body = if model.is_async() {
        quote!(#private::owned(async move { #path(#(#passed),*).await }, #judge))
    } else {
        quote!(#private::task(move || #path(#(#passed),*), #judge))
    };
    quote! {
        #compute
        #hidden
        #[allow(clippy::needless_pass_by_value)]
        #own {
            #(let #names = #values;)*
            #body
        }
    }
}

/// Whether a type is a borrow of something that is no static.
fn is_borrow(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => !reference.lifetime.as_ref().is_some_and(is_static),
        Type::Paren(paren) => is_borrow(&paren.elem),
        Type::Group(group) => is_borrow(&group.elem),
        _ => false,
    }
}

/// Emits the hidden functions for a body whose arguments are all owned; they choose whether the flight runs it.
pub(super) fn owned_siblings(model: &Model) -> TokenStream {
    let Model { private, sig, returns, .. } = model;
    let (hidden, compute) = (hidden(model), compute_sibling(model));
    let OwnedPaths { compute: path, judge, .. } = owned_paths(model);
    let choose = sibling(model, "choose");
    let (generics, _, clause) = sig.generics.split_for_impl();
    let types: Vec<TokenStream> = sig
        .inputs
        .iter()
        .map(|input| match input {
            FnArg::Receiver(receiver) => {
                if let syn::ReceiverKind::Typed(_, ty) = &receiver.kind {
                    quote!(#ty)
                } else {
                    quote!(Self)
                }
            }
            FnArg::Typed(typed) => typed.ty.to_token_stream(),
        })
        .collect();
    let names = run::numbered(types.len());
    quote! {
        #compute
        #hidden
        #[allow(clippy::result_large_err, clippy::type_complexity)]
        fn #choose #generics (
            __cachekit_arguments: (#(#types,)*)
        ) -> ::core::result::Result<#private::Owned<#returns>, (#(#types,)*)> #clause {
            #private::own(__cachekit_arguments, |(#(#names,)*)| #path(#(#names),*)).__cachekit_owned(#judge)
        }
    }
}

pub(super) fn owned_paths(model: &Model) -> OwnedPaths {
    let generics = turbofish(&model.sig);
    let [compute, choose] = ["compute", "choose"].map(|what| {
        let path = path(model, what);
        quote!(#path #generics)
    });
    OwnedPaths { compute, choose, judge: run::judge(model) }
}
