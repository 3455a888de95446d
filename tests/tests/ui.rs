//! Programs of users, and the diagnostics of the macros: the cases in `ui/pass` compile without a warning and run, those in
//! `ui/fail` give exactly the pinned errors. `TRYBUILD=overwrite` pins them anew.

#[test]
fn cases_compile_or_say_what_to_write_instead() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*/*.rs");
}
