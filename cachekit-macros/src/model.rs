//! Second stage: the function and its options as one of the legal forms. Later stages never look at the attribute.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, FnArg, Pat, Path, Signature, Type, Visibility};

use crate::attr::{Attr, TimeoutOption, Windows};
use crate::context::{self, Block, Home, Surroundings};
use crate::digest::digest;
use crate::errors::Errors;
use crate::input::{Input, mentions_self};
use crate::mentions::mentions;
use crate::options::Flavor;
use crate::owned;

/// A function to cache.
#[expect(clippy::struct_excessive_bools, reason = "the options are independent of one another")]
pub(crate) struct Model {
    pub(crate) flavor: Flavor,
    pub(crate) private: Private,
    pub(crate) placement: Placement,
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    /// As the user wrote it.
    pub(crate) sig: Signature,
    pub(crate) body: Group,
    pub(crate) receiver: Option<Receiver>,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) returns: Type,
    /// The type that the value of one entry has: what is returned, or the part of it that is one id's.
    pub(crate) entry: Type,
    /// The ids of a call for several entries.
    pub(crate) each: Option<Each>,
    /// Where the option `per_request` stands.
    pub(crate) per_request: Option<Span>,
    pub(crate) key: KeySource,
    /// Arguments without `CacheKey` and `Hash` enter the key by `Debug`.
    pub(crate) debug: bool,
    pub(crate) conditions: Conditions,
    pub(crate) timeout: Option<TimeoutOption>,
    /// The function's identity, instead of its path.
    pub(crate) name: Option<String>,
    pub(crate) version: String,
    pub(crate) cache_none: bool,
    pub(crate) none_timeout: Option<TimeoutOption>,
    pub(crate) err_timeout: Option<TimeoutOption>,
    pub(crate) jitter: Option<Expr>,
    pub(crate) windows: Windows,
    pub(crate) policy: Option<syn::LitStr>,
    /// Where `detached` stands.
    pub(crate) detached: Option<Span>,
    pub(crate) local: bool,
    /// The expressions of the tags.
    pub(crate) tags: Vec<Expr>,
    pub(crate) single_flight: bool,
    pub(crate) fleet: crate::attr::Fleet,
    pub(crate) flight_timeout: Option<TimeoutOption>,
    pub(crate) cache: Option<Path>,
    /// The options as they are written.
    pub(crate) options: String,
    /// Its impl or trait stands in the body of a function, as far as the source file tells.
    pub(crate) in_body: bool,
    /// It is async, and all its arguments own what they are made of, as far as the syntax tells.
    pub(crate) owned: bool,
}

/// The path of `cachekit::__private`. As single tokens, because the compiler is asked whenever one stream of tokens goes into
/// another, and this one does fifty times.
pub(crate) struct Private(Vec<TokenTree>);

impl ToTokens for Private {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.0.iter().cloned());
    }
}

/// Where the function stands, which decides where its hidden siblings can stand.
pub(crate) enum Placement {
    /// Outside of impl blocks: the siblings are associated functions of this companion struct.
    Free { companion: Ident },
    /// In an inherent impl: the siblings stand beside it.
    Method,
    /// In an impl of a trait: the siblings stand in an inherent impl of its type, which is in the method's own body.
    TraitImpl(Box<Home>),
    /// A default method of a trait: the siblings are default methods too.
    Default,
    /// In a trait or in an impl of one, where there is no room for siblings.
    Inline,
}

/// `self`.
pub(crate) struct Receiver {
    pub(crate) token: Ident,
    /// It is `&self`, which is a reference already.
    pub(crate) reference: bool,
    pub(crate) way: Way,
}

/// How an argument goes into the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As its type can.
    ByType,
    /// By its `Hash`, without a form beside it.
    Hash,
    /// By its `Debug` text.
    Debug,
    /// Not at all.
    Ignored,
}

/// A parameter other than `self`.
pub(crate) struct Argument {
    /// The name it has outside of the body.
    pub(crate) name: Ident,
    /// The user's pattern, where it is more than a name.
    pub(crate) pattern: Option<Pat>,
    pub(crate) mutable: bool,
    pub(crate) ty: Type,
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) way: Way,
}

/// The option `each`.
pub(crate) struct Each {
    /// The number of the argument that has the ids.
    pub(crate) index: usize,
    /// As the option names it.
    pub(crate) name: Ident,
    /// The function whose entries are shared.
    pub(crate) of: Option<syn::ExprPath>,
}

/// The source of the key, beside the types.
pub(crate) enum KeySource {
    /// The receiver and the arguments that are not ignored.
    Arguments,
    /// One expression, instead of all of them.
    Expression(Expr),
    /// The request: a text in which `%s` stands for its path, and an expression beside it.
    View(String, Option<Expr>),
    /// Nothing.
    Constant,
}

/// The expressions that decide about a call.
pub(crate) struct Conditions {
    pub(crate) unless: Option<Expr>,
    pub(crate) refresh_if: Option<Expr>,
    pub(crate) stale_if: Option<Expr>,
    pub(crate) cache_if: Option<Expr>,
    /// The bytes that a value counts.
    pub(crate) weight: Option<Expr>,
}

impl Model {
    /// Whether entries in process carry their times. A policy may have windows of staleness; a view's value is a response, which has
    /// none.
    pub(crate) fn is_stamped(&self) -> bool {
        self.windows.is_used() || (self.policy.is_some() && !matches!(self.key, KeySource::View(..)))
    }

    pub(crate) fn new(flavor: Flavor, attr: Attr, input: Input, home: Option<Home>, errors: &Errors) -> Self {
        let Input { attrs, vis, mut sig, body } = input;
        let surroundings = context::surroundings(&sig.ident);
        let placement = placement(&attr, &sig, &body, surroundings, home, errors);
        if let Placement::Default = placement {
            let sized = syn::parse_quote_spanned!(located(sig.ident.span())=> Self: ::core::marker::Sized);
            sig.generics.make_where_clause().predicates.push(sized);
        }
        let mut receiver = None;
        let mut arguments = Vec::new();
        for (index, input) in sig.inputs.iter().enumerate() {
            match input {
                FnArg::Receiver(this) => {
                    let token = Ident::new("self", this.self_token.span);
                    receiver = Some(Receiver {
                        token,
                        reference: matches!(this.kind, syn::ReceiverKind::Reference(..)),
                        way: Way::ByType,
                    });
                }
                FnArg::Typed(typed) => arguments.push(Argument::new(index, typed)),
            }
        }
        let key = key_source(flavor, &attr, errors);
        ways(&attr, &mut receiver, &mut arguments, errors);
        let returns = match &sig.output {
            syn::ReturnType::Default => syn::parse_quote_spanned!(located(sig.ident.span())=> ()),
            syn::ReturnType::Type(_, ty) => (**ty).clone(),
        };
        let version = version(&attr, &sig, &body);
        let each = each(&attr, &arguments, errors);
        let private = if let Some(path) = &attr.krate {
            quote!(#path::__private)
        } else {
            quote!(::cachekit::__private)
        };
        let private = Private(private.into_iter().collect());
        let entry = match &each {
            Some(_) => {
                Type::Verbatim(quote_spanned!(located(returns.span())=> <#returns as #private::Batch>::Entry))
            }
            None => returns.clone(),
        };
        let owned = match &placement {
            // The body may run for a part of the ids, and so takes more than the arguments.
            _ if each.is_some() || attr.per_request.is_some() => false,
            // There is no room for the function that has the body, or its type is any.
            Placement::Inline | Placement::Default => false,
            // A parameter of the impl block looks the same as a type.
            Placement::Method | Placement::TraitImpl(_) => {
                surroundings.is_some_and(|found| !found.generic) && owned::is_owned(&sig)
            }
            Placement::Free { .. } => owned::is_owned(&sig),
        };
        Self {
            flavor,
            private,
            placement,
            attrs,
            vis,
            receiver,
            arguments,
            returns,
            entry,
            each,
            per_request: attr.per_request,
            key,
            debug: attr.debug_all,
            conditions: Conditions {
                unless: attr.unless,
                refresh_if: attr.refresh_if,
                stale_if: attr.stale_if,
                cache_if: attr.cache_if,
                weight: attr.weight,
            },
            timeout: attr.timeout,
            name: attr.name.map(|name| name.value()),
            version,
            cache_none: attr.cache_none || attr.none_timeout.is_some(),
            none_timeout: attr.none_timeout,
            err_timeout: attr.err_timeout,
            jitter: attr.jitter,
            windows: attr.windows,
            policy: attr.policy,
            local: attr.local || attr.per_request.is_some(),
            detached: attr.detached,
            tags: attr.tags,
            single_flight: !attr.no_single_flight,
            fleet: attr.fleet,
            flight_timeout: attr.flight_timeout,
            cache: attr.cache,
            options: attr.written,
            in_body: surroundings.is_some_and(|found| found.in_body),
            owned,
            sig,
            body,
        }
    }

    /// The function's name, without `r#`.
    pub(crate) fn function(&self) -> String {
        self.sig.ident.unraw().to_string()
    }

    pub(crate) fn is_async(&self) -> bool {
        self.sig.asyncness.is_some()
    }

    /// Where an option stands by which computations go on without their callers, so that arguments are made owned.
    pub(crate) fn outlives_callers(&self) -> Option<Span> {
        self.windows.background.or(self.detached)
    }

    /// Whether the key of a view has an argument in its expression, by one of these names.
    pub(crate) fn key_mentions(&self, names: &[Ident]) -> bool {
        let KeySource::View(_, Some(key)) = &self.key else { return false };
        names.iter().any(|name| mentions(key, name))
    }

    /// Whether `self` alone is a part of the key, so that its entries can be deleted together.
    pub(crate) fn keyed_receiver(&self) -> Option<&Receiver> {
        let by_arguments = matches!(self.key, KeySource::Arguments);
        self.receiver.as_ref().filter(|receiver| by_arguments && receiver.way != Way::Ignored)
    }
}

impl Argument {
    fn new(index: usize, typed: &syn::PatType) -> Self {
        let renamed = || format_ident!("__cachekit_arg{index}", span = located_mixed(typed.pat.span()));
        let (name, pattern, mutable) = match &*typed.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => {
                (pat.ident.clone(), None, pat.mutability.is_some())
            }
            // Nothing to bind, so nothing to take apart.
            Pat::Wild(_) => (renamed(), None, false),
            other => (renamed(), Some(other.clone()), false),
        };
        Self { name, pattern, mutable, ty: (*typed.ty).clone(), attrs: typed.attrs.clone(), way: Way::ByType }
    }

    /// The names that the body has for it or for its parts.
    pub(crate) fn names(&self) -> Vec<Ident> {
        struct Names(Vec<Ident>);
        impl<'ast> Visit<'ast> for Names {
            fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
                // A name in capitals is a constant or a unit struct.
                if !pattern.ident.to_string().starts_with(char::is_uppercase) {
                    self.0.push(pattern.ident.clone());
                }
                visit::visit_pat_ident(self, pattern);
            }
        }
        let Some(pattern) = &self.pattern else { return vec![self.name.clone()] };
        let mut names = Names(Vec::new());
        names.visit_pat(pattern);
        names.0
    }
}

/// Returns the place of a token with the hygiene of generated code: errors point there, and lints see an expansion.
pub(crate) fn located(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// The same for names that the user must not be able to see.
pub(crate) fn located_mixed(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

fn placement(
    attr: &Attr,
    sig: &Signature,
    body: &Group,
    surroundings: Option<Surroundings>,
    home: Option<Home>,
    errors: &Errors,
) -> Placement {
    let like_a_method = sig.receiver().is_some();
    let place = match surroundings.map(|found| found.block) {
        _ if attr.in_trait.is_some() => Placement::Inline,
        _ if attr.in_impl.is_some() => Placement::Method,
        Some(Block::TraitImpl) => home.map_or(Placement::Inline, |home| Placement::TraitImpl(Box::new(home))),
        Some(Block::Trait) if siblings_fit_a_trait(attr, sig) => Placement::Default,
        Some(Block::Trait) => Placement::Inline,
        Some(Block::Impl) => Placement::Method,
        Some(Block::Other) if !like_a_method => Placement::Free { companion: sig.ident.clone() },
        _ if like_a_method
            || mentions_self(sig.to_token_stream())
            || mentions_self(body.to_token_stream()) =>
        {
            Placement::Method
        }
        _ => Placement::Free { companion: sig.ident.clone() },
    };
    if let (Some(_), Some(span)) = (attr.in_impl, attr.in_trait) {
        errors.at(
            span,
            "`in_impl` and `in_trait` exclude each other: `in_trait` is for traits and impls of traits",
        );
    }
    match (place, &attr.companion) {
        (Placement::Free { .. }, Some(companion)) => Placement::Free { companion: companion.clone() },
        (Placement::Free { companion }, None) => {
            Placement::Free { companion: free_companion(companion, surroundings, errors) }
        }
        (place, Some(companion)) => {
            errors.at(
                companion.span(),
                "a method has no companion: its hidden siblings stand beside it, so no other item can be in \
                 their way; remove `companion`",
            );
            place
        }
        (place, None) => place,
    }
}

/// Whether default methods beside a default method take nothing from its trait. They need `Self: Sized`: a trait that has a
/// `dyn` loses nothing by it only where `self` is in the key, or the method is async, which none of a `dyn` can be.
fn siblings_fit_a_trait(attr: &Attr, sig: &Signature) -> bool {
    let named = [&attr.ignore, &attr.hash, &attr.debug];
    let by_type = attr.key.is_none()
        && attr.key_prefix.is_none()
        && !attr.debug_all
        && !named.into_iter().flatten().any(|name| name == "self");
    sig.asyncness.is_some() || sig.receiver().is_some() && by_type
}

/// The function's name, if no other type or module has it. Where one has, what the user is told to write.
fn free_companion(name: Ident, surroundings: Option<Surroundings>, errors: &Errors) -> Ident {
    const PRIMITIVES: [&str; 17] = [
        "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128",
        "isize", "f32", "f64",
    ];
    let word = name.unraw().to_string();
    let what = if surroundings.is_some_and(|found| found.same_named_module) {
        "a module here"
    } else if surroundings.is_some_and(|found| found.reexported) {
        "its module, from where it is re-exported"
    } else if PRIMITIVES.contains(&word.as_str()) {
        "a primitive type"
    } else {
        return name;
    };
    let other = format_ident!("{word}_cache", span = name.span());
    errors.at(
        name.span(),
        format!(
            "`{word}` is also the name of {what}, with which the hidden type beside this function would collide: name that \
             type with the option `companion = {other}`, and write `delete_memoized!({other})`"
        ),
    );
    other
}

/// The argument that has the ids.
fn each(attr: &Attr, arguments: &[Argument], errors: &Errors) -> Option<Each> {
    let Some(name) = &attr.each else {
        if let Some(of) = &attr.of {
            errors.over(
                of,
                "`of` says whose entries the ids of a call are: write `each = ids, of = function`, with the name of the \
                 argument that has the ids",
            );
        }
        return None;
    };
    let is_meant = |argument: &Argument| argument.pattern.is_none() && argument.name == *name;
    if let Some(index) = arguments.iter().position(is_meant) {
        return Some(Each { index, name: name.clone(), of: attr.of.clone() });
    }
    errors.at(
        name.span(),
        format!(
            "there is no argument `{name}`: `each` names the one that has the ids, as in `#[memoize(each = ids)] fn users(ids: \
             &[u64]) -> HashMap<u64, User>`"
        ),
    );
    None
}

/// Gives the arguments that `ignore`, `hash` and `debug` name their ways into the key.
fn ways(attr: &Attr, receiver: &mut Option<Receiver>, arguments: &mut [Argument], errors: &Errors) {
    for (names, way) in [(&attr.ignore, Way::Ignored), (&attr.hash, Way::Hash), (&attr.debug, Way::Debug)] {
        for (index, name) in names.iter().enumerate() {
            let repeated = names[..index].contains(name);
            let Some(place) = named(name, names, receiver, arguments, errors) else { continue };
            // All names of one pattern are given together.
            if repeated || (*place != Way::ByType && *place != way) {
                errors.at(
                    name.span(),
                    format!(
                        "`{name}` has two ways into the key: name it once in `ignore`, `hash` or `debug`"
                    ),
                );
            } else {
                *place = way;
            }
        }
    }
}

/// The way of the argument that one of an option's `names` is of.
fn named<'m>(
    name: &Ident,
    names: &[Ident],
    receiver: &'m mut Option<Receiver>,
    arguments: &'m mut [Argument],
    errors: &Errors,
) -> Option<&'m mut Way> {
    if name == "self" {
        if receiver.is_none() {
            errors.at(name.span(), "this function has no `self`");
        }
        return receiver.as_mut().map(|receiver| &mut receiver.way);
    }
    let is_meant = |argument: &Argument| argument.pattern.is_none() && argument.name == *name;
    let is_whole = |argument: &Argument| {
        let bound = argument.names();
        bound.contains(name) && bound.iter().all(|bound| names.contains(bound))
    };
    let found = arguments.iter().position(is_meant).or_else(|| arguments.iter().position(is_whole));
    if let Some(at) = found {
        return Some(&mut arguments[at].way);
    }
    if arguments.iter().any(|argument| argument.names().contains(name)) {
        let message = format!(
            "`{name}` is a part of an argument, and only a whole one can be named here: take the argument by a name, \
             or choose what the key is made of with `key = expr`"
        );
        errors.at(name.span(), message);
        return None;
    }
    let mut known: Vec<String> = receiver.iter().map(|_| "self".to_owned()).collect();
    known.extend(arguments.iter().filter(|it| it.pattern.is_none()).map(|it| it.name.to_string()));
    known.retain(|name| !name.starts_with("__cachekit_"));
    let message = if known.is_empty() {
        format!("there is no argument `{name}`: this function has none that has a name")
    } else {
        format!("there is no argument `{name}`; the arguments are: {}", known.join(", "))
    };
    errors.at(name.span(), message);
    None
}

fn version(attr: &Attr, sig: &Signature, body: &Group) -> String {
    let written = attr.version.as_ref().map(syn::LitStr::value).unwrap_or_default();
    if !attr.source_check {
        return written;
    }
    let source = digest(quote!(#sig #body));
    if written.is_empty() { source } else { format!("{written}+{source}") }
}

fn key_source(flavor: Flavor, attr: &Attr, errors: &Errors) -> KeySource {
    if let (Some(span), Some(_)) = (attr.view, &attr.key_prefix) {
        errors.at(
            span,
            "`view` and `key_prefix` both set the key: write one of them; in a literal `key_prefix`, `%s` \
             stands for the request's path",
        );
    }
    if let (Some(key), false, Flavor::Memoize) = (&attr.key, attr.ignore.is_empty(), flavor) {
        errors.over(
            key,
            "`key` stands for all arguments, so there is nothing left to ignore: write one of \
            `key` and `ignore`",
        );
    }
    let key = match (flavor, &attr.key, &attr.key_prefix, attr.view) {
        (Flavor::Memoize, Some(key), ..) => KeySource::Expression(key.clone()),
        (Flavor::Memoize, None, ..) => KeySource::Arguments,
        (Flavor::Cached, _, Some(prefix), _) => match literal(prefix) {
            Some(text) if text.contains("%s") => KeySource::View(text, attr.key.clone()),
            _ => KeySource::Expression(prefix.clone()),
        },
        (Flavor::Cached, key, None, Some(_)) => KeySource::View("%s".to_owned(), key.clone()),
        (Flavor::Cached, _, None, None) => KeySource::Constant,
    };
    if !matches!(key, KeySource::Arguments | KeySource::View(..)) {
        unused_ways(flavor, attr, errors);
    }
    key
}

/// Refuses options about arguments that are not in the key.
fn unused_ways(flavor: Flavor, attr: &Attr, errors: &Errors) {
    let why = match flavor {
        Flavor::Memoize => "`key` stands for all arguments",
        Flavor::Cached => "`#[cached]` leaves the arguments out of the key",
    };
    for (names, option) in [(&attr.hash, "hash"), (&attr.debug, "debug")] {
        if let Some(first) = names.first() {
            errors.at(
                first.span(),
                format!(
                    "{why}, so there is nothing to take the `{option}` of: remove `{option}({first}, ..)`"
                ),
            );
        }
    }
}

/// The text of a string literal.
pub(crate) fn literal(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}
