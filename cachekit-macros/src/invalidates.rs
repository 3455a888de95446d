//! `#[invalidates(…)]`: the deletions that follow the body of a function.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Expr, Path, PathArguments, ReturnType, Token, Type};

use crate::call::target::Target;
use crate::check::{boxed_future, made_by_async_trait};
use crate::errors::Errors;
use crate::input::Input;
use crate::model::located;

const USAGE: &str = "write `#[invalidates(function(arguments), function, Type::method(instance), instance.method(arguments), tag = format!(\"user:{id}\"))]`";

/// One item of the list.
enum Item {
    /// An expression for a deletion that is ready to run.
    Deletion(TokenStream),
    /// A text whose entries are to be deleted.
    Tag(Expr),
    /// The cache whose tags are meant.
    Cache(Path),
    /// Where cachekit is re-exported.
    Crate(Path),
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Token![crate]) && input.peek2(Token![=]) {
            input.parse::<Token![crate]>()?;
            input.parse::<Token![=]>()?;
            return input.parse().map(Self::Crate);
        }
        if input.peek2(Token![=]) && !input.peek2(Token![==]) {
            let word = input.call(Ident::parse_any)?;
            input.parse::<Token![=]>()?;
            return match word.to_string().as_str() {
                "tag" => input.parse().map(Self::Tag),
                "cache" => input.parse().map(Self::Cache),
                _ => Err(syn::Error::new(word.span(), format!("there is no `{word}` here: {USAGE}"))),
            };
        }
        deletion(input.parse()?).map(Self::Deletion)
    }
}

impl Item {
    /// An expression for a deletion that is ready to run.
    fn deletion(&self, krate: &TokenStream, cache: Option<&Path>) -> Option<TokenStream> {
        match self {
            Self::Deletion(deletion) => Some(deletion.clone()),
            Self::Tag(tag) => {
                let private = quote!(#krate::__private);
                let cache = if let Some(path) = cache {
                    quote!(#private::as_cache(&#path))
                } else {
                    quote!(#private::default_cache())
                };
                let tag = quote_spanned!(located(syn::spanned::Spanned::span(tag))=> &#tag);
                Some(quote!(#private::TagDeletion::new(#cache, #tag)))
            }
            Self::Cache(_) | Self::Crate(_) => None,
        }
    }
}

/// The expansion. With errors, the user's function still comes out.
pub(crate) fn expand(attr: TokenStream, item: &TokenStream) -> TokenStream {
    let input = match syn::parse2::<Input>(item.clone()) {
        Ok(input) => input,
        Err(error) => {
            let error = error.to_compile_error();
            return quote!(#item #error);
        }
    };
    let errors = Errors::new();
    let items = items(attr, &errors);
    let krate = items.iter().find_map(|item| match item {
        Item::Crate(path) => Some(path.to_token_stream()),
        _ => None,
    });
    let krate = krate.unwrap_or_else(|| quote!(::cachekit));
    let cache = items.iter().find_map(|item| match item {
        Item::Cache(path) => Some(path),
        _ => None,
    });
    if let Some(path) = cache
        && !items.iter().any(|item| matches!(item, Item::Tag(_)))
    {
        errors.over(
            path,
            "`cache` says whose tags are meant, and there is no `tag = ..` here: a function knows its cache",
        );
    }
    let deletions: Vec<_> = items.iter().filter_map(|item| item.deletion(&krate, cache)).collect();
    if let ReturnType::Type(_, returns) = &input.sig.output
        && let Some(future) = boxed_future(returns)
    {
        if made_by_async_trait(&input.sig) {
            errors.at(
                input.sig.ident.span(),
                "`#[async_trait]` has made this method return a boxed future, before which the deletions would run: leave \
                 `#[async_trait]` out, for Rust has `async fn` in traits, or put the attribute on an `async fn` outside of \
                 the trait and call it from here",
            );
        } else {
            errors.over(
                future,
                "the deletions would run before this future does: write `async fn`, without `Pin<Box<..>>`",
            );
        }
    }
    match errors.finish() {
        None => wrapped(input, &krate, &deletions),
        Some(errors) => quote!(#item #errors),
    }
}

fn items(attr: TokenStream, errors: &Errors) -> Vec<Item> {
    let parsed = Punctuated::<Item, Token![,]>::parse_terminated.parse2(attr);
    match parsed {
        Ok(items) if items.iter().any(|item| matches!(item, Item::Deletion(_) | Item::Tag(_))) => {
            items.into_iter().collect()
        }
        Ok(_) => {
            errors.at(
                Span::call_site(),
                format!("name a memoized function whose entries are out of date afterwards: {USAGE}"),
            );
            Vec::new()
        }
        Err(error) => {
            errors.push(error);
            Vec::new()
        }
    }
}

/// Returns an expression for a key, an instance or a function, whose entries are to be deleted.
fn deletion(expression: Expr) -> syn::Result<TokenStream> {
    let span = located(syn::spanned::Spanned::span(&expression));
    match expression {
        Expr::Call(call) => {
            let Expr::Path(mut path) = *call.func else {
                return Err(syn::Error::new_spanned(call.func, USAGE));
            };
            let generics = path.path.segments.last_mut().and_then(|last| {
                match std::mem::replace(&mut last.arguments, PathArguments::None) {
                    PathArguments::AngleBracketed(generics) => Some(generics),
                    _ => None,
                }
            });
            let target = Target::of_path(path, generics);
            // With the receiver alone, all calls on the instance.
            let sibling = if matches!(target, Target::OfType { .. }) && call.args.len() == 1 {
                "instance"
            } else {
                "key"
            };
            Ok(target.call(sibling, &call.args, None))
        }
        Expr::MethodCall(call) => {
            let target =
                Target::OfInstance { instance: call.receiver, method: call.method, generics: call.turbofish };
            Ok(target.call("key", &call.args, None))
        }
        Expr::Path(path) => match path.path.segments.last().map(|last| &last.arguments) {
            Some(PathArguments::AngleBracketed(generics)) => {
                let generics = Some(generics.clone());
                let mut path = path;
                if let Some(last) = path.path.segments.last_mut() {
                    last.arguments = PathArguments::None;
                }
                let target = Target::of_path(path, generics);
                Ok(target.instantiation().unwrap_or_else(|| target.whole()))
            }
            _ => Ok(Target::of_path(path, None).whole()),
        },
        Expr::Field(field) => match field.member {
            syn::Member::Named(method) => {
                Ok(Target::OfInstance { instance: field.base, method, generics: None }.whole())
            }
            syn::Member::Unnamed(index) => Err(syn::Error::new_spanned(index, "a method has a name")),
        },
        Expr::Group(group) => deletion(*group.expr),
        Expr::Reference(reference) => {
            Err(syn::Error::new_spanned(reference.and_token, "name the function itself, without `&`"))
        }
        _ => Err(syn::Error::new(span, USAGE)),
    }
}

fn wrapped(input: Input, krate: &TokenStream, deletions: &[TokenStream]) -> TokenStream {
    let Input { attrs, vis, sig, body } = input;
    let private = quote!(#krate::__private);
    let name = |text: &str| Ident::new(&format!("__cachekit_{text}"), Span::mixed_site());
    let (value, ended, failed) = (name("value"), name("ended"), name("failed"));
    let names: Vec<Ident> = (0..deletions.len()).map(|index| name(&format!("deletion{index}"))).collect();
    let returns = match &sig.output {
        ReturnType::Default => Some(quote!(())),
        ReturnType::Type(_, ty) => (!names_opaque(ty)).then(|| ty.to_token_stream()),
    };
    let (run, method, wait) = if sig.asyncness.is_some() {
        let of_type = returns.map(|ty| quote!(: #ty));
        let run = quote!(let #value #of_type = async move #body .await;);
        (run, Ident::new("invalidate_async", Span::call_site()), Some(quote!(.await)))
    } else {
        let arrow = returns.as_ref().map(|ty| quote!(-> #ty));
        let run = quote!(let #value = #private::result(move || #arrow #body););
        (run, Ident::new("invalidate", Span::call_site()), None)
    };
    let span = located(sig.ident.span());
    let end = quote_spanned!(span=> #ended.__cachekit_end(#value, #failed));
    quote! {
        #(#attrs)*
        #vis #sig {
            #(let #names = #deletions;)*
            #run
            let #ended = #private::ended(&#value);
            if !#ended.__cachekit_succeeded(&#value) {
                return #value;
            }
            let mut #failed = #private::Failed::default();
            #(#failed.note(#names.#method() #wait);)*
            #end
        }
    }
}

/// Whether the type can't be written again: `impl Trait` is another type at each place.
fn names_opaque(ty: &Type) -> bool {
    fn within(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            proc_macro2::TokenTree::Ident(word) => word.unraw() == "impl",
            proc_macro2::TokenTree::Group(group) => within(group.stream()),
            _ => false,
        })
    }
    within(ty.to_token_stream())
}
