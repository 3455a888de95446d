use super::attribute;
use crate::options::Flavor;

fn of(flavor: Flavor, attr: &str, item: &str) -> String {
    let tokens = attribute(flavor, attr.parse().expect("options"), &item.parse().expect("an item"));
    syn::parse2::<syn::File>(wrapped(&tokens)).expect("the expansion parses");
    tokens.to_string().replace(' ', "")
}

/// Methods stand in an impl.
fn wrapped(tokens: &proc_macro2::TokenStream) -> proc_macro2::TokenStream {
    if tokens.to_string().contains("self") { quote::quote!(impl Type { #tokens }) } else { tokens.clone() }
}

fn memoize(attr: &str, item: &str) -> String {
    of(Flavor::Memoize, attr, item)
}

#[test]
fn a_function_calls_its_sibling_and_keeps_what_it_had() {
    let text = memoize(
        "50",
        "#[must_use] #[doc = \"x\"] pub(crate) fn f(mut a: u8, (b, _): (u8, u8)) -> u8 { a + b }",
    );
    assert!(
        text.contains("#[must_use]#[doc=\"x\"]pub(crate)fnf(a:u8,__cachekit_arg1:(u8,u8))->u8{"),
        "{text}"
    );
    assert!(text.contains("<f<0>>::__cachekit_run(a,__cachekit_arg1)"), "{text}");
    assert!(text.contains("pub(crate)structf<constPURPOSE:::core::primitive::u8=0>{_private:(),}"), "{text}");
    assert!(text.contains("fn__cachekit_run(muta:u8,__cachekit_arg1:(u8,u8))"), "{text}");
    assert!(text.contains("millis(50000u64)"), "{text}");
}

#[test]
fn a_method_has_its_siblings_beside_it() {
    let text = memoize("", "fn r#type(&self, a: u8) -> u8 { a }");
    for sibling in ["handle", "instance", "key", "run"] {
        assert!(text.contains(&format!("fn__memoized_type_{sibling}(")), "{sibling}: {text}");
    }
    assert!(!text.contains("struct"), "{text}");
    // Nothing to delete by instance where the instance isn't in the key.
    for attr in ["ignore(self)", "key = a"] {
        assert!(!memoize(attr, "fn m(&self, a: u8) -> u8 { a }").contains("__memoized_m_instance"), "{attr}");
    }
}

#[test]
fn siblings_that_differ_in_the_purpose_alone_are_one_of_a_free_function() {
    let text = memoize("50", "fn f(a: u8) -> u8 { a }");
    for (sibling, count) in [("run", 1), ("key", 1), ("explain", 0), ("refresh", 0), ("uncached", 0)] {
        assert_eq!(text.matches(&format!("fn__cachekit_{sibling}(")).count(), count, "{sibling}: {text}");
    }
    let text = memoize("50", "fn m(&self, a: u8) -> u8 { a }");
    for sibling in ["run", "key", "explain", "refresh", "uncached"] {
        assert!(text.contains(&format!("fn__memoized_m_{sibling}(")), "{sibling}: {text}");
    }
}

#[test]
fn to_prime_takes_the_key_unless_an_option_is_asked() {
    let of_key =
        |attr: &str| memoize(attr, "fn f(a: u8) -> u8 { a }").contains("<f>::__cachekit_key(a).prime(");
    assert!(
        ["", "50", "key = a % 2, single_flight = false", "tags(\"t\")"].map(of_key)
            == [true, true, true, false]
    );
    for attr in ["unless = a > 1", "cache_if = |value| *value > 1", "jitter = 0.1", "timeout = time(a)"] {
        assert!(!of_key(attr), "{attr}");
    }
}

#[test]
fn a_method_of_a_trait_is_one_item() {
    let text = memoize("in_trait, name = \"n\"", "async fn m(&self, a: u8) -> u8 { a }");
    assert_eq!(text.matches("fnm(").count(), 1, "{text}");
    assert!(text.contains("scope_inline::<Self>") && text.contains("Some(\"n\")"), "{text}");
    assert!(!text.contains("fn__memoized_"), "{text}");
}

#[test]
fn an_async_body_that_owns_all_it_needs_has_a_function_of_its_own() {
    let siblings = ["fn__cachekit_compute(", "fn__cachekit_choose("];
    let owned = memoize("", "async fn f(a: u8, (b, _): (u8, u8)) -> u8 { a + b }");
    assert!(siblings.iter().all(|sibling| owned.contains(sibling)), "{owned}");
    assert!(owned.contains("finish_owned") && !owned.contains("finish_async"), "{owned}");
    // Where a method stands is not known here, and its impl block may have parameters.
    for item in [
        "async fn f(a: &u8) -> u8 { *a }",
        "async fn f<T>(a: T) -> u8 { 0 }",
        "fn f(a: u8) -> u8 { a }",
        "async fn f(self, a: u8) -> u8 { a }",
    ] {
        let text = memoize("", item);
        assert!(!siblings.iter().any(|sibling| text.contains(sibling)), "{text}");
        assert!(!text.contains("finish_owned"), "{text}");
    }
}

#[test]
fn a_timeout_of_the_value_is_a_closure_of_one_argument() {
    let text = memoize("timeout = |token| token.expires_in", "fn f(a: u8) -> Token { token(a) }");
    assert!(text.contains("of_value::<Token,_>(") && text.contains("|token|token.expires_in"), "{text}");
    assert!(!text.contains("Computed"), "{text}");
    for (attr, message) in [
        ("timeout = || 5", "the closure takes one argument"),
        ("timeout = |a, b| 5", "the closure takes one argument"),
        ("flight_timeout = |value| 5", "decided before there is a value"),
    ] {
        let text = attribute(
            Flavor::Memoize,
            attr.parse().expect("options"),
            &"fn f() -> u8 { 0 }".parse().expect("an item"),
        );
        assert!(text.to_string().contains(message), "{attr}: {text}");
    }
}

#[test]
fn parts_of_many_arguments_are_in_tuples_of_at_most_eight() {
    let parts = |count: usize| {
        let arguments: Vec<_> = (0..count).map(|n| format!("a{n}: u8")).collect();
        let text = memoize("", &format!("fn f({}) -> u8 {{ 0 }}", arguments.join(", ")));
        text.replace("::cachekit::__private::arg", "").replace(".__cachekit_part()", "")
    };
    assert!(parts(0).contains(",&(),&(),"), "{}", parts(0));
    assert!(parts(2).contains(",&((&a0),(&a1),),&(),"), "{}", parts(2));
    let nested = "&(((&a0),(&a1),(&a2),(&a3),(&a4),(&a5),(&a6),(&a7),),((&a8),),),";
    assert!(parts(9).contains(nested), "{}", parts(9));
}

#[test]
fn lints_and_cfgs_hold_for_the_body_wherever_it_is() {
    let text = memoize("", "#[cfg(unix)] #[expect(unused)] fn f() -> u8 { 1 }");
    assert!(!text.contains("expect(unused)"), "the lint may be tripped in the other function: {text}");
    assert_eq!(text.matches("#[allow(unused)]").count(), 2, "{text}");
    // The function, its companion, the block of that one, and the hidden functions.
    let items = 3 + text.matches("fn__cachekit_").count();
    assert_eq!(text.matches("#[cfg(unix)]").count(), items, "{text}");
}

#[test]
fn the_version_follows_the_source_when_asked_to() {
    let version = |attr: &str, item: &str| {
        let text = memoize(attr, item);
        let version = text.split("version:\"").nth(1).expect("a version");
        version.split('"').next().unwrap_or_default().to_owned()
    };
    let one = "fn f(a: u8) -> u8 { a + 1 }";
    let two = "fn f(a: u8) -> u8 { a + 2 }";
    assert_eq!(version("", one), "");
    assert_eq!(version("version = \"2\"", one), "2");
    assert_ne!(version("source_check", one), version("source_check", two));
    assert_eq!(
        version("source_check", one),
        version("source_check, timeout = 5", "fn f ( a : u8 ) -> u8 { /* ! */ a + 1 }")
    );
    assert!(version("version = \"2\", source_check", one).starts_with("2+"));
}

#[test]
fn every_mistake_is_reported_and_the_function_stays() {
    let text = memoize("ttl = 5, timeout = \"x\", ignore(b)", "const fn f(a: &mut u8) -> &u8 { a }");
    assert_eq!(text.matches("compile_error").count(), 6, "{text}");
    assert!(text.contains("constfnf(a:&mutu8)->&u8{a}"), "{text}");
    let text = of(Flavor::Cached, "", "fn f(a: u8) -> u8 { a }");
    assert_eq!(text.matches("compile_error").count(), 1, "{text}");
}
