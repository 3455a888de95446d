//! How a memoized function is named: `f`, `module::f`, `Type::m`, `<Type as Trait>::m`, `instance.m`.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::{Parse as _, ParseStream, Parser as _};
use syn::spanned::Spanned as _;
use syn::{AngleBracketedGenericArguments, Expr, ExprPath, PathArguments, Token};

use super::Arguments;
use crate::model::located;

pub(crate) enum Target {
    /// A free function, by the path of its companion.
    Free { path: ExprPath, generics: Option<AngleBracketedGenericArguments> },
    /// A method, by its type.
    OfType { path: ExprPath, method: Ident, generics: Option<AngleBracketedGenericArguments> },
    /// A method, by an instance.
    OfInstance { instance: Box<Expr>, method: Ident, generics: Option<AngleBracketedGenericArguments> },
}

impl Target {
    /// Reads the tokens before the first comma that is not between angle brackets.
    pub(super) fn parse(input: ParseStream<'_>, name: &str) -> syn::Result<Self> {
        let (tokens, generics) = split_generics(target_tokens(input)?);
        let generics = generics
            .map(|generics| AngleBracketedGenericArguments::parse_turbofish.parse2(generics))
            .transpose()?;
        let expression = Expr::parse.parse2(tokens)?;
        match ungrouped(expression) {
            Expr::Path(path) => Ok(Self::of_path(path, generics)),
            Expr::Field(field) => match field.member {
                syn::Member::Named(method) => Ok(Self::OfInstance { instance: field.base, method, generics }),
                syn::Member::Unnamed(index) => Err(syn::Error::new_spanned(index, "a method has a name")),
            },
            Expr::Call(call) => {
                let (function, arguments) = (call.func.to_token_stream(), call.args.to_token_stream());
                let message =
                    format!("this would call the function: write `{}`", usage(name, &function, &arguments));
                Err(syn::Error::new_spanned(call, message))
            }
            Expr::MethodCall(call) => {
                let (receiver, method) = (&call.receiver, &call.method);
                let written = usage(name, &quote!(#receiver.#method), &call.args.to_token_stream());
                Err(syn::Error::new_spanned(&call, format!("this would call the method: write `{written}`")))
            }
            Expr::Reference(reference) => {
                Err(syn::Error::new_spanned(reference.and_token, "name the function itself, without `&`"))
            }
            other => {
                let message = format!(
                    "expected a function: write `{name}!(function, ..)`, `{name}!(Type::method, &instance, \
                     ..)` or `{name}!(instance.method, ..)`"
                );
                Err(syn::Error::new_spanned(other, message))
            }
        }
    }

    pub(crate) fn of_path(mut path: ExprPath, generics: Option<AngleBracketedGenericArguments>) -> Self {
        let owner = path.path.segments.iter().rev().nth(1);
        let of_type = match (&path.qself, owner) {
            // `<T>::m`, `<T as Trait>::m`
            (Some(qself), _) if path.path.segments.len() == qself.position + 1 => true,
            (_, Some(owner)) => names_type(owner),
            (_, None) => false,
        };
        if !of_type {
            return Self::Free { path, generics };
        }
        let method = path
            .path
            .segments
            .last()
            .map_or_else(|| Ident::new("_", Span::call_site()), |last| last.ident.clone());
        if let Some(last) = path.path.segments.last_mut() {
            last.arguments = PathArguments::None;
        }
        Self::OfType { path, method, generics }
    }

    /// Where errors about it belong.
    pub(super) fn span(&self) -> Span {
        match self {
            Self::Free { path, .. } => {
                path.path.segments.last().map_or_else(|| path.span(), |last| last.ident.span())
            }
            Self::OfType { method, .. } | Self::OfInstance { method, .. } => method.span(),
        }
    }

    pub(super) fn generics(&self) -> Option<&AngleBracketedGenericArguments> {
        match self {
            Self::Free { generics, .. }
            | Self::OfType { generics, .. }
            | Self::OfInstance { generics, .. } => generics.as_ref(),
        }
    }

    /// As the user would write it, without generic arguments.
    pub(super) fn display(&self) -> String {
        match self {
            Self::Free { path, .. } | Self::OfType { path, .. } => spelled(&path.to_token_stream()),
            Self::OfInstance { instance, method, .. } => {
                format!("{}.{method}", spelled(&instance.to_token_stream()))
            }
        }
    }

    /// A sibling that takes the function's arguments.
    pub(crate) fn call(&self, what: &str, arguments: &Arguments, last: Option<&TokenStream>) -> TokenStream {
        let generics = self.generics();
        let separator = (last.is_some() && !arguments.empty_or_trailing()).then(|| quote!(,));
        let mut group = Group::new(Delimiter::Parenthesis, quote!(#arguments #separator #last));
        group.set_span(located(self.span()));
        let function = self.sibling(what);
        quote!(#function #generics #group)
    }

    /// A handle for all calls of one instantiation, if generic arguments are given.
    pub(crate) fn instantiation(&self) -> Option<TokenStream> {
        let generics = match self {
            Self::Free { generics, .. } | Self::OfType { generics, .. } => generics.as_ref()?,
            Self::OfInstance { .. } => return None,
        };
        let function = self.sibling("instantiation");
        let mut group = Group::new(Delimiter::Parenthesis, TokenStream::new());
        group.set_span(located(self.span()));
        Some(quote!(#function #generics #group))
    }

    /// A handle for all calls, of the function or on the instance.
    pub(crate) fn whole(&self) -> TokenStream {
        let function = self.sibling(match self {
            Self::Free { .. } | Self::OfType { .. } => "handle",
            Self::OfInstance { .. } => "instance",
        });
        let mut group = Group::new(Delimiter::Parenthesis, TokenStream::new());
        group.set_span(located(self.span()));
        quote!(#function #group)
    }

    fn sibling(&self, what: &str) -> TokenStream {
        let span = located(self.span());
        let of_method = |method: &Ident| sibling_of_method(&method.unraw(), what, span);
        match self {
            Self::Free { path, .. } => {
                let (purpose, what) = match Purpose::standing_for(what) {
                    Some((purpose, what)) => (Some(quote_spanned!(span=> <#purpose>)), what),
                    None => (None, what),
                };
                let name = format_ident!("__cachekit_{what}", span = span);
                // In `<…>` it is a type: a name that is none is not taken for a crate.
                quote_spanned!(span=> <#path #purpose>::#name)
            }
            Self::OfType { path, method, .. } => of_type(path, &of_method(method)),
            Self::OfInstance { instance, method, .. } => {
                let name = of_method(method);
                quote!(#instance.#name)
            }
        }
    }
}

/// The purpose of a call, as the parameter of a free function's companion: siblings that differ in it alone are one function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// The default of the parameter.
    Call = 0,
    Refresh = 1,
    Uncached = 2,
    Traced = 3,
    Explain = 4,
}

impl Purpose {
    /// The purpose of a sibling that a free function hasn't, and the sibling that stands for it.
    fn standing_for(sibling: &str) -> Option<(Self, &'static str)> {
        match sibling {
            "refresh" => Some((Self::Refresh, "run")),
            "uncached" => Some((Self::Uncached, "run")),
            "explain" => Some((Self::Explain, "key")),
            _ => None,
        }
    }
}

impl ToTokens for Purpose {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        proc_macro2::Literal::u8_unsuffixed(*self as u8).to_tokens(tokens);
    }
}

/// The name of a sibling of a method. Errors about a method that isn't memoized show it, so it says as much.
pub(crate) fn sibling_of_method(method: &Ident, what: &str, span: Span) -> Ident {
    format_ident!("__memoized_{method}_{what}", span = span)
}

/// A sibling of a method by its type. Of `<Type as Trait>::method` it stands with the type, or in the trait, which is in scope
/// here for that.
fn of_type(path: &ExprPath, sibling: &Ident) -> TokenStream {
    let mut path = path.clone();
    if let Some(qself) = path.qself.clone().filter(|qself| qself.position > 0) {
        let mut interface = path.path;
        interface.segments = interface.segments.into_iter().take(qself.position).collect();
        interface.segments.pop_punct();
        if let Some(last) = interface.segments.last_mut() {
            last.arguments = PathArguments::None;
        }
        let ty = qself.ty;
        return quote!(({ #[allow(unused_imports)] use #interface as _; <#ty>::#sibling }));
    }
    if let Some(last) = path.path.segments.last_mut() {
        last.ident = sibling.clone();
    }
    path.into_token_stream()
}

/// Types are told from modules by their first letter, as the language's naming rules have it.
fn names_type(segment: &syn::PathSegment) -> bool {
    const PRIMITIVES: [&str; 17] = [
        "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128",
        "isize", "f32", "f64",
    ];
    let name = segment.ident.unraw().to_string();
    !segment.arguments.is_none()
        || name.starts_with(|first: char| first.is_uppercase())
        || PRIMITIVES.contains(&name.as_str())
}

fn ungrouped(expression: Expr) -> Expr {
    match expression {
        Expr::Group(group) => ungrouped(*group.expr),
        other => other,
    }
}

fn target_tokens(input: ParseStream<'_>) -> syn::Result<Vec<TokenTree>> {
    let mut tokens: Vec<TokenTree> = Vec::new();
    let mut angles = 0_usize;
    while !input.is_empty() && (angles > 0 || !(input.peek(Token![,]) || input.peek(Token![=>]))) {
        let token: TokenTree = input.parse()?;
        let last = tokens.last().and_then(punct);
        match punct(&token) {
            // At the beginning, after `::` and within others, `<` opens generic arguments; else it compares.
            Some('<') if angles > 0 || tokens.is_empty() || last == Some(':') => angles += 1,
            Some('>') if !matches!(last, Some('-' | '=')) => angles = angles.saturating_sub(1),
            _ => {}
        }
        tokens.push(token);
    }
    Ok(tokens)
}

fn punct(token: &TokenTree) -> Option<char> {
    match token {
        TokenTree::Punct(punct) => Some(punct.as_char()),
        _ => None,
    }
}

/// Takes `::<…>` off the end: after a field's name it would be no expression.
fn split_generics(mut tokens: Vec<TokenTree>) -> (TokenStream, Option<TokenStream>) {
    let mut depth = 0_usize;
    let mut start = None;
    if tokens.last().and_then(punct) == Some('>') {
        for (index, token) in tokens.iter().enumerate().rev() {
            let arrow = index > 0 && matches!(tokens.get(index - 1).and_then(punct), Some('-' | '='));
            match punct(token) {
                Some('>') if !arrow => depth += 1,
                Some('<') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let path = index >= 2 && [1, 2].iter().all(|back| punct(&tokens[index - back]) == Some(':'));
                start = path.then(|| index - 2);
                break;
            }
        }
    }
    let generics = start.map(|start| tokens.split_off(start).into_iter().collect());
    (tokens.into_iter().collect(), generics)
}

fn usage(name: &str, function: &TokenStream, arguments: &TokenStream) -> String {
    if arguments.is_empty() {
        format!("{name}!({})", spelled(function))
    } else {
        format!("{name}!({}, {})", spelled(function), spelled(arguments))
    }
}

/// Tokens without most of the spaces that `to_string` puts between them.
pub(crate) fn spelled(tokens: &TokenStream) -> String {
    let mut text = tokens.to_string();
    for (spaced, tight) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" ::", "::"),
        (" . ", "."),
        (" , ", ", "),
        ("& ", "&"),
        (" (", "("),
        (" !", "!"),
        ("< ", "<"),
        (" >", ">"),
    ] {
        text = text.replace(spaced, tight);
    }
    text
}
