//! The diagnostics of the macros: the cases in `ui` give exactly the pinned errors. `TRYBUILD=overwrite` pins them anew.
//!
//! Cases that compile are in `programs`: with one of them here, trybuild would build each case by a call of Cargo of its own.

#[test]
fn mistakes_say_what_to_write_instead() {
    trybuild::TestCases::new().compile_fail("tests/ui/*/*.rs");
}
