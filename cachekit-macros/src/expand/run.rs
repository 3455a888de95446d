//! The body of `run`: looks for the value, computes it if it must, stores it.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, Ident};

use super::key;
use crate::attr::TimeoutOption;
use crate::model::{Argument, Conditions, KeySource, Model, Private, located};
use crate::options::Flavor;

/// `fleet_wait` where it isn't said, in milliseconds.
const FLEET_WAIT: u64 = 1_000;

/// The statements of the function that has the user's body. `handle` is an expression for its handle, `operation` one
/// for what this call does. With `owned`, the user's body is in a function of its own.
pub(super) fn body(
    model: &Model,
    handle: &TokenStream,
    operation: &TokenStream,
    owned: Option<&OwnedPaths>,
) -> TokenStream {
    if let Some(each) = &model.each {
        return super::each::body(model, each, handle, operation);
    }
    if model.per_request.is_some() {
        return super::per_request::body(model, handle, operation);
    }
    let private = &model.private;
    let [rules, pending, found] = ["policy", "pending", "found"]
        .map(|name| Ident::new(&format!("__cachekit_{name}"), Span::mixed_site()));
    let references = if has_expressions(model) { key::pattern_references(model) } else { TokenStream::new() };
    let parts = key::parts(model);
    let instance = key::instance(model);
    let policy = key::policy(model);
    let options = options(model);
    let finish = if let (Some(owned), Some(_)) = (owned, model.outlives_callers()) {
        outliving_finish(model, owned, &pending, &rules)
    } else if let Some(owned) = owned {
        owned_finish(model, owned, &pending, &rules)
    } else {
        let compute = compute(model);
        let question = question(model);
        if model.is_async() {
            quote!(#pending.finish_async(#rules, #question, #compute).await)
        } else {
            quote!(#pending.finish(#rules, #question, #compute))
        }
    };
    quote! {
        #references
        let #rules = #policy;
        let #pending = {
            let mut #found = ::core::option::Option::None;
            match #private::probe(#handle, #rules, &#parts, &#instance, #operation, #options, &mut #found) {
                #private::Probe::Hit(#pending) => return #private::value(#pending, #found, #rules),
                #private::Probe::Pending(#pending) => #pending,
            }
        };
        #finish
    }
}

/// The statements of the function that stores a value in the place of the body's.
pub(super) fn prime(model: &Model, handle: &TokenStream, value: &Ident) -> TokenStream {
    if model.per_request.is_some() {
        return super::per_request::prime(model, handle, value);
    }
    let private = &model.private;
    let references = if has_expressions(model) { key::pattern_references(model) } else { TokenStream::new() };
    let (parts, instance, policy) = (key::parts(model), key::instance(model), key::policy(model));
    let (options, question, value) = (options(model), question(model), ready(model, value));
    let (method, wait) =
        if model.is_async() { (quote!(store_async), Some(quote!(.await))) } else { (quote!(store), None) };
    quote! {
        #references
        let __cachekit_policy = #policy;
        #private::prime(#handle, __cachekit_policy, &#parts, &#instance, #options)?
            .#method(__cachekit_policy, #question, #value) #wait
    }
}

/// The value that `prime!` was given, as the body's.
pub(super) fn ready(model: &Model, value: &Ident) -> TokenStream {
    let Model { private, returns, .. } = model;
    match model.flavor {
        Flavor::Memoize => quote!(#value),
        Flavor::Cached => quote!(#private::Returns::<#returns>::NEW.__cachekit_ready(#value)),
    }
}

/// The functions that have the body of an async function whose arguments own what they are made of.
pub(super) struct OwnedPaths {
    /// From the arguments to the value, judged or not.
    pub(super) compute: TokenStream,
    /// From the arguments, as a tuple, to the body, or to the arguments again.
    pub(super) choose: TokenStream,
    /// From the value of the first to the judged one.
    pub(super) judge: TokenStream,
}

/// The rest of a call whose body may belong to its flight.
fn owned_finish(model: &Model, paths: &OwnedPaths, pending: &Ident, rules: &Ident) -> TokenStream {
    let OwnedPaths { compute, choose, judge } = paths;
    let arguments = arguments(model);
    let again = numbered(arguments.len());
    quote! {
        match #choose((#(#arguments,)*)) {
            ::core::result::Result::Ok(__cachekit_owned) => {
                #pending.finish_owned(#rules, __cachekit_owned).await
            }
            ::core::result::Result::Err((#(#again,)*)) => {
                #pending.finish_judged(#rules, #compute(#(#again),*), #judge).await
            }
        }
    }
}

/// The rest of a call whose computation may go on without it.
fn outliving_finish(model: &Model, paths: &OwnedPaths, pending: &Ident, rules: &Ident) -> TokenStream {
    let OwnedPaths { compute, choose: own, judge } = paths;
    let private = &model.private;
    let arguments = arguments(model);
    let (reach, computed, behind) = if model.is_async() {
        let detached = model.detached.is_some();
        (
            quote!(reach_async(#rules).await),
            quote!(finish_owned(#rules, #own(#(#arguments),*), #detached).await),
            quote!(run_async(#rules, #own(#(#arguments),*)).await),
        )
    } else {
        (
            quote!(reach(#rules)),
            quote!(finish(#rules, || #compute(#(#arguments),*), #judge)),
            quote!(run(#rules, #own(#(#arguments),*))),
        )
    };
    quote! {
        match #pending.#reach {
            #private::Reached::Value(__cachekit_value) => __cachekit_value,
            #private::Reached::Compute(__cachekit_rest) => __cachekit_rest.#computed,
            #private::Reached::Behind(__cachekit_rest) => __cachekit_rest.#behind,
        }
    }
}

/// All arguments by their names, `self` too.
pub(super) fn arguments(model: &Model) -> Vec<&Ident> {
    let receiver = model.receiver.iter().map(|receiver| &receiver.token);
    receiver.chain(model.arguments.iter().map(|argument| &argument.name)).collect()
}

/// Names for as many arguments: `self` can't be bound.
pub(super) fn numbered(count: usize) -> Vec<Ident> {
    (0..count).map(|index| format_ident!("__cachekit_arg{index}")).collect()
}

/// The return type of the function that computes the value, and its body.
pub(super) fn judged(model: &Model) -> (TokenStream, TokenStream) {
    let Model { private, returns, .. } = model;
    if !asks_value(model) && model.flavor == Flavor::Memoize {
        return (returns.to_token_stream(), bound_body(model));
    }
    let references = if asks_value(model) { key::pattern_references(model) } else { TokenStream::new() };
    let (compute, policy, question) = (compute(model), key::policy(model), question(model));
    let value = if model.is_async() {
        quote!(#private::future::<#returns, _>(#compute).await)
    } else {
        quote!(#private::result(#compute))
    };
    let body = quote! {{
        #references
        #private::Judged::new(#value, #policy, #question)
    }};
    (quote!(#private::Judged<#returns>), body)
}

/// The function that makes a judged value of the value of [`judged`]'s body.
pub(super) fn judge(model: &Model) -> TokenStream {
    let private = &model.private;
    if !asks_value(model) && model.flavor == Flavor::Memoize {
        quote!(#private::Judged::kept)
    } else {
        quote!(#private::Judged::done)
    }
}

/// Whether an option asks the value that was computed.
pub(super) fn asks_value(model: &Model) -> bool {
    let Conditions { cache_if, weight, .. } = &model.conditions;
    cache_if.is_some() || weight.is_some() || times_value(model)
}

/// Whether the value decides how long its entry lives.
fn times_value(model: &Model) -> bool {
    matches!(model.timeout, Some(TimeoutOption::OfValue(_)))
        || model.none_timeout.is_some()
        || model.err_timeout.is_some()
}

/// The closure that is asked with a value that may be stored.
pub(super) fn question(model: &Model) -> TokenStream {
    let Model { private, entry, conditions, .. } = model;
    let cache_if = if let Some(closure) = &conditions.cache_if {
        quote!(#private::predicate::<#entry, _>(#closure))
    } else {
        quote!(#private::keep_all::<#entry>)
    };
    let judge = if times_value(model) { timed(model, &cache_if) } else { cache_if };
    match &model.conditions.weight {
        Some(closure) => quote!(#private::weighs::<#entry, _>(#judge, #closure)),
        None => judge,
    }
}

/// The closure that says how long the entry of a value lives.
fn timed(model: &Model, cache_if: &TokenStream) -> TokenStream {
    let Model { private, entry, .. } = model;
    let mut rule = if let Some(TimeoutOption::OfValue(closure)) = &model.timeout {
        quote!(#private::of_value::<#entry, _>(#closure))
    } else {
        quote!(#private::as_said::<#entry>)
    };
    let rules = [("of_none", "none_of", &model.none_timeout), ("of_err", "err_of", &model.err_timeout)];
    for (kind, test, timeout) in rules {
        if let Some(timeout) = timeout {
            let span = located(model.returns.span());
            let [kind, test] = [kind, test].map(|name| Ident::new(name, span));
            let timeout = match written(private, timeout) {
                Ok(fixed) => quote!(|| -> #private::Timeout { #fixed }),
                Err(computed) => quote!(|| -> #private::Timeout { #computed }),
            };
            let test = quote_spanned!(span=> #private::#test::<#entry>());
            rule = quote!(#private::#kind(#test, #timeout, #rule));
        }
    }
    quote!(#private::timed::<#entry>(#cache_if, #rule))
}

/// A timeout as it is written: fixed, or else the expression that computes it.
fn written(private: &Private, timeout: &TimeoutOption) -> Result<TokenStream, TokenStream> {
    match timeout {
        TimeoutOption::OfValue(_) => Ok(quote!(#private::Timeout::Default)),
        TimeoutOption::Millis(0) => Ok(quote!(#private::Timeout::Never)),
        TimeoutOption::Millis(millis) => Ok(quote!(#private::Timeout::After(#private::millis(#millis)))),
        TimeoutOption::Computed(expression) => {
            let span = located(expression.span());
            Err(quote_spanned!(span=> #private::timeout_of(#expression)))
        }
    }
}

/// The user's body with the patterns of its arguments.
pub(super) fn bound_body(model: &Model) -> TokenStream {
    if model.arguments.iter().all(|argument| argument.pattern.is_none()) {
        return model.body.to_token_stream();
    }
    let body = nested_body(model);
    quote!({ #body })
}

/// The same for a place within generated braces: there the user's own would be unnecessary, and `cargo fix` would remove them from
/// the source.
pub(super) fn nested_body(model: &Model) -> TokenStream {
    let bindings = model.arguments.iter().filter_map(|Argument { name, pattern, .. }| {
        let pattern = pattern.as_ref()?;
        Some(quote!(let #pattern = #name;))
    });
    let mut body = model.body.clone();
    body.set_span(located(body.span()));
    quote!(#(#bindings)* #body)
}

/// The user's body, as a closure or a future.
pub(super) fn compute(model: &Model) -> TokenStream {
    let Model { private, returns, .. } = model;
    let body = bound_body(model);
    // The body owns the arguments, unless they may be looked at afterwards.
    let capture = (!asks_value(model)).then(|| quote!(move));
    // A handler's response: its body must be read before it can be stored.
    let ready = |value: TokenStream| quote!(#private::Returns::<#returns>::NEW.__cachekit_ready(#value));
    if model.flavor == Flavor::Memoize {
        if model.is_async() { quote!(async #capture #body) } else { quote!(#capture || -> #returns #body) }
    } else if model.is_async() {
        let body = ready(quote!((async #capture #body).await));
        quote!(async #capture { #body })
    } else {
        let body = ready(quote!(#private::result(#capture || -> #returns #body)));
        quote!(#capture || -> #returns { #body })
    }
}

/// The timeout of a function that has no other option about its calls.
pub(super) fn plain_timeout(model: &Model) -> Option<TokenStream> {
    let Conditions { unless, refresh_if, stale_if, .. } = &model.conditions;
    // Each entry of a call for several ids has tags of its own.
    let is_tagged = model.each.is_none() && !model.tags.is_empty();
    let has_more = [unless, refresh_if, stale_if, &model.jitter].into_iter().any(Option::is_some)
        || (model.flight_timeout.is_some() || model.fleet.said.is_some())
        || (model.is_stamped() || is_tagged || matches!(model.key, KeySource::View(..)));
    if has_more { None } else { timeout(model).ok() }
}

/// The timeout: fixed, or else the expression that computes it.
fn timeout(model: &Model) -> Result<TokenStream, TokenStream> {
    let private = &model.private;
    match &model.timeout {
        None => Ok(quote!(#private::Timeout::Default)),
        Some(timeout) => written(private, timeout),
    }
}

pub(super) fn options(model: &Model) -> TokenStream {
    let Model { private, entry, single_flight, conditions, .. } = model;
    let shared = model.each.as_ref().is_some_and(|each| each.of.is_some());
    let entry = if shared { quote!(_) } else { quote!(#entry) };
    if let Some(timeout) = plain_timeout(model) {
        return quote!(#private::plain::<#single_flight>(#timeout));
    }
    let Conditions { unless, refresh_if, stale_if, .. } = conditions;
    let mut life = match timeout(model) {
        Ok(fixed) => quote!(#private::Fixed(#fixed)),
        Err(expression) => quote!(#private::Computed(|| -> #private::Timeout { #expression })),
    };
    if let Some(jitter) = &model.jitter {
        life = quote!(#private::Jittered(#life, || -> ::core::primitive::f64 { #jitter }));
    }
    if model.is_stamped() {
        let windows = windows(model);
        life = quote!(#private::Windowed(#life, || #windows));
    }
    let condition = |expression: &Option<Expr>| {
        if let Some(expression) = expression {
            quote!(|| -> ::core::primitive::bool { #expression })
        } else {
            quote!(#private::no)
        }
    };
    let unless = match (&model.key, unless) {
        (KeySource::View(..), None) => quote!(|| -> ::core::primitive::bool { !#private::in_request() }),
        (KeySource::View(..), Some(unless)) => {
            quote!(|| -> ::core::primitive::bool { !#private::in_request() || { #unless } })
        }
        (_, _) => condition(unless),
    };
    let refresh_if = condition(refresh_if);
    let stale_if = if let Some(closure) = stale_if {
        quote!(#private::predicate::<#entry, _>(#closure))
    } else {
        quote!(#private::Never)
    };
    let joining = joining(model);
    let tags = if let Some(tags) = key::tags(model).filter(|_| model.each.is_none()) {
        quote!(#private::Tags(|| #tags))
    } else {
        quote!(#private::NoTags)
    };
    quote! {
        #private::Options {
            unless: #unless,
            refresh_if: #refresh_if,
            stale_if: #stale_if,
            life: #life,
            joining: #joining,
            tags: #tags,
        }
    }
}

/// How a call joins a computation of the same call that is under way.
fn joining(model: &Model) -> TokenStream {
    let Model { private, single_flight, fleet, flight_timeout, .. } = model;
    if fleet.said.is_none() && flight_timeout.is_none() {
        return quote!(#private::SingleFlight::<#single_flight>);
    }
    let flight_timeout = wait(private, flight_timeout.as_ref());
    let fleet = match (&fleet.said, &fleet.wait) {
        (None, _) => wait(private, None),
        (Some(_), None) => wait(private, Some(&TimeoutOption::Millis(FLEET_WAIT))),
        (Some(_), said) => wait(private, said.as_ref()),
    };
    quote! {
        #private::Join { single_flight: #single_flight, fleet: #fleet, flight_timeout: #flight_timeout }
    }
}

/// The longest of a wait, as an option: none if nothing was said.
fn wait(private: &Private, said: Option<&TimeoutOption>) -> TokenStream {
    match said {
        None | Some(TimeoutOption::OfValue(_)) => quote!(::core::option::Option::None),
        Some(TimeoutOption::Millis(millis)) => {
            quote!(::core::option::Option::Some(#private::millis(#millis)))
        }
        Some(TimeoutOption::Computed(expression)) => {
            let span = located(expression.span());
            quote_spanned!(span=> ::core::option::Option::Some::<::core::time::Duration>(#expression))
        }
    }
}

/// The options about values that are served while they are computed anew.
fn windows(model: &Model) -> TokenStream {
    let (private, windows) = (&model.private, &model.windows);
    let span = |option: &Option<TimeoutOption>, default: u64| match option {
        Some(TimeoutOption::Millis(millis)) => quote!(#private::millis(#millis)),
        Some(TimeoutOption::Computed(expression)) => {
            let span = located(expression.span());
            quote_spanned!(span=> { let __cachekit_time: ::core::time::Duration = #expression; __cachekit_time })
        }
        None | Some(TimeoutOption::OfValue(_)) => quote!(#private::millis(#default)),
    };
    // Zero is what the attribute doesn't say, and leaves to the policy.
    let pause = if model.policy.is_some() { 0 } else { 1_000 };
    let (stale, retry) = (span(&windows.while_revalidate, 0), span(&windows.retry_after, pause));
    let (background, soft) = (windows.background.is_some(), span(&windows.soft_timeout, 0));
    let if_error = if windows.if_error.is_some() {
        let (time, returns) = (span(&windows.if_error, 0), &model.returns);
        let function = Ident::new("if_error", located(returns.span()));
        quote_spanned!(located(returns.span())=> #private::#function::<#returns>(#time))
    } else {
        span(&None, 0)
    };
    let ahead = if let Some(part) = &windows.refresh_ahead {
        quote!(::core::option::Option::Some::<::core::primitive::f64>(#part))
    } else {
        quote!(::core::option::Option::None)
    };
    quote! {
        #private::Windows {
            while_revalidate: #stale,
            if_error: #if_error,
            refresh_ahead: #ahead,
            retry_after: #retry,
            background: #background,
            soft_timeout: #soft,
        }
    }
}

pub(super) fn has_expressions(model: &Model) -> bool {
    let Conditions { unless, refresh_if, stale_if, cache_if, weight } = &model.conditions;
    let expressions = [unless, refresh_if, stale_if, cache_if, weight];
    expressions.iter().any(|expression| expression.is_some())
        || !model.tags.is_empty()
        || matches!(model.key, KeySource::Expression(_) | KeySource::View(_, Some(_)))
        || model.jitter.is_some()
        || model.windows.is_used()
        || [&model.timeout, &model.flight_timeout, &model.fleet.wait, &model.none_timeout, &model.err_timeout]
            .iter()
            .any(|timeout| matches!(timeout, Some(TimeoutOption::Computed(_) | TimeoutOption::OfValue(_))))
}
