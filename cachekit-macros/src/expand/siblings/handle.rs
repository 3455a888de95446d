//! The statements through which a sibling reaches its function's site.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;

use super::super::each;
use super::form::mode;
use crate::model::{KeySource, Model, Placement, located};

/// The statements that make a handle of the function.
pub(super) fn handle(model: &Model) -> TokenStream {
    if let Some(shared) = each::shared_handle(model, &mode(model)) {
        return shared;
    }
    let Model { private, version, local, options, in_body, .. } = model;
    let stamped = model.is_stamped();
    let view = matches!(model.key, KeySource::View(..));
    let in_default = model.cache.is_none();
    let policy = if let Some(policy) = &model.policy {
        quote!(::core::option::Option::Some(#policy))
    } else {
        quote!(::core::option::Option::None)
    };
    let function = model.function();
    let mode = mode(model);
    let name = if let Some(name) = &model.name {
        quote!(::core::option::Option::Some(#name))
    } else {
        quote!(::core::option::Option::None)
    };
    // A free function is one; a method may be one of many types.
    let (new, which, companion) = match &model.placement {
        Placement::Free { companion } => {
            let path = quote!(::core::option::Option::Some(::core::any::type_name::<#companion>));
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
    let cache = if let Some(path) = &model.cache {
        quote_spanned!(located(path.span())=> #private::as_cache(&#path))
    } else {
        quote!(#private::default_cache())
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
            companion: #companion,
        }
        #private::Handle::<#mode>::#new(&__CACHEKIT_SITE, #which #cache)
    }
}
