//! The parts of a key, as expressions.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Expr, GenericParam, Pat, Token, Type};

use crate::model::{Argument, KeySource, Model, Placement, Receiver, Way, located};

/// The policy for the returned value, chosen by its type: which part of it is stored.
pub(super) fn policy(model: &Model) -> TokenStream {
    let returns = &model.returns;
    let span = located(returns.span());
    // Everything has the span of the type, which an error about it is to point at.
    let private = spanned(&model.private, span);
    let reach = syn::Ident::new(if model.local { "local" } else { "portable" }, span);
    let shape = shape(model);
    let policy = quote_spanned!(span=> #private::#reach(#shape));
    if model.local { policy } else { quote_spanned!(span=> #policy.__cachekit_compared()) }
}

/// The same tokens at another place.
fn spanned(tokens: &impl ToTokens, span: Span) -> TokenStream {
    let at = |mut token: proc_macro2::TokenTree| {
        token.set_span(span);
        token
    };
    tokens.to_token_stream().into_iter().map(at).collect()
}

/// The part of the returned value that is stored, chosen by its type.
pub(super) fn shape(model: &Model) -> TokenStream {
    let Model { returns, entry, .. } = model;
    let span = located(returns.span());
    // As in `policy`.
    let private = spanned(&model.private, span);
    let choose =
        syn::Ident::new(if model.cache_none { "__cachekit_policy_all" } else { "__cachekit_policy" }, span);
    let shape = if model.err_timeout.is_some() {
        quote_spanned!(span=> #private::whole::<#entry>())
    } else {
        quote_spanned!(span=> (#private::Returns::<#entry>::NEW).#choose())
    };
    // `none_timeout` says it in its own words, and a view has no `None`.
    let none_too =
        model.cache_none && model.none_timeout.is_none() && !matches!(model.key, KeySource::View(..));
    let shape =
        if none_too { quote_spanned!(span=> #private::none_too::<#returns, _>(#shape)) } else { shape };
    if model.conditions.weight.is_some() { quote_spanned!(span=> #private::weighed(#shape)) } else { shape }
}

/// The list of an entry's tags, if the function has any.
pub(super) fn tags(model: &Model) -> Option<TokenStream> {
    let private = &model.private;
    let tags = model.tags.iter().map(|tag| {
        let reference = reference_to(tag);
        quote_spanned!(located(tag.span())=> #reference)
    });
    (!model.tags.is_empty()).then(|| quote!(#private::TagList::of(&[#(#tags),*])))
}

/// A part of the key, with the name that a person knows it by.
struct NamedPart {
    name: String,
    part: TokenStream,
}

impl NamedPart {
    fn new(name: impl Into<String>, part: TokenStream) -> Self {
        Self { name: name.into(), part }
    }
}

/// All parts of the key.
pub(super) fn parts(model: &Model) -> TokenStream {
    list(&named_parts(model).into_iter().map(|named| named.part).collect::<Vec<_>>())
}

/// The names of all parts of the key.
pub(super) fn part_names(model: &Model) -> Vec<String> {
    named_parts(model).into_iter().map(|named| named.name).collect()
}

fn named_parts(model: &Model) -> Vec<NamedPart> {
    let private = &model.private;
    let mut parts: Vec<_> = of_self(model).map(|part| NamedPart::new("Self", part)).into_iter().collect();
    parts.extend(of_parameters(model));
    // `impl Trait` is a type parameter without a name, whatever becomes of the argument.
    for Argument { name, .. } in model.arguments.iter().filter(|argument| mentions_impl_trait(&argument.ty)) {
        let part = quote!(#private::of_val(&#name).__cachekit_type());
        parts.push(NamedPart::new(format!("type of {name}"), part));
    }
    match &model.key {
        KeySource::Arguments => {
            let receiver = model.keyed_receiver().map(|receiver| receiver_part(model, receiver));
            parts.extend(receiver.map(|part| NamedPart::new("self", part)));
            for (index, argument) in model.arguments.iter().enumerate() {
                let Argument { name, ty, way, .. } = argument;
                if *way != Way::Ignored {
                    let value = super::each::id(model, index).unwrap_or_else(|| quote!(&#name));
                    parts.push(NamedPart::new(
                        name_of(argument),
                        part(model, *way, &value, located(ty.span())),
                    ));
                }
            }
        }
        KeySource::Expression(expression) => {
            let reference = reference_to(expression);
            parts.push(NamedPart::new(
                "key",
                part(model, Way::ByType, &reference, located(expression.span())),
            ));
        }
        KeySource::View(text, more) => {
            let span = located(model.sig.ident.span());
            let request = part(model, Way::ByType, &quote!(&#private::view_key(#text)), span);
            parts.push(NamedPart::new("request", request));
            if let Some(expression) = more {
                let key = part(model, Way::ByType, &reference_to(expression), located(expression.span()));
                parts.push(NamedPart::new("key", key));
            }
            for argument in &model.arguments {
                if argument.way != Way::Ignored && !model.key_mentions(&argument.names()) {
                    parts.push(NamedPart::new(name_of(argument), view_part(model, argument)));
                }
            }
        }
        KeySource::Constant => {
            let span = located(model.sig.ident.span());
            let request = part(model, Way::ByType, &quote!(&#private::request_key()), span);
            parts.push(NamedPart::new("request", request));
        }
    }
    parts
}

/// An argument as the user wrote it.
fn name_of(argument: &Argument) -> String {
    match &argument.pattern {
        Some(pattern) => pattern.to_token_stream().to_string(),
        None => argument.name.unraw().to_string(),
    }
}

/// The part that tells instances apart, for deletion by instance; of a view, the path, for deletion by path.
pub(super) fn instance(model: &Model) -> TokenStream {
    let private = &model.private;
    if matches!(model.key, KeySource::View(..) | KeySource::Constant) {
        return list(&[quote!(#private::request_path())]);
    }
    if is_generic(model) {
        return instantiation(model);
    }
    instance_of(model, |receiver| receiver_part(model, receiver))
}

/// Whether the entries of one instantiation can be deleted together: they stand where those of an instance do.
pub(super) fn is_generic(model: &Model) -> bool {
    model.keyed_receiver().is_none()
        && !matches!(model.key, KeySource::View(..) | KeySource::Constant)
        && !matches!(model.placement, Placement::Inline)
        && model.sig.generics.params.iter().any(|parameter| !matches!(parameter, GenericParam::Lifetime(_)))
}

/// The part that tells instantiations apart.
pub(super) fn instantiation(model: &Model) -> TokenStream {
    let private = &model.private;
    let mut parts: Vec<_> = of_self(model).into_iter().collect();
    parts.extend(of_parameters(model).into_iter().map(|named| named.part));
    // Types alone would be nothing, as there is where no entry belongs to an instance.
    let span = located(model.sig.ident.span());
    parts.push(quote_spanned!(span=> #private::arg(&true).__cachekit_part()));
    list(&parts)
}

/// The type and const parameters of the function itself.
fn of_parameters(model: &Model) -> Vec<NamedPart> {
    let private = &model.private;
    let parameters = model.sig.generics.params.iter();
    let parts = parameters.filter_map(|parameter| match parameter {
        GenericParam::Type(parameter) => {
            let name = &parameter.ident;
            Some(NamedPart::new(name.to_string(), quote!(#private::of_type::<#name>().__cachekit_type())))
        }
        GenericParam::Const(parameter) => {
            let name = &parameter.ident;
            let part = part(model, Way::ByType, &quote!(&#name), located(parameter.ty.span()));
            Some(NamedPart::new(name.to_string(), part))
        }
        GenericParam::Lifetime(_) => None,
    });
    parts.collect()
}

/// The same where `self` is `&self`, whatever the function takes.
pub(super) fn instance_by_reference(model: &Model) -> TokenStream {
    instance_of(model, |receiver| {
        let Receiver { token, way, .. } = receiver;
        receiver_part(model, &Receiver { token: token.clone(), reference: true, way: *way })
    })
}

/// With its type: under a `name` of its own, a function of a generic impl is one for all types.
fn instance_of(model: &Model, part: impl Fn(&Receiver) -> TokenStream) -> TokenStream {
    let Some(receiver) = model.keyed_receiver() else { return list(&[]) };
    let mut parts: Vec<_> = of_self(model).into_iter().collect();
    parts.push(part(receiver));
    list(&parts)
}

/// The type that a method is one of.
fn of_self(model: &Model) -> Option<TokenStream> {
    let private = &model.private;
    match model.placement {
        Placement::Free { .. } => None,
        Placement::Method => Some(quote!(#private::of_self::<Self>().__cachekit_type())),
        _ => Some(quote!(#private::of_type::<Self>().__cachekit_type())),
    }
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

/// A part made of a borrowed value, by what its type can do or in the way that the attribute says.
fn part(model: &Model, way: Way, reference: &TokenStream, span: Span) -> TokenStream {
    chosen(model, way, span, |start| quote_spanned!(span=> #start(#reference)))
}

/// `arg::<Self>` makes one of `self`, `Box<Self>`, `Arc<Self>` and the like by deref coercion.
fn receiver_part(model: &Model, receiver: &Receiver) -> TokenStream {
    let Receiver { token, reference, way } = receiver;
    let span = located(token.span());
    let reference = if *reference { quote!(#token) } else { quote!(&#token) };
    chosen(model, *way, span, |start| quote_spanned!(span=> #start::<Self>(#reference)))
}

/// A part that begins with a call of the function for its way. Errors about it point where its method stands.
fn chosen(model: &Model, way: Way, span: Span, call: impl Fn(TokenStream) -> TokenStream) -> TokenStream {
    let private = &model.private;
    let start = match way {
        Way::Hash => "arg_hash",
        Way::Debug => "arg_debug",
        _ if model.debug => "arg_or_debug",
        _ => "arg",
    };
    let start = syn::Ident::new(start, span);
    let call = call(quote_spanned!(span=> #private::#start));
    let method = syn::Ident::new("__cachekit_part", span);
    quote_spanned!(span=> #call.#method())
}

/// A part made of an extractor, by the value that it gave to the function.
fn view_part(model: &Model, argument: &Argument) -> TokenStream {
    let Argument { name, ty, way, .. } = argument;
    let private = &model.private;
    // The turbofish has the type's own tokens, so that an error about the type points there.
    let of_type = (!mentions_impl_trait(ty)).then(|| quote!(::<#ty>));
    let method = syn::Ident::new("__cachekit_value", located(ty.span()));
    let value = quote_spanned!(located(ty.span())=> &#private::view_argument #of_type (&#name).#method());
    part(model, *way, &value, located(ty.span()))
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
