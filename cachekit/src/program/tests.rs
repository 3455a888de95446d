use super::{Declared, Program, ordered};

fn declared(module: &'static str, package: &'static str, line: u32) -> Declared {
    Declared {
        function: "f",
        name: None,
        version: "",
        local: false,
        stamped: false,
        policy: None,
        in_default: true,
        view: false,
        options: "",
        in_body: false,
        of: None,
        companion: None,
        module,
        package: Some(package),
        file: "/somewhere/shop/src/lib.rs",
        line,
        column: 5,
    }
}

fn program<const N: usize>(all: [Declared; N]) -> (Program, &'static [Declared]) {
    let all: &'static [Declared] = Box::leak(Box::new(all));
    (Program::of(all.iter()), all)
}

#[test]
fn a_function_in_a_body_carries_its_place_and_one_in_a_module_does_not() {
    for (companion, module, expected) in [
        ((|| "shop::cart::f_cache<0>") as fn() -> &'static str, "shop::cart", "shop::cart::f"),
        (|| "shop::type::f", "shop::r#type", "shop::type::f"),
        (|| "shop::r#type::f", "shop::r#type", "shop::r#type::f"),
        (|| "shop::cart::total::f", "shop::cart", "shop::cart::total::f#lib.rs:7:5"),
        (|| "shop::total::{{closure}}::f", "shop", "shop::total::{{closure}}::f#lib.rs:7:5"),
    ] {
        let function = Declared { companion: Some(companion), ..declared(module, "1.0.0", 7) };
        assert_eq!(function.fixed_identity().as_deref(), Some(expected));
    }
    let method = Declared { in_body: true, ..declared("shop", "1.0.0", 7) };
    assert_eq!(method.method_identity("shop::total::T::f".into()), "shop::total::T::f#lib.rs:7:5");
    assert_eq!(method.fixed_identity(), None);
}

#[test]
fn a_repeated_name_names_both_places() {
    let named = |line| Declared { name: Some("dup"), ..declared("shop::cart", "1.0.0", line) };
    let (program, _) = program([named(3), named(9), declared("shop", "1.0.0", 1)]);
    let [message] = program.repeated.values().flat_map(|one| one.values()).collect::<Vec<_>>()[..] else {
        panic!("{:?}", program.repeated)
    };
    for part in ["`dup`", "lib.rs:3:5", "lib.rs:9:5", "shop::cart::f", "name = "] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn an_option_version_is_part_of_the_identity() {
    let named = |version| Declared { name: Some("dup"), version, ..declared("shop", "1.0.0", 3) };
    assert!(program([named("1"), named("2")]).0.repeated.is_empty());
    assert!(!program([named("1"), named("1")]).0.repeated.is_empty());
}

#[test]
fn two_versions_of_a_crate_are_told_apart_and_the_newest_keeps_its_identity() {
    let named = |package| Declared { name: Some("dup"), ..declared("shop", package, 3) };
    let (program, all) = program([named("0.9.0"), named("0.10.0"), named("0.10.0-rc.1")]);
    assert!(program.repeated.is_empty(), "{:?}", program.repeated);
    let identities: Vec<String> = all.iter().map(|one| program.complete(one, "dup".into())).collect();
    assert_eq!(identities, ["dup#shop-0.9.0", "dup", "dup#shop-0.10.0-rc.1"]);
}

#[test]
fn one_version_keeps_its_identity_whatever_else_is_linked() {
    let (program, all) = program([declared("shop", "1.0.0", 1), declared("cart", "2.0.0", 1)]);
    for function in all {
        assert_eq!(program.complete(function, "x".into()), "x");
    }
}

#[test]
fn versions_are_ordered_by_their_numbers() {
    let mut versions = ["1.10.0", "1.9.0", "1.10.0-rc.1", "2.0.0", "0.1.0+build"];
    versions.sort_by_key(|version| ordered(version));
    assert_eq!(versions, ["0.1.0+build", "1.9.0", "1.10.0-rc.1", "1.10.0", "2.0.0"]);
}
