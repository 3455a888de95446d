//! Third stage: refuses what can't be cached, each with one error that says why and what to write instead.

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Expr, Lifetime, Type};

mod each;
mod per_request;

use crate::attr::TimeoutOption;
use crate::errors::Errors;
use crate::input::is_ours;
use crate::mentions::{formats, mentions};
use crate::model::{Argument, KeySource, Model, Placement, Way, literal};
use crate::options::Flavor;
use crate::owned::owns;

pub(crate) fn check(model: &Model, errors: &Errors) {
    qualifiers(model, errors);
    mutable_arguments(model, errors);
    returned(model, errors);
    parameters(model, errors);
    view(model, errors);
    view_values(model, errors);
    windows(model, errors);
    each::check(model, errors);
    fleet(model, errors);
    per_request::check(model, errors);
    outliving(model, errors);
    key(model, errors);
    tags(model, errors);
    attributes(model, errors);
}

/// `const`, `unsafe`, `extern`, variadic.
fn qualifiers(model: &Model, errors: &Errors) {
    let sig = &model.sig;
    if let Some(token) = &sig.constness {
        errors.over(
            token,
            "a `const fn` can't be cached: it may run at compile time, where there is no cache; remove \
             `const`, or cache a function that calls it",
        );
    }
    if let syn::Safety::Unsafe(token) = &sig.safety {
        errors.over(
            token,
            "an `unsafe fn` can't be cached: what its caller promises about this call says nothing about \
             the call whose value is stored; cache a safe function around it",
        );
    }
    if let Some(abi) = &sig.abi {
        errors.over(
            abi,
            "an `extern` function can't be cached: foreign callers don't expect a cache; cache a Rust \
             function, and call that one from here",
        );
    }
    if let Some(variadic) = &sig.variadic {
        errors.over(
            variadic,
            "a variadic function can't be cached: its arguments have no types to make a key of",
        );
    }
}

/// A hit would skip what the function does to a `&mut` argument.
fn mutable_arguments(model: &Model, errors: &Errors) {
    for input in &model.sig.inputs {
        let mut found = FindMut(None);
        let (span, name) = match input {
            syn::FnArg::Receiver(receiver) => {
                let span = match &receiver.kind {
                    syn::ReceiverKind::Reference(_, _, mutability) => mutability.map(|token| token.span()),
                    syn::ReceiverKind::Typed(_, ty) => {
                        found.visit_type(ty);
                        found.0
                    }
                    _ => None,
                };
                (span, "`&mut self`")
            }
            syn::FnArg::Typed(typed) => {
                found.visit_type(&typed.ty);
                (found.0, "a `&mut` argument")
            }
        };
        if let Some(span) = span {
            errors.at(
                span,
                format!(
                    "{name} can't be cached: a hit returns the stored value without running the body, so the change would \
                     be skipped; take it by `&` or by value, or cache a function that returns what changes"
                ),
            );
        }
    }
}

struct FindMut(Option<proc_macro2::Span>);

impl<'ast> Visit<'ast> for FindMut {
    fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
        if let Some(token) = &reference.mutability {
            self.0.get_or_insert(token.span());
        }
        visit::visit_type_reference(self, reference);
    }
    // The parameters of a function pointer or a closure are not arguments of this function.
    fn visit_type_fn_ptr(&mut self, _: &'ast syn::TypeFnPtr) {}
    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast syn::ParenthesizedGenericArguments) {}
}

/// A stored value outlives the call, so it can't borrow from it.
fn returned(model: &Model, errors: &Errors) {
    match &model.returns {
        Type::Never(never) => {
            errors.over(
                never,
                "this function never returns, so there is no value to cache: remove the attribute",
            );
            return;
        }
        Type::ImplTrait(found) if model.sig.asyncness.is_none() && is_future(&found.bounds) => {
            errors.over(found, "a future can't be cached, the value it ends with can: write `async fn`");
            return;
        }
        _ => {}
    }
    if let Some(future) = boxed_future(&model.returns) {
        if made_by_async_trait(&model.sig) {
            errors.at(
                model.sig.ident.span(),
                "`#[async_trait]` has made this method return a boxed future, which can't be cached: leave \
                 `#[async_trait]` out, for Rust has `async fn` in traits, or cache an `async fn` outside of \
                 the trait and call it from here",
            );
        } else {
            errors.over(
                future,
                "a boxed future can't be cached, the value it ends with can: write `async fn`, without `Pin<Box<..>>`",
            );
        }
        return;
    }
    if let Some(closure) = closure(&model.returns) {
        errors.over(
            closure,
            "a closure can't be cached: it has no form in which it can be stored; cache a function that returns \
             what the closure would",
        );
        return;
    }
    let mut found = FindBorrow::default();
    found.visit_type(&model.returns);
    if let Some(opaque) = found.opaque {
        errors.over(
            opaque,
            "`impl Trait` can't be cached: a stored value needs a type that can be named; return a type \
             with a name, such as `Vec<T>` or `Box<T>`",
        );
    } else if let Some(borrow) = found.borrow {
        errors.over(
            borrow,
            "a returned borrow can't be cached: the stored value outlives what it borrows from; return an \
             owned value (`String` for `&str`, `Vec<T>` for `&[T]`, `Arc<T>` to share a large one)",
        );
    } else if let Some(reference) = static_reference(&model.returns).filter(|_| !model.local) {
        errors.over(
            reference,
            "a reference to a static can't be read back from stored bytes: return an owned value (`String` for \
             `&'static str`), or add `local`, which keeps the values in this process",
        );
    }
}

/// Finds a reference in a part of the value that is stored, through the types whose parts are: by the spelling, for nothing
/// but a better message.
fn static_reference(ty: &Type) -> Option<&Type> {
    match ty {
        Type::Reference(_) => Some(ty),
        Type::Paren(paren) => static_reference(&paren.elem),
        Type::Group(group) => static_reference(&group.elem),
        Type::Array(array) => static_reference(&array.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(static_reference),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
            let stored = match last.ident.to_string().as_str() {
                "Option" | "Result" | "Vec" | "VecDeque" | "Box" | "HashSet" | "BTreeSet" => 1,
                "HashMap" | "BTreeMap" => 2,
                _ => 0,
            };
            arguments.args.iter().take(stored).find_map(|argument| match argument {
                syn::GenericArgument::Type(part) => static_reference(part),
                _ => None,
            })
        }
        _ => None,
    }
}

type Bounds = syn::punctuated::Punctuated<syn::TypeParamBound, syn::Token![+]>;

/// Returns whether one of these traits is called so.
fn names(bounds: &Bounds, traits: &[&str]) -> bool {
    bounds.iter().any(|bound| match bound {
        syn::TypeParamBound::Trait(bound) => {
            bound.path.segments.last().is_some_and(|last| traits.iter().any(|name| last.ident == name))
        }
        _ => false,
    })
}

fn is_future(bounds: &Bounds) -> bool {
    names(bounds, &["Future"])
}

/// Whether `#[async_trait]` has rewritten the method.
pub(crate) fn made_by_async_trait(sig: &syn::Signature) -> bool {
    sig.generics.lifetimes().any(|parameter| parameter.lifetime.ident == "async_trait")
}

/// Returns the type if it is `dyn Future`, in whatever boxes, or an alias of such a type that everyone knows.
pub(crate) fn boxed_future(ty: &Type) -> Option<&Type> {
    (boxed(ty, &is_future).is_some() || is_alias(ty, &["BoxFuture", "LocalBoxFuture"])).then_some(ty)
}

fn is_alias(ty: &Type, aliases: &[&str]) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|last| aliases.iter().any(|alias| last.ident == alias))
}

/// Returns the type if it is `impl Fn` or `dyn Fn`, in whatever boxes.
fn closure(ty: &Type) -> Option<&Type> {
    let is_closure = |bounds: &Bounds| names(bounds, &["Fn", "FnMut", "FnOnce"]);
    match ty {
        Type::ImplTrait(found) if is_closure(&found.bounds) => Some(ty),
        _ => boxed(ty, &is_closure).map(|_| ty),
    }
}

/// Finds a trait object in boxes: by the spelling, for nothing but a better message.
fn boxed<'a>(ty: &'a Type, wanted: &dyn Fn(&Bounds) -> bool) -> Option<&'a syn::TypeTraitObject> {
    match ty {
        Type::TraitObject(object) => wanted(&object.bounds).then_some(object),
        Type::Paren(paren) => boxed(&paren.elem, wanted),
        Type::Group(group) => boxed(&group.elem, wanted),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
            let is_box = ["Pin", "Box", "Arc", "Rc"].iter().any(|name| last.ident == name);
            match arguments.args.first()? {
                syn::GenericArgument::Type(inner) if is_box => boxed(inner, wanted),
                _ => None,
            }
        }
        _ => None,
    }
}

#[derive(Default)]
struct FindBorrow<'ast> {
    borrow: Option<Borrow<'ast>>,
    opaque: Option<&'ast syn::TypeImplTrait>,
}

#[derive(Clone, Copy)]
enum Borrow<'ast> {
    Reference(&'ast syn::TypeReference),
    Lifetime(&'ast Lifetime),
}

impl quote::ToTokens for Borrow<'_> {
    fn to_tokens(&self, tokens: &mut proc_macro2::TokenStream) {
        match self {
            Self::Reference(reference) => reference.to_tokens(tokens),
            Self::Lifetime(lifetime) => lifetime.to_tokens(tokens),
        }
    }
}

impl<'ast> Visit<'ast> for FindBorrow<'ast> {
    fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
        if reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static") {
            self.borrow.get_or_insert(Borrow::Reference(reference));
        }
        visit::visit_type_reference(self, reference);
    }
    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" {
            self.borrow.get_or_insert(Borrow::Lifetime(lifetime));
        }
    }
    fn visit_type_impl_trait(&mut self, opaque: &'ast syn::TypeImplTrait) {
        self.opaque.get_or_insert(opaque);
    }
    // Lifetimes that a function pointer or a `for<'a>` introduces are its own.
    fn visit_type_fn_ptr(&mut self, _: &'ast syn::TypeFnPtr) {}
    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast syn::ParenthesizedGenericArguments) {}
    fn visit_bound_lifetimes(&mut self, _: &'ast syn::BoundLifetimes) {}
}

fn parameters(model: &Model, errors: &Errors) {
    for input in &model.sig.inputs {
        let attrs = match input {
            syn::FnArg::Receiver(receiver) => &receiver.attrs,
            syn::FnArg::Typed(typed) => &typed.attrs,
        };
        for attr in
            attrs.iter().filter(|attr| attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr"))
        {
            errors.over(
                attr,
                "a parameter under `cfg` can't be cached: the key would depend on it; put `#[cfg]` on two \
                 versions of the function",
            );
        }
    }
    if model.flavor == Flavor::Cached
        && matches!(model.key, KeySource::Constant)
        && !model.sig.inputs.is_empty()
    {
        errors.over(
            &model.sig.inputs,
            "`#[cached]` leaves the arguments out of the key, so that every call would return the same \
             value: use `#[memoize]`, or say what the key is with `key_prefix = ..` or `view`",
        );
    }
}

/// Options about values that are computed anew, where none can be.
fn windows(model: &Model, errors: &Errors) {
    let windows = &model.windows;
    let at = model.sig.ident.span();
    if let (Some(said), false) = (&windows.said, windows.is_used() || model.policy.is_some()) {
        errors.at(
            said.span(),
            format!(
                "`{said}` is about values that are computed anew: write `stale_while_revalidate`, `stale_if_error` or \
                 `refresh_ahead` too"
            ),
        );
    }
    if windows.is_used() && matches!(model.key, KeySource::View(..)) {
        errors.at(
            at,
            "`stale_while_revalidate`, `stale_if_error` and `refresh_ahead` are for values, and a view's value is a response: \
             remove them, or use `#[memoize]`",
        );
    }
    if windows.is_used() && matches!(model.timeout, Some(TimeoutOption::Millis(0))) {
        errors.at(
            at,
            "an entry with `timeout = 0` never expires, so it is never stale: write a timeout, or remove \
             `stale_while_revalidate`, `stale_if_error` and `refresh_ahead`",
        );
    }
}

/// Options about one computation in all processes, where there is one in this one.
fn fleet(model: &Model, errors: &Errors) {
    let fleet = &model.fleet;
    match (fleet.said, fleet.wait_said) {
        (None, Some(wait)) => {
            errors.at(wait, "`fleet_wait` is about other processes: write `single_flight = \"fleet\"` too");
        }
        (Some(said), _) if model.local => errors.at(
            said,
            "values of a `local` function never leave this process, so that no other one computes them: remove \
             `single_flight = \"fleet\"`",
        ),
        _ => {}
    }
}

/// Computations that go on without their callers, with arguments that can't be made owned.
fn outliving(model: &Model, errors: &Errors) {
    let windows = &model.windows;
    if let Some(soft) = windows.soft {
        if windows.background.is_none() {
            errors.at(
                soft,
                "a computation goes on after `soft_timeout` only in the background: write `revalidate = \"background\"` too",
            );
        } else if windows.while_revalidate.is_none() && windows.if_error.is_none() {
            errors.at(
                soft,
                "after `soft_timeout` a stale value is served: write `stale_while_revalidate` or `stale_if_error` too",
            );
        }
    }
    if let (Some(detached), false) = (model.detached, model.is_async()) {
        errors.at(
            detached,
            "`detached` is for async functions, whose callers can be dropped: remove it, or write `async fn`",
        );
    }
    let Some(option) = model.outlives_callers() else { return };
    if matches!(model.placement, Placement::Inline) {
        errors.at(
            option,
            "a method of a trait can't compute without its caller, because there is no room for the function that has its body: \
             cache an associated function of a type, and call it from here",
        );
    }
    if matches!(model.key, KeySource::View(..)) {
        errors.at(
            option,
            "a view is computed for its request, and so not without its caller: remove the option",
        );
    }
    if model.each.is_some() {
        errors.at(
            option,
            "a call for several ids computes those that are missing, and waits for them: leave `each` out, or this option",
        );
    }
    for argument in &model.arguments {
        if !can_be_owned(&argument.ty) {
            let name = argument.names().first().map_or_else(|| "it".to_owned(), |name| format!("`{name}`"));
            errors.over(
                &argument.ty,
                format!(
                    "{name} can't be made owned, and the computation goes on without its caller: take it by value, in an \
                     `Arc`, or as `&T` of a type that owns its parts (`&str`, `&[T]`, `&T` with `T: Clone`)"
                ),
            );
        }
    }
}

/// Whether a type owns its parts, or is a borrow of one that does, as far as the syntax tells.
fn can_be_owned(ty: &Type) -> bool {
    match ty {
        Type::Paren(paren) => can_be_owned(&paren.elem),
        Type::Group(group) => can_be_owned(&group.elem),
        Type::Reference(reference) if !matches!(*reference.elem, Type::TraitObject(_)) => {
            owns(&reference.elem)
        }
        _ => owns(ty),
    }
}

/// A handler's response decides by itself whether it is kept.
fn view_values(model: &Model, errors: &Errors) {
    let timeouts = [(&model.none_timeout, "none_timeout"), (&model.err_timeout, "err_timeout")];
    for (_, name) in timeouts.iter().filter(|(timeout, _)| timeout.is_some()) {
        if matches!(model.key, KeySource::View(..)) {
            errors.at(
                model.sig.ident.span(),
                format!(
                    "`{name}` is for values, and a view's value is a response: remove it, or use `#[memoize]`"
                ),
            );
        }
    }
}

/// The receiver of a view. Its arguments are judged by their types.
fn view(model: &Model, errors: &Errors) {
    let (KeySource::View(..), Some(receiver)) = (&model.key, &model.receiver) else { return };
    if receiver.way != Way::Ignored && !model.key_mentions(std::slice::from_ref(&receiver.token)) {
        errors.at(
            receiver.token.span(),
            "`self` is not part of the request's key, so that one instance would get the response of another: name it in \
             `ignore(self)` if the response doesn't depend on it, or put what it depends on into the key with `key = expr`",
        );
    }
}

fn key(model: &Model, errors: &Errors) {
    // `key_prefix = "user:{id}"` would be one key for all users.
    if let (Flavor::Cached, KeySource::Expression(prefix)) = (model.flavor, &model.key) {
        let text = literal(prefix).unwrap_or_default();
        let named = model.arguments.iter().find(|argument| formats(&text, &argument.name));
        if let Some(argument) = named {
            let name = &argument.name;
            errors.over(
                prefix,
                format!(
                    "`{{{name}}}` is not filled in, in a plain text: write `key_prefix = format!(\"{}\")`",
                    text.escape_debug()
                ),
            );
        }
    }
    let closures = [(&model.conditions.unless, "unless"), (&model.conditions.refresh_if, "refresh_if")];
    for (condition, name) in closures {
        if let Some(closure @ Expr::Closure(_)) = condition {
            errors.over(
                closure,
                format!(
                    "`{name}` is decided before there is a value: write the condition without `|..|`, \
                    or use `stale_if` or `cache_if`"
                ),
            );
        }
    }
}

/// A tag is decided before there is a value, and by the key: an entry whose tags are those of one of its callers would not be
/// deleted by those of another.
fn tags(model: &Model, errors: &Errors) {
    for tag in &model.tags {
        if let Expr::Closure(closure) = tag {
            errors.over(
                closure,
                "tags are made of the arguments, before there is a value: write the text without `|..|`",
            );
        }
        let text = literal(tag).unwrap_or_default();
        if let Some(argument) = model.arguments.iter().find(|argument| formats(&text, &argument.name)) {
            let name = &argument.name;
            errors.over(
                tag,
                format!(
                    "`{{{name}}}` is not filled in, in a plain text: write `tags(format!(\"{}\"))`",
                    text.escape_debug()
                ),
            );
        }
        let ignored = model.arguments.iter().filter(|argument| argument.way == Way::Ignored);
        let receiver = model.receiver.iter().filter(|receiver| receiver.way == Way::Ignored);
        let names = ignored.flat_map(Argument::names).chain(receiver.map(|receiver| receiver.token.clone()));
        if let Some(name) = names.into_iter().find(|name| mentions(tag, name)) {
            errors.over(
                tag,
                format!(
                    "`{name}` is not in the key, so that calls with different tags would share one entry: leave it out of \
                     `ignore`, or make the tag of arguments that are in the key"
                ),
            );
        }
    }
}

fn attributes(model: &Model, errors: &Errors) {
    for attr in model.attrs.iter().filter(|attr| is_ours(attr)) {
        errors.over(attr, "a function is cached once: keep one of `#[memoize]` and `#[cached]`");
    }
    for attr in model.attrs.iter().filter(|attr| attr.path().is_ident("track_caller")) {
        errors.over(
            attr,
            "a `#[track_caller]` function can't be cached: the caller's place is not part of the key, and the \
             stored value is served to all callers; remove it, or cache a function without it and call that one from \
             here",
        );
    }
}
