//! `cargo fix` and `cargo clippy --fix` change a memoized function as they would without the attribute.

use cachekit_tests::Scratch;

const FORMS: &str = include_str!("forms.rs.txt");
const VIEWS: &str = include_str!("views.rs.txt");

const FIX: [&str; 4] = ["--lib", "--allow-no-vcs", "--allow-dirty", "--quiet"];

fn fixes_change_nothing(forms: &str, scratch: &Scratch) {
    scratch.write("app/src/lib.rs", forms);
    let mut said = scratch.build(&[&["fix"], &FIX[..]].concat());
    said += &scratch.build(&[&["clippy", "--fix"], &FIX[..]].concat());
    assert_eq!(scratch.read("app/src/lib.rs"), forms, "{said}");
    // A lint without a fix is none the less one about the expansion. cachekit itself is built here too.
    assert!(!said.contains("--> src/lib.rs"), "{said}");
}

#[test]
fn fixes_leave_every_form_alone() {
    fixes_change_nothing(FORMS, &Scratch::new("serde = { version = \"1\", features = [\"derive\"] }"));
}

#[test]
fn fixes_leave_every_form_of_a_view_alone() {
    let axum = "axum = { version = \"0.8\", default-features = false, features = [\"query\", \"json\"] }";
    fixes_change_nothing(VIEWS, &Scratch::with_features("\"tower\"", axum));
}
