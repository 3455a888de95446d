//! Last stage: the code that is emitted.

mod each;
mod key;
mod per_request;
mod run;
mod siblings;

use proc_macro2::TokenStream;
use quote::quote;

use crate::attr::Attr;
use crate::check::check;
use crate::context;
use crate::errors::Errors;
use crate::input::{Input, is_ours};
use crate::model::{Model, Placement};
use crate::options::Flavor;

/// All stages, one after another. With errors, the user's item still comes out.
pub(crate) fn attribute(flavor: Flavor, attr: TokenStream, item: &TokenStream) -> TokenStream {
    let mut input = match syn::parse2::<Input>(item.clone()) {
        Ok(input) => input,
        Err(error) => {
            let error = error.to_compile_error();
            return quote!(#item #error);
        }
    };
    let (mut attr, mut home) = (attr, context::home(&input.sig.ident));
    if let Some(place) = &home {
        match (place.qualified(item.clone()).map(syn::parse2), place.qualified(attr.clone())) {
            (Some(Ok(qualified)), Some(options)) => (input, attr) = (qualified, options),
            _ => home = None,
        }
    }
    let errors = Errors::new();
    let attr = Attr::parse(flavor, attr, &errors);
    let model = Model::new(flavor, attr, input, home, &errors);
    check(&model, &errors);
    match errors.finish() {
        None => expand(&model),
        Some(errors) => {
            let function = refused(&model);
            quote!(#function #errors)
        }
    }
}

/// The function and its hidden siblings.
fn expand(model: &Model) -> TokenStream {
    match &model.placement {
        Placement::Free { companion } => {
            let function = siblings::outer(model);
            let companion_item = siblings::companion(model, companion);
            let block = siblings::block(companion, &siblings::all(model));
            let cfgs = siblings::cfgs(model);
            quote! {
                #function
                #companion_item
                #(#cfgs)*
                #block
            }
        }
        Placement::Method | Placement::Default => {
            let function = siblings::outer(model);
            let siblings = siblings::all(model);
            quote!(#function #siblings)
        }
        Placement::TraitImpl(_) => siblings::outer(model),
        Placement::Inline => siblings::inline(model),
    }
}

/// The function as it is, and siblings that do nothing, so that a mistake in the attribute is the only error.
fn refused(model: &Model) -> TokenStream {
    let Model { attrs, vis, sig, body, .. } = model;
    // A second attribute of ours would say the same things again.
    let attrs = attrs.iter().filter(|attr| !is_ours(attr));
    let function = quote!(#(#attrs)* #vis #sig #body);
    match &model.placement {
        Placement::Free { companion } => {
            let companion_item = siblings::companion(model, companion);
            let block = siblings::block(companion, &siblings::stubs(model));
            quote!(#function #companion_item #block)
        }
        Placement::Method => {
            let siblings = siblings::stubs(model);
            quote!(#function #siblings)
        }
        Placement::TraitImpl(_) | Placement::Default | Placement::Inline => function,
    }
}

#[cfg(test)]
mod tests;
