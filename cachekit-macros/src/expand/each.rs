//! A call for several ids, each of which has an entry of its own.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, ExprPath, PathArguments, parse_quote};

use super::{key, run};
use crate::call::target::{self, Purpose, Target};
use crate::model::{Argument, Each, Model, located};

/// The name of one id, in the place of all of them.
fn id_name() -> Ident {
    Ident::new("__cachekit_id", Span::mixed_site())
}

/// The id, by reference, if the argument with this number has the ids.
pub(super) fn id(model: &Model, index: usize) -> Option<TokenStream> {
    let id = id_name();
    model.each.as_ref().filter(|each| each.index == index).map(|_| quote!(#id))
}

/// The statements of `run`: see [`run::body`].
pub(super) fn body(model: &Model, each: &Each, handle: &TokenStream, operation: &TokenStream) -> TokenStream {
    let private = &model.private;
    let references = if run::has_expressions(model) { key::pattern_references(model) } else { quote!() };
    let (key, options, judge, work) =
        (key_of_id(model, each, handle), run::options(model), judge(model, each), work(model, each));
    let (like, all, name) = (like(), all(), &each.name);
    let finish = if model.is_async() { quote!(finish_async) } else { quote!(finish) };
    let wait = model.is_async().then(|| quote!(.await));
    quote! {
        #references
        let #like = #private::Like::of(&#name);
        let #all = #private::ids_of(&#name);
        #private::each(#handle.each(), #all, #operation, #options, #key).#finish(#judge, #work) #wait
    }
}

/// The statements of the function that makes the keys.
pub(super) fn keys(model: &Model, each: &Each, handle: &TokenStream) -> TokenStream {
    let private = &model.private;
    let (key, like, name) = (key_of_id(model, each, handle), like(), &each.name);
    let references = if model.tags.is_empty() { quote!() } else { key::pattern_references(model) };
    quote! {
        #references
        let #like = #private::Like::of(&#name);
        #private::Keys::new(#private::ids_of(&#name), #key)
    }
}

/// The type that says what the ids' argument is like.
fn like() -> Ident {
    Ident::new("__cachekit_like", Span::mixed_site())
}

fn all() -> Ident {
    Ident::new("__cachekit_all", Span::mixed_site())
}

/// The closure that makes the key of one id.
fn key_of_id(model: &Model, each: &Each, handle: &TokenStream) -> TokenStream {
    let Model { private, returns, .. } = model;
    let (id, like, name) = (id_name(), like(), &each.name);
    if let Some(of) = &each.of {
        let key = target(of).call("key", &arguments(model, each, of), None);
        return quote_spanned!(located(of.span())=> |#id: &_| #private::EachKey::of::<#returns>(#key));
    }
    let (policy, parts, instance) = (key::policy(model), key::parts(model), key::instance(model));
    let (ids, tags) = if let Some(tags) = key::tags(model) {
        // The tags of an entry see a list of its id alone.
        let ids = quote!(#[allow(unused_variables)] let #name = #like.again(::core::slice::from_ref(#id)););
        (ids, quote!(::core::option::Option::Some(#tags)))
    } else {
        (quote!(), quote!(::core::option::Option::None))
    };
    let call = Purpose::Call;
    quote! {
        |#id: &_| {
            #ids
            #private::EachKey::of::<#returns>(#private::Key::new::<#call>(#handle, #policy, &#parts, &#instance, #tags, &[]))
        }
    }
}

/// The function whose entries are shared.
fn target(of: &ExprPath) -> Target {
    let mut path = of.clone();
    let generics = path.path.segments.last_mut().and_then(|last| {
        match std::mem::replace(&mut last.arguments, PathArguments::None) {
            PathArguments::AngleBracketed(mut generics) => {
                generics.colon2_token.get_or_insert_with(Default::default);
                Some(generics)
            }
            _ => None,
        }
    });
    Target::of_path(path, generics)
}

/// The function whose entries are shared, as text.
pub(super) fn spelled(of: &ExprPath) -> String {
    target::spelled(&of.to_token_stream())
}

/// The handle of the function whose entries are shared.
pub(super) fn shared_handle(model: &Model) -> Option<TokenStream> {
    let of = model.each.as_ref()?.of.as_ref()?;
    let whole = target(of).whole();
    Some(quote_spanned!(located(of.span())=> #whole.entries()))
}

/// The arguments for the function whose entries are shared.
fn arguments(model: &Model, each: &Each, of: &ExprPath) -> crate::call::Arguments {
    let (private, id) = (&model.private, id_name());
    let mut arguments = crate::call::Arguments::new();
    if let (Some(receiver), Target::OfType { .. }) = (&model.receiver, target(of)) {
        let token = &receiver.token;
        arguments.push(parse_quote!(#token));
    }
    for (index, Argument { name, .. }) in model.arguments.iter().enumerate() {
        let argument: Expr = if index == each.index {
            let of_id = quote_spanned!(located(of.span())=> #private::id_as(#id));
            parse_quote!(#of_id)
        } else {
            parse_quote!(::core::clone::Clone::clone(&#name))
        };
        arguments.push(argument);
    }
    arguments
}

/// The function that is asked whether a value is stored, as often as there are values.
fn judge(model: &Model, each: &Each) -> TokenStream {
    let Model { private, entry, .. } = model;
    if each.of.is_some() || !run::asks_value(model) {
        return quote!(#private::keep_all);
    }
    let (question, value) = (run::question(model), Ident::new("__cachekit_value", Span::mixed_site()));
    quote!(|#value: &#entry| ::core::convert::Into::<#private::Verdict>::into((#question)(#value)))
}

/// The closure that runs the body for some of the ids. It may run twice, so it clones the other arguments.
fn work(model: &Model, each: &Each) -> TokenStream {
    let Model { private, returns, .. } = model;
    let (like, some) = (like(), Ident::new("__cachekit_some", Span::mixed_site()));
    let mutable = |argument: &Argument| argument.mutable.then(|| quote!(mut));
    let others = model.arguments.iter().enumerate().filter(|(index, _)| *index != each.index);
    let others = others.map(|(_, argument)| {
        let (name, mutable) = (&argument.name, mutable(argument));
        quote!(let #mutable #name = ::core::clone::Clone::clone(&#name);)
    });
    let (name, mutability) = (&each.name, mutable(&model.arguments[each.index]));
    let body = run::nested_body(model);
    if model.is_async() {
        quote! {
            |#some: ::std::vec::Vec<_>| {
                #(#others)*
                #private::future::<#returns, _>(async move {
                    let #mutability #name = #like.again(&#some);
                    #body
                })
            }
        }
    } else {
        quote! {
            |#some: ::std::vec::Vec<_>| -> #returns {
                #(#others)*
                let #mutability #name = #like.again(&#some);
                #body
            }
        }
    }
}
