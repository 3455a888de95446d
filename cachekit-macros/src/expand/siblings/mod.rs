//! The hidden functions beside the user's one, through which it and the delete macros work.

mod body;
mod form;
mod handle;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote};
use syn::{FnArg, GenericParam, Ident, Token, Type, Visibility};

use self::body::{outliving_siblings, owned_paths, owned_siblings};
pub(super) use self::form::cfgs;
use self::form::{
    Bindings, bindings, call_of_run, expect_as_allow, hidden, is_lint, mode, path, purpose, returning,
    sibling, signature, turbofish, underscored,
};
use self::handle::{handle, handle_type};
use super::{each, key, run};
use crate::call::target::Purpose;
use crate::context::Home;
use crate::model::{Each, KeySource, Model, Placement, located};

/// `struct f { .. }`: a braced struct is in the namespace of types only, so it goes where the function's name goes. Its parameter
/// is the [`Purpose`] of a call.
pub(super) fn companion(model: &Model, name: &Ident) -> TokenStream {
    let cfgs = cfgs(model);
    let vis = &model.vis;
    let mut name = name.clone();
    name.set_span(located(name.span()));
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, missing_debug_implementations, missing_copy_implementations)]
        #vis struct #name<const PURPOSE: ::core::primitive::u8 = 0> {
            _private: (),
        }
    }
}

/// The block that has the siblings of a free function.
pub(super) fn block(companion: &Ident, siblings: &TokenStream) -> TokenStream {
    let purpose = purpose();
    quote! {
        #[doc(hidden)]
        impl<const #purpose: ::core::primitive::u8> #companion<#purpose> {
            #siblings
        }
    }
}

/// The user's function, whose body is a call of `run`.
pub(super) fn outer(model: &Model) -> TokenStream {
    let Model { vis, sig, .. } = model;
    let attrs = model.attrs.iter().map(expect_as_allow);
    let signature = signature(model, sig.clone(), Bindings::Outer, None);
    let run = call_of_run(model, Purpose::Call);
    let names = underscored(model);
    let room = match &model.placement {
        Placement::TraitImpl(home) => Some(room(model, home)),
        _ => None,
    };
    quote! {
        #(#attrs)*
        #names
        #vis #signature {
            #room
            #run
        }
    }
}

/// The inherent impl that has the siblings of a method of a trait. In the method's body, for its own block takes the trait's
/// items only; from there it is the type's as from anywhere.
fn room(model: &Model, home: &Home) -> TokenStream {
    let (generics, _, clause) = home.generics.split_for_impl();
    let ty = &home.self_ty;
    let siblings = all(model);
    quote! {
        fn __cachekit_here() {}
        #[allow(non_local_definitions, private_interfaces, private_bounds, unreachable_pub)]
        #[doc(hidden)]
        impl #generics #ty #clause {
            #siblings
        }
    }
}

/// The visibility of the siblings: those of a method of a trait are visible as far as its type is.
fn visibility(model: &Model) -> Visibility {
    match model.placement {
        Placement::TraitImpl(_) => Visibility::Public(<Token![pub]>::default()),
        _ => model.vis.clone(),
    }
}

/// All siblings, as items of an impl block.
pub(super) fn all(model: &Model) -> TokenStream {
    let private = &model.private;
    let (vis, clause) = (visibility(model), about_self(model));
    let hidden = hidden(model);
    let mode = mode(model);
    let (handle_name, handle_type) = (sibling(model, "handle"), handle_type(model));
    let handle = handle(model);
    let instance = model.keyed_receiver().map(|_| {
        let name = sibling(model, "instance");
        let path = path(model, "handle");
        let parts = key::instance_by_reference(model);
        quote! {
            #hidden
            #vis fn #name(&self) -> #private::Narrowed<#mode> #clause {
                #path().instance(&#parts)
            }
        }
    });
    let instantiation = key::is_generic(model).then(|| instantiation(model));
    let of_one = is_of_one(model).then(|| key_sibling(model, "instance"));
    let key = key_sibling(model, "key");
    let run = run_sibling(model);
    let owned = if model.outlives_callers().is_some() {
        Some(outliving_siblings(model))
    } else {
        model.owned.then(|| owned_siblings(model))
    };
    let (traced, prime) = match &model.each {
        Some(each) => (refusing_sibling(model, each, "traced"), refusing_sibling(model, each, "prime")),
        None => (traced_sibling(model), prime_sibling(model)),
    };
    // A free function's companion has the purpose as its parameter.
    let others = (!matches!(model.placement, Placement::Free { .. })).then(|| {
        let explain = key_sibling(model, "explain");
        let again = [("refresh", Purpose::Refresh), ("uncached", Purpose::Uncached)]
            .map(|(what, purpose)| operation_sibling(model, what, purpose));
        quote!(#explain #(#again)*)
    });
    quote! {
        #hidden
        #vis fn #handle_name() -> #handle_type #clause {
            #handle
        }
        #instance
        #instantiation
        #of_one
        #key
        #run
        #owned
        #traced
        #others
        #prime
    }
}

/// The function that narrows a handle to one instantiation.
fn instantiation(model: &Model) -> TokenStream {
    let Model { private, sig, .. } = model;
    let (hidden, vis, mode) = (hidden(model), visibility(model), mode(model));
    let name = sibling(model, "instantiation");
    let (generics, _, clause) = sig.generics.split_for_impl();
    let (path, parts) = (path(model, "handle"), key::instantiation(model));
    quote! {
        #hidden
        #vis fn #name #generics () -> #private::Narrowed<#mode> #clause {
            #path().instance(&#parts)
        }
    }
}

/// Whether `Type::function(argument)` in a list of deletions is one call, and not all calls on an instance.
fn is_of_one(model: &Model) -> bool {
    !matches!(model.placement, Placement::Free { .. })
        && model.keyed_receiver().is_none()
        && model.sig.inputs.len() == 1
}

/// A call that is about one entry, of a function whose calls are for several: the bound of its argument makes the one error.
fn refusing_sibling(model: &Model, each: &Each, what: &str) -> TokenStream {
    let Model { private, sig, .. } = model;
    let (hidden, vis) = (hidden(model), visibility(model));
    let mut inner = sig.clone();
    inner.ident = sibling(model, what);
    let mut more = None;
    if what == "prime" {
        inner.output = returning(quote!(#private::Result<()>));
        more = Some((Ident::new("__cachekit_value", Span::mixed_site()), quote!(impl #private::PrimesEach)));
    }
    let mut signature = signature(model, inner, Bindings::Outer, more);
    if what == "traced" {
        let ids = signature.inputs.iter_mut().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        });
        if let Some(ids) = ids.into_iter().nth(each.index) {
            *ids.ty = Type::Verbatim(quote!(impl #private::TracesEach));
        }
    }
    quote! {
        #hidden
        #[allow(unused_variables, clippy::unused_async, clippy::needless_pass_by_value)]
        #vis #signature {
            ::core::unreachable!()
        }
    }
}

/// The keys of the ids of a call.
fn keys_sibling(model: &Model, each: &Each, what: &str) -> TokenStream {
    let Model { private, returns, sig, .. } = model;
    let vis = visibility(model);
    let (hidden, mode, handle) = (hidden(model), mode(model), path(model, "handle"));
    let mut plain = sig.clone();
    plain.asyncness = None;
    plain.ident = sibling(model, what);
    plain.output = returning(quote!(#private::Keys<#returns, #mode>));
    let signature = signature(model, plain, Bindings::Outer, None);
    let body = each::keys(model, each, &quote!(#handle()));
    quote! {
        #hidden
        #[allow(unused_variables, clippy::needless_pass_by_value)]
        #vis #signature {
            #body
        }
    }
}

fn key_sibling(model: &Model, what: &str) -> TokenStream {
    if let Some(each) = &model.each {
        return keys_sibling(model, each, what);
    }
    let Model { private, returns, sig, .. } = model;
    let vis = visibility(model);
    let hidden = hidden(model);
    let mode = mode(model);
    let mut plain = sig.clone();
    plain.asyncness = None;
    plain.ident = sibling(model, what);
    let here = model.per_request.is_some();
    plain.output = if here {
        returning(
            quote!(#private::RequestKey<impl #private::Shape<Output = #returns, Stored: #private::KeptHere>, #mode>),
        )
    } else {
        returning(quote!(#private::Key<#returns, #mode>))
    };
    let signature = signature(model, plain, Bindings::Outer, None);
    let references = match (&model.key, model.tags.as_slice()) {
        (KeySource::Expression(_) | KeySource::View(_, Some(_)), _) | (_, [_, ..]) => {
            key::pattern_references(model)
        }
        _ => TokenStream::new(),
    };
    let tags = if let Some(tags) = key::tags(model) {
        quote!(::core::option::Option::Some(#tags))
    } else {
        quote!(::core::option::Option::None)
    };
    let (handle, policy, parts, instance) =
        (path(model, "handle"), key::policy(model), key::parts(model), key::instance(model));
    let key = if here {
        let shape = key::shape(model);
        quote!(#private::RequestKey::new(#handle(), #shape, &#parts, &#instance))
    } else {
        let names = key::part_names(model);
        let purpose = match model.placement {
            Placement::Free { .. } => purpose().to_token_stream(),
            _ if what == "explain" => Purpose::Explain.to_token_stream(),
            _ => Purpose::Call.to_token_stream(),
        };
        quote!(#private::Key::new::<#purpose>(#handle(), #policy, &#parts, &#instance, #tags, &[#(#names),*]))
    };
    // The one with names is compiled only where it is used.
    let inline = (what == "explain").then(|| quote!(#[inline]));
    quote! {
        #hidden
        #inline
        #[allow(unused_variables, clippy::needless_pass_by_value)]
        #vis #signature {
            #references
            #key
        }
    }
}

fn run_sibling(model: &Model) -> TokenStream {
    let Model { private, sig, .. } = model;
    let vis = visibility(model);
    let hidden = hidden(model);
    let lints = model.attrs.iter().filter(|attr| is_lint(attr)).map(expect_as_allow);
    let operation = Ident::new("__cachekit_op", Span::mixed_site());
    let mut inner = sig.clone();
    inner.ident = sibling(model, "run");
    let (argument, operation) = if let Placement::Free { .. } = &model.placement {
        let purpose = purpose();
        (None, quote!(#private::Op::of(#purpose)))
    } else {
        (Some((operation.clone(), quote!(#private::Op))), quote!(#operation))
    };
    let signature = signature(model, inner, bindings(model), argument);
    let handle = path(model, "handle");
    let owned = (model.owned || model.outlives_callers().is_some()).then(|| owned_paths(model));
    let body = run::body(model, &quote!(#handle()), &operation, owned.as_ref());
    quote! {
        #hidden
        #(#lints)*
        #vis #signature {
            #body
        }
    }
}

/// The call that returns an `Outcome`. Inline, so that it is compiled only where it is used.
fn traced_sibling(model: &Model) -> TokenStream {
    let Model { private, sig, returns, .. } = model;
    let vis = visibility(model);
    let hidden = hidden(model);
    let mut outer = sig.clone();
    outer.ident = sibling(model, "traced");
    outer.output = returning(quote!(#private::Outcome<#returns>));
    let signature = signature(model, outer, Bindings::Outer, None);
    let run = call_of_run(model, Purpose::Traced);
    quote! {
        #hidden
        #[inline]
        #vis #signature {
            #private::traced(#run)
        }
    }
}

/// The call that computes whatever is stored. It takes the arguments and nothing more, so that a message about their number
/// has the user's. Inline, as above.
fn operation_sibling(model: &Model, what: &str, purpose: Purpose) -> TokenStream {
    let (vis, sig) = (visibility(model), &model.sig);
    let hidden = hidden(model);
    let mut outer = sig.clone();
    outer.ident = sibling(model, what);
    let signature = signature(model, outer, Bindings::Outer, None);
    let run = call_of_run(model, purpose);
    quote! {
        #hidden
        #[inline]
        #vis #signature {
            #run
        }
    }
}

/// The call that stores a value. Inline, as above.
fn prime_sibling(model: &Model) -> TokenStream {
    let Model { private, sig, returns, .. } = model;
    let vis = visibility(model);
    let hidden = hidden(model);
    let value = Ident::new("__cachekit_value", Span::mixed_site());
    let mut inner = sig.clone();
    inner.ident = sibling(model, "prime");
    inner.output = returning(quote!(#private::Result<()>));
    let signature =
        signature(model, inner, Bindings::Outer, Some((value.clone(), returns.to_token_stream())));
    let plain = run::plain_timeout(model).filter(|_| !run::asks_value(model) && model.per_request.is_none());
    let body = if let Some(timeout) = plain {
        // The key has all the rest.
        let (key, generics, arguments) = (path(model, "key"), turbofish(sig), run::arguments(model));
        let (value, single_flight) = (run::ready(model, &value), model.single_flight);
        let wait = model.is_async().then(|| quote!(.await));
        quote!(#key #generics (#(#arguments),*).prime(#timeout, #single_flight, #value) #wait)
    } else {
        let handle = path(model, "handle");
        run::prime(model, &quote!(#handle()), &value)
    };
    quote! {
        #hidden
        #[allow(unused_variables, clippy::needless_pass_by_value)]
        #[inline]
        #vis #signature {
            #body
        }
    }
}

/// A method of a trait: everything in its own body.
pub(super) fn inline(model: &Model) -> TokenStream {
    let Model { attrs, vis, sig, private, .. } = model;
    let signature = signature(model, sig.clone(), bindings(model), None);
    let handle = handle(model);
    let body = run::body(model, &quote!({ #handle }), &quote!(#private::Op::Call), None);
    let names = underscored(model);
    quote! {
        #(#attrs)*
        #names
        #vis #signature {
            #body
        }
    }
}

/// Siblings of a function that was refused.
pub(super) fn stubs(model: &Model) -> TokenStream {
    let Model { private, vis, returns, sig, .. } = model;
    let names_opaque = returns.to_token_stream().into_iter().any(|token| token.to_string() == "impl");
    if names_opaque || sig.variadic.is_some() || matches!(returns, syn::Type::Never(_)) {
        return TokenStream::new();
    }
    let mode = mode(model);
    let handle = sibling(model, "handle");
    let instance = model.keyed_receiver().map(|_| {
        let name = sibling(model, "instance");
        quote!(#[doc(hidden)] #[allow(dead_code)] #vis fn #name(&self) -> #private::Narrowed<#mode> { loop {} })
    });
    let mut plain = sig.clone();
    plain.constness = None;
    plain.asyncness = None;
    plain.safety = syn::Safety::Default;
    plain.abi = None;
    plain.output = returning(quote!(#private::Key<#returns, #mode>));
    let keys = ["key", "explain"].map(|what| {
        plain.ident = sibling(model, what);
        signature(model, plain.clone(), Bindings::Outer, None)
    });
    quote! {
        #[doc(hidden)]
        #[allow(dead_code)]
        #vis fn #handle() -> #private::Handle<#mode> { loop {} }
        #instance
        #(
            #[doc(hidden)]
            #[allow(dead_code, unused_variables)]
            #vis #keys { loop {} }
        )*
    }
}

/// The user's clause about `Self`, for a sibling that has none of the method's own parameters.
fn about_self(model: &Model) -> Option<TokenStream> {
    let (Placement::Default, Some(clause)) = (&model.placement, &model.sig.generics.where_clause) else {
        return None;
    };
    let parameters: Vec<String> = model.sig.generics.params.iter().map(parameter_name).collect();
    let predicates = clause.predicates.iter().filter(|predicate| {
        let text = predicate.to_token_stream().to_string();
        let mut words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        !words.any(|word| parameters.iter().any(|parameter| parameter == word))
    });
    Some(quote!(where #(#predicates),*))
}

fn parameter_name(parameter: &GenericParam) -> String {
    match parameter {
        GenericParam::Type(parameter) => parameter.ident.to_string(),
        GenericParam::Const(parameter) => parameter.ident.to_string(),
        GenericParam::Lifetime(parameter) => parameter.lifetime.ident.to_string(),
    }
}
