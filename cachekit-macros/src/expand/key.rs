//! What a key is made of, as expressions.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Expr, GenericParam, Pat, Token, Type};

use crate::model::{Argument, KeySource, Model, Placement, Receiver, located};

/// What of the returned value is stored, by its type.
pub(super) fn policy(model: &Model) -> TokenStream {
    let Model { private, returns, .. } = model;
    let span = located(returns.span());
    let choose =
        syn::Ident::new(if model.cache_none { "__cachekit_policy_all" } else { "__cachekit_policy" }, span);
    let reach = syn::Ident::new(if model.local { "local" } else { "portable" }, span);
    // The parentheses have the span of the type, which an error about it is to point at.
    quote_spanned!(span=> #private::#reach((#private::Returns::<#returns>::NEW).#choose()))
}

/// All parts of the key.
pub(super) fn parts(model: &Model) -> TokenStream {
    let private = &model.private;
    let mut parts = Vec::new();
    if !matches!(model.placement, Placement::Free { .. }) {
        parts.push(quote!(#private::of_type::<Self>()));
    }
    for parameter in &model.sig.generics.params {
        match parameter {
            GenericParam::Type(parameter) => {
                let name = &parameter.ident;
                parts.push(quote!(#private::of_type::<#name>()));
            }
            GenericParam::Const(parameter) => {
                let name = &parameter.ident;
                parts.push(part(model, &quote!(&#name), located(parameter.ty.span())));
            }
            GenericParam::Lifetime(_) => {}
        }
    }
    match &model.key {
        KeySource::Arguments => {
            parts.extend(model.keyed_receiver().map(|receiver| receiver_part(model, receiver)));
            for argument in model.arguments.iter().filter(|argument| !argument.ignored) {
                argument_parts(model, argument, &mut parts);
            }
        }
        KeySource::Expression(expression) => {
            let reference = reference_to(expression);
            parts.push(part(model, &reference, located(expression.span())));
        }
        KeySource::View(text, more) => {
            parts.push(part(model, &quote!(&#private::view_key(#text)), located(model.sig.ident.span())));
            if let Some(expression) = more {
                parts.push(part(model, &reference_to(expression), located(expression.span())));
            }
            for argument in &model.arguments {
                if !argument.ignored && !model.key_mentions(&argument.names()) {
                    parts.push(view_part(model, argument));
                }
            }
        }
        KeySource::Constant => {
            parts.push(part(model, &quote!(&#private::request_key()), located(model.sig.ident.span())));
        }
    }
    list(&parts)
}

/// The part that tells instances apart, for deletion by instance; of a view, the path, for deletion by path.
pub(super) fn instance(model: &Model) -> TokenStream {
    let private = &model.private;
    if matches!(model.key, KeySource::View(..) | KeySource::Constant) {
        return list(&[quote!(#private::request_path())]);
    }
    let part = model.keyed_receiver().map(|receiver| receiver_part(model, receiver));
    list(part.as_slice())
}

/// The same where `self` is `&self`, whatever the function takes.
pub(super) fn instance_by_reference(model: &Model) -> TokenStream {
    let by_reference =
        |receiver: &Receiver| Receiver { token: receiver.token.clone(), reference: true, ignored: false };
    let part = model.keyed_receiver().map(|receiver| receiver_part(model, &by_reference(receiver)));
    list(part.as_slice())
}

/// A tuple, or a tuple of them: there is a limit to the length of one that is a part.
fn list(parts: &[TokenStream]) -> TokenStream {
    const LONGEST: usize = 8;
    if parts.len() <= LONGEST {
        return quote!((#(#parts,)*));
    }
    let nested: Vec<_> = parts.chunks(LONGEST).map(list).collect();
    list(&nested)
}

/// A part made of a borrowed value, by what its type can do.
fn part(model: &Model, reference: &TokenStream, span: proc_macro2::Span) -> TokenStream {
    let private = &model.private;
    let method = syn::Ident::new("__cachekit_part", span);
    quote_spanned!(span=> #private::arg(#reference).#method())
}

/// `arg::<Self>` makes one of `self`, `Box<Self>`, `Arc<Self>` and the like by deref coercion.
fn receiver_part(model: &Model, receiver: &Receiver) -> TokenStream {
    let Model { private, .. } = model;
    let token = &receiver.token;
    let span = located(token.span());
    let method = syn::Ident::new("__cachekit_part", span);
    let reference = if receiver.reference { quote!(#token) } else { quote!(&#token) };
    quote_spanned!(span=> #private::arg::<Self>(#reference).#method())
}

fn argument_parts(model: &Model, argument: &Argument, parts: &mut Vec<TokenStream>) {
    let Argument { name, ty, .. } = argument;
    let private = &model.private;
    // `impl Trait` is a type parameter without a name.
    if mentions_impl_trait(ty) {
        parts.push(quote!(#private::of_val(&#name)));
    }
    parts.push(part(model, &quote!(&#name), located(ty.span())));
}

/// A part made of an extractor, by the value that it gave to the function.
fn view_part(model: &Model, argument: &Argument) -> TokenStream {
    let Argument { name, ty, .. } = argument;
    let private = &model.private;
    // The turbofish has the type's own tokens, so that an error about the type points there.
    let of_type = (!mentions_impl_trait(ty)).then(|| quote!(::<#ty>));
    let method = syn::Ident::new("__cachekit_value", located(ty.span()));
    let value = quote_spanned!(located(ty.span())=> &#private::view_argument #of_type (&#name).#method());
    part(model, &value, located(ty.span()))
}

fn mentions_impl_trait(ty: &Type) -> bool {
    struct Find(bool);
    impl<'ast> Visit<'ast> for Find {
        fn visit_type_impl_trait(&mut self, found: &'ast syn::TypeImplTrait) {
            self.0 = true;
            visit::visit_type_impl_trait(self, found);
        }
    }
    let mut find = Find(false);
    find.visit_type(ty);
    find.0
}

/// `&expression`, with parentheses where they are needed.
fn reference_to(expression: &Expr) -> TokenStream {
    syn::ExprReference {
        attrs: Vec::new(),
        and_token: Token![&](located(expression.span())),
        mutability: None,
        expr: Box::new(expression.clone()),
    }
    .into_token_stream()
}

/// Binds the names in the arguments' patterns by reference, for expressions of options.
pub(super) fn pattern_references(model: &Model) -> TokenStream {
    let bindings = model.arguments.iter().filter_map(|argument| {
        let name = &argument.name;
        let pattern = by_reference(argument.pattern.as_ref()?);
        Some(quote!(#[allow(unused_variables)] let #pattern = #name;))
    });
    quote!(#(#bindings)*)
}

/// The pattern with all its names bound by `ref`, which takes nothing out of the value.
fn by_reference(pattern: &Pat) -> Pat {
    let each = |patterns: &Punctuated<Pat, Token![,]>| -> Punctuated<Pat, Token![,]> {
        patterns
            .pairs()
            .map(|pair| {
                let (pattern, comma) = pair.into_tuple();
                syn::punctuated::Pair::new(by_reference(pattern), comma.copied())
            })
            .collect()
    };
    let mut pattern = pattern.clone();
    match &mut pattern {
        // A name in capitals is a constant or a unit struct.
        Pat::Ident(ident) if !ident.ident.to_string().starts_with(char::is_uppercase) => {
            ident.mutability = None;
            ident.by_ref.get_or_insert(Token![ref](located(ident.ident.span())));
        }
        Pat::Tuple(tuple) => tuple.elems = each(&tuple.elems),
        Pat::TupleStruct(tuple) => tuple.elems = each(&tuple.elems),
        Pat::Slice(slice) => slice.elems = each(&slice.elems),
        Pat::Struct(fields) => {
            for field in &mut fields.fields {
                *field.pat = by_reference(&field.pat);
            }
        }
        Pat::Reference(reference) => *reference.pat = by_reference(&reference.pat),
        Pat::Paren(paren) => *paren.pat = by_reference(&paren.pat),
        _ => {}
    }
    pattern
}
