//! The statements through which a sibling reaches its function's site.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;

use super::super::each;
use super::form::mode;
use crate::call::target::Purpose;
use crate::model::{KeySource, Model, Placement, located};

/// The statements that make a handle of the function.
pub(super) fn handle(model: &Model) -> TokenStream {
    let Model { private, version, local, options, in_body, .. } = model;
    let stamped = model.is_stamped();
    let view = matches!(model.key, KeySource::View(..));
    let policy = option(model.policy.as_ref());
    let function = model.function();
    let mode = mode(model);
    let name = option(model.name.as_ref());
    // A free function is one; a method may be one of many types.
    let (new, which, companion) = match &model.placement {
        Placement::Free { companion } => {
            let call = Purpose::Call;
            let path = quote!(::core::option::Option::Some(::core::any::type_name::<#companion<#call>>));
            (quote!(free), None, path)
        }
        Placement::Method => (
            quote!(new),
            Some(quote!(#private::scope_method::<Self>(),)),
            quote!(::core::option::Option::None),
        ),
        Placement::TraitImpl(_) => (
            quote!(new),
            Some(quote!(#private::scope_inline::<Self>(__cachekit_here),)),
            quote!(::core::option::Option::None),
        ),
        Placement::Default | Placement::Inline => (
            quote!(new),
            Some(quote!({
                fn __cachekit_here() {}
                #private::scope_inline::<Self>(__cachekit_here)
            },)),
            quote!(::core::option::Option::None),
        ),
    };
    let entries = Ident::new("__cachekit_entries", Span::mixed_site());
    let shared = each::shared_handle(model);
    let in_default = model.cache.is_none() && shared.is_none();
    let cache = if let Some(path) = &model.cache {
        quote_spanned!(located(path.span())=> #private::as_cache(&#path))
    } else if shared.is_some() {
        quote!(#entries.cache())
    } else {
        quote!(#private::default_cache())
    };
    let of = option(model.each.as_ref().and_then(|each| each.of.as_ref()).map(each::spelled));
    let own = quote!(#private::Handle::<#mode>::#new(&__CACHEKIT_SITE, #which #cache));
    let handle = match shared {
        Some(shared) => quote!({
            let #entries = #shared;
            #private::Sharing::<#mode>::new(#own, #entries)
        }),
        None => own,
    };
    quote! {
        #private::site! {
            function: #function,
            name: #name,
            version: #version,
            local: #local,
            stamped: #stamped,
            policy: #policy,
            in_default: #in_default,
            view: #view,
            options: #options,
            in_body: #in_body,
            of: #of,
            companion: #companion,
        }
        #handle
    }
}

/// An `Option` of a value.
fn option(value: Option<impl ToTokens>) -> TokenStream {
    if let Some(value) = value {
        quote!(::core::option::Option::Some(#value))
    } else {
        quote!(::core::option::Option::None)
    }
}

/// The type of the function's handle.
pub(super) fn handle_type(model: &Model) -> TokenStream {
    let (private, mode) = (&model.private, mode(model));
    let shares = model.each.as_ref().is_some_and(|each| each.of.is_some());
    if shares { quote!(#private::Sharing<#mode>) } else { quote!(#private::Handle<#mode>) }
}
