//! `cargo fix` and `cargo clippy --fix` change a memoized function as they would without the attribute.

use cachekit_tests::Scratch;

const FORMS: &str = include_str!("forms.rs.txt");

const FIX: [&str; 4] = ["--lib", "--allow-no-vcs", "--allow-dirty", "--quiet"];

#[test]
fn fixes_leave_every_form_alone() {
    let scratch = Scratch::new("serde = { version = \"1\", features = [\"derive\"] }");
    scratch.write("app/src/lib.rs", FORMS);
    let mut said = scratch.build(&[&["fix"], &FIX[..]].concat());
    said += &scratch.build(&[&["clippy", "--fix"], &FIX[..]].concat());
    assert_eq!(scratch.read("app/src/lib.rs"), FORMS, "{said}");
    // A lint without a fix is none the less one about the expansion. cachekit itself is built here too.
    assert!(!said.contains("--> src/lib.rs"), "{said}");
}
