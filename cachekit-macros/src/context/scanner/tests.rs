use super::{Block, Source, Surroundings};

fn scan(source: &str, at: usize, name: &str) -> Option<Surroundings> {
    Source::new(source.to_owned()).around(at, name)
}

/// The block around `HERE`, the name of the function in the source.
fn block(source: &str) -> Option<Block> {
    scan(source, source.find("HERE").expect("a place"), "HERE").map(|found| found.block)
}

#[test]
fn every_kind_of_block_is_recognised() {
    for (source, expected) in [
        ("fn HERE() {}", Block::Other),
        ("mod m { fn HERE() {} }", Block::Other),
        ("impl S { fn HERE() {} }", Block::Impl),
        ("impl<T: Into<Vec<u8>>> S<T> where T: Fn() -> u8 { pub fn HERE() {} }", Block::Impl),
        ("unsafe impl<T> Tr for S<T> { fn HERE() {} }", Block::TraitImpl),
        ("impl Tr<{ 1 + 2 }> for S { fn HERE() {} }", Block::TraitImpl),
        ("impl S<{ 1 }> { fn HERE() {} }", Block::Impl),
        ("impl Tr for &S { fn HERE() {} }", Block::TraitImpl),
        ("impl Tr for (u8, u8) { fn HERE() {} }", Block::TraitImpl),
        ("impl Tr for [u8; 3] { fn HERE() {} }", Block::TraitImpl),
        ("impl Tr for <S as X>::Y { fn HERE() {} }", Block::TraitImpl),
        ("impl S<dyn for<'a> Fn(&'a u8)> { fn HERE() {} }", Block::Impl),
        ("impl<F> S<F> where F: for<'a> Fn(&'a u8), for<'a> &'a F: X { fn HERE() {} }", Block::Impl),
        ("pub(crate) trait T: Sized { fn HERE() {} }", Block::Trait),
        ("impl S { fn f() { fn HERE() {} } }", Block::Other),
        ("impl A for B { fn f() { struct S; impl S { fn HERE() {} } } }", Block::Impl),
        ("fn f() { if a < b { } impl A for S { fn HERE() {} } }", Block::TraitImpl),
        ("impl A for B {} fn HERE() {}", Block::Other),
        ("impl A for B {} impl B { #[x(y = \"}\")] /// }\n fn HERE() {} }", Block::Impl),
        ("m! { impl A for B { fn HERE() {} } }", Block::TraitImpl),
        ("const X: u8 = { 1 }; impl B { const fn a() {} fn HERE() {} }", Block::Impl),
        ("struct S { a: u8 } impl S { const N: u8 = 1; fn HERE() {} }", Block::Impl),
        ("fn f(x: impl A) -> impl B { x } trait T { fn HERE() {} }", Block::Trait),
        ("static A: &[u8] = &[1]; fn HERE() {}", Block::Other),
    ] {
        assert_eq!(block(source), Some(expected), "{source}");
    }
}

#[test]
fn bodies_of_functions_and_values_of_constants_are_told_from_modules() {
    for (source, expected) in [
        ("impl S { fn HERE() {} }", false),
        ("mod m { impl S { fn HERE() {} } }", false),
        ("fn a() {} impl S { fn HERE() {} }", false),
        ("m! { impl S { fn HERE() {} } }", false),
        ("const N: [u8; { 1 }] = [1]; impl S { fn HERE() {} }", false),
        ("fn a() { impl S { fn HERE() {} } }", true),
        ("fn a() -> [u8; 2] { if x { impl S { fn HERE() {} } } }", true),
        ("impl S { fn a(&self) { struct T; impl T { fn HERE() {} } } }", true),
        ("fn a() { mod m { impl S { fn HERE() {} } } }", true),
        ("const _: () = { impl S { fn HERE() {} } };", true),
    ] {
        let at = source.find("HERE").expect("a place");
        assert_eq!(scan(source, at, "HERE").map(|found| found.in_body), Some(expected), "{source}");
    }
}

#[test]
fn brackets_in_literals_and_comments_do_not_count() {
    for literal in [
        "\"{\"",
        "\"\\\"{\"",
        "r\"{\\\"",
        "r#\"\"{\"#",
        "br##\"\"#{\"##",
        "b'{'",
        "'{'",
        "'\\''; '{'",
        "'\\u{7b}'",
        "b\"{\"",
        "c\"{\"",
        "/* { /* } { */ { */ 1",
        "// {\n1",
        "&'static x",
        "1.0e3",
        "0x7b_u8",
    ] {
        let source =
            format!("impl A for B {{ fn f<'a>(x: &'a u8) {{ let y = {literal}; }} fn HERE() {{}} }}");
        assert_eq!(block(&source), Some(Block::TraitImpl), "{source}");
    }
}

#[test]
fn a_source_that_does_not_match_is_no_answer() {
    assert_eq!(block("impl A for B ) { fn HERE() {} }"), None);
    assert_eq!(block("impl A } fn HERE() {}"), None);
    assert_eq!(block("\"fn HERE() {}\""), None);
}

#[test]
fn a_module_of_the_same_name_is_seen_in_the_same_block_only() {
    for (source, expected) in [
        ("mod HERE; fn HERE() {}", true),
        ("fn HERE() { } pub mod HERE { }", true),
        ("mod m { fn HERE() {} } mod HERE;", false),
        ("mod m { mod HERE {} } fn HERE() {}", false),
        ("mod other; fn HERE() {}", false),
    ] {
        let at = source.find("fn HERE").expect("a place") + 3;
        assert_eq!(scan(source, at, "HERE").map(|found| found.same_named_module), Some(expected), "{source}");
    }
}

#[test]
fn columns_count_characters() {
    let text = "a\n/* äö */ x\n";
    let source = Source::new(text.to_owned());
    assert_eq!(source.offset(1, 1), Some(0));
    assert_eq!(source.offset(2, 10), text.find('x'));
    assert_eq!(source.offset(9, 1), None);
}

#[test]
fn a_function_that_its_namesake_module_re_exports_is_seen() {
    for (source, expected) in [
        ("mod HERE { fn HERE() {} } pub use HERE::HERE;", true),
        ("pub use self::HERE::{other, HERE}; mod HERE { fn HERE() {} }", true),
        ("mod HERE { fn HERE() {} } use HERE::HERE as other;", false),
        ("mod HERE { fn HERE() {} } use HERE::other;", false),
        ("mod HERE { mod inner { fn HERE() {} } } use HERE::HERE;", false),
        ("mod other { fn HERE() {} } use other::HERE;", false),
    ] {
        let at = source.find("fn HERE").expect("a place") + 3;
        assert_eq!(scan(source, at, "HERE").map(|found| found.reexported), Some(expected), "{source}");
    }
}
