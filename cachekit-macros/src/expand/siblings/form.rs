//! Names, attributes and signatures of siblings.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{
    Attribute, FnArg, GenericParam, Ident, Pat, PatIdent, PatType, ReturnType, Signature, Token, Type,
};

use crate::call::target::{Purpose, sibling_of_method};
use crate::model::{Argument, Model, Placement, located};

/// The name of a sibling. Errors about it point at the function's name.
pub(super) fn sibling(model: &Model, what: &str) -> Ident {
    let span = located(model.sig.ident.span());
    match model.placement {
        Placement::Free { .. } => format_ident!("__cachekit_{what}", span = span),
        _ => sibling_of_method(&format_ident!("{}", model.function()), what, span),
    }
}

/// `<f>::name` or `Self::name_f`.
pub(super) fn path(model: &Model, what: &str) -> TokenStream {
    let name = sibling(model, what);
    if let Placement::Free { companion } = &model.placement {
        quote!(<#companion>::#name)
    } else {
        quote!(Self::#name)
    }
}

/// The name that the parameter of a free function's companion has in its siblings.
pub(in crate::expand) fn purpose() -> Ident {
    Ident::new("__CACHEKIT_PURPOSE", Span::mixed_site())
}

/// The call of `run` with the arguments of a function that has the same, waited for.
pub(super) fn call_of_run(model: &Model, purpose: Purpose) -> TokenStream {
    let private = &model.private;
    let name = sibling(model, "run");
    let generics = turbofish(&model.sig);
    let receiver = model.receiver.as_ref().map(|receiver| {
        let token = &receiver.token;
        quote!(#token,)
    });
    let arguments = model.arguments.iter().map(|argument| &argument.name);
    let wait = model.is_async().then(|| quote!(.await));
    if let Placement::Free { companion } = &model.placement {
        return quote!(<#companion<#purpose>>::#name #generics (#receiver #(#arguments),*) #wait);
    }
    let operation = format_ident!("{purpose:?}");
    quote!(Self::#name #generics (#receiver #(#arguments,)* #private::Op::#operation) #wait)
}

pub(super) fn mode(model: &Model) -> TokenStream {
    let private = &model.private;
    if model.is_async() { quote!(#private::Async) } else { quote!(#private::Blocking) }
}

/// The `#[cfg]`s, which hold for all that is generated.
pub(in crate::expand) fn cfgs(model: &Model) -> Vec<&Attribute> {
    model.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect()
}

/// The attributes of a sibling.
pub(super) fn hidden(model: &Model) -> TokenStream {
    let cfgs = cfgs(model);
    let names = underscored(model);
    // `run` takes one argument more than the user's function.
    let many = (model.sig.inputs.len() >= 7).then(|| quote!(#[allow(clippy::too_many_arguments)]));
    let in_trait = matches!(model.placement, Placement::Default).then(|| quote!(#[allow(async_fn_in_trait)]));
    quote!(#(#cfgs)* #[doc(hidden)] #[allow(dead_code)] #in_trait #many #names)
}

/// An argument whose name says that it isn't used is used by the key.
pub(super) fn underscored(model: &Model) -> Option<TokenStream> {
    let found = model
        .arguments
        .iter()
        .any(|argument| argument.pattern.is_none() && argument.name.to_string().starts_with('_'));
    found.then(|| quote!(#[allow(clippy::used_underscore_binding)]))
}

#[derive(Clone, Copy)]
pub(super) enum Bindings {
    /// Arguments are passed on.
    Outer,
    /// Arguments belong to the body.
    Inner,
}

/// The bindings of the function that has the body. A body that may run for a part of the ids has arguments of its own.
pub(super) fn bindings(model: &Model) -> Bindings {
    if model.each.is_some() { Bindings::Outer } else { Bindings::Inner }
}

/// The signature with the arguments' names in place of their patterns, and one more at its end.
pub(super) fn signature(
    model: &Model,
    mut signature: Signature,
    bindings: Bindings,
    more: Option<(Ident, TokenStream)>,
) -> Signature {
    let mut arguments = model.arguments.iter();
    for input in &mut signature.inputs {
        match (input, bindings) {
            (FnArg::Receiver(receiver), Bindings::Outer) => receiver.mutability = None,
            (FnArg::Receiver(_), _) => {}
            (FnArg::Typed(typed), _) => {
                let Some(Argument { name, mutable, attrs, .. }) = arguments.next() else { continue };
                let mutability = *mutable && matches!(bindings, Bindings::Inner);
                typed.attrs.clone_from(attrs);
                *typed.pat = binding(name.clone(), mutability.then(<Token![mut]>::default));
            }
        }
    }
    signature.inputs.extend(more.map(|(name, ty)| {
        FnArg::Typed(PatType {
            attrs: Vec::new(),
            pat: Box::new(binding(name, None)),
            colon_token: <Token![:]>::default(),
            ty: Box::new(Type::Verbatim(ty)),
        })
    }));
    signature
}

// Put together by hand: to parse them takes a tenth of an expansion's time.

fn binding(ident: Ident, mutability: Option<Token![mut]>) -> Pat {
    Pat::Ident(PatIdent { attrs: Vec::new(), by_ref: None, mutability, ident, subpat: None })
}

pub(super) fn returning(ty: TokenStream) -> ReturnType {
    ReturnType::Type(<Token![->]>::default(), Box::new(Type::Verbatim(ty)))
}

/// The generic arguments that can't always be inferred from the others.
pub(super) fn turbofish(sig: &Signature) -> Option<TokenStream> {
    let names: Vec<&Ident> = sig
        .generics
        .params
        .iter()
        .filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(&parameter.ident),
            GenericParam::Const(parameter) => Some(&parameter.ident),
            GenericParam::Lifetime(_) => None,
        })
        .collect();
    (!names.is_empty()).then(|| quote!(::<#(#names),*>))
}

pub(super) fn is_lint(attr: &Attribute) -> bool {
    ["allow", "expect", "warn", "deny"].iter().any(|name| attr.path().is_ident(name))
}

/// Turns `#[expect]` into `#[allow]`: a lint that the user expects may be tripped in only one of the two functions.
pub(super) fn expect_as_allow(attr: &Attribute) -> Attribute {
    let mut attr = attr.clone();
    if let (true, syn::Meta::List(list)) = (attr.path().is_ident("expect"), &mut attr.meta) {
        list.path = Ident::new("allow", Span::call_site()).into();
    }
    attr
}
