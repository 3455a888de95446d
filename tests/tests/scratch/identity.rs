//! Two functions never share entries, whichever of them is called first.

use cachekit_tests::Scratch;

const BLOCKS: &str = r#"
#![forbid(unsafe_code)]
#![deny(warnings)]
use cachekit::{Config, memoize};

macro_rules! generated {
    ($text:literal) => {{
        #[memoize]
        fn f(_x: u8) -> String {
            $text.to_owned()
        }
        f(1)
    }};
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    cachekit::init(Config::filesystem(&arguments[1])).unwrap();
    let values = if arguments[2] == "first" {
        #[memoize]
        fn f(_x: u8) -> String {
            "first".to_owned()
        }
        struct T;
        impl T {
            #[memoize]
            fn m(_x: u8) -> String {
                "first".to_owned()
            }
        }
        (f(1), T::m(1), generated!("first"))
    } else {
        #[memoize]
        fn f(_x: u8) -> String {
            "second".to_owned()
        }
        struct T;
        impl T {
            #[memoize]
            fn m(_x: u8) -> String {
                "second".to_owned()
            }
        }
        (f(1), T::m(1), generated!("second"))
    };
    println!("{} {} {}", values.0, values.1, values.2);
}
"#;

const VERSIONS: &str = r#"
#![forbid(unsafe_code)]
use cachekit::Config;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    cachekit::init(Config::filesystem(&arguments[1])).unwrap();
    if arguments[2] == "first" {
        println!("{} {}", shop_old::price(1), shop_old::named(1));
    } else {
        println!("{} {}", shop_new::price(1), shop_new::named(1));
    }
}
"#;

const REPEATED: &str = r#"
#![forbid(unsafe_code)]
#![deny(warnings)]
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use cachekit::{Config, ErrorKind, delete_memoized, delete_memoized_named, memoize, peek};

static RUNS: AtomicU32 = AtomicU32::new(0);

mod one {
    #[cachekit::memoize(name = "dup")]
    pub fn f(x: u8) -> u8 {
        super::RUNS.fetch_add(1, super::SeqCst);
        x
    }
}
mod two {
    pub struct T;
    impl T {
        #[cachekit::memoize(name = "dup")]
        pub fn m(x: u8) -> u8 {
            super::RUNS.fetch_add(1, super::SeqCst);
            x + 100
        }
    }
}
#[memoize]
fn sound(x: u8) -> u8 {
    RUNS.fetch_add(1, SeqCst);
    x
}

fn main() {
    let error = cachekit::init(Config::simple()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    for part in ["`dup`", "one::f (src/bin/repeated.rs:11:5", "two::m (src/bin/repeated.rs:20:9"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Without `init`: the calls are right, and nothing is kept.
    assert_eq!((one::f(1), two::T::m(1), one::f(1), two::T::m(1)), (1, 101, 1, 101));
    assert_eq!(RUNS.swap(0, SeqCst), 4);
    for error in [
        delete_memoized!(one::f).unwrap_err(),
        delete_memoized!(two::T::m, 1).unwrap_err(),
        delete_memoized_named("dup").unwrap_err(),
        peek!(one::f, 1).unwrap_err(),
    ] {
        assert_eq!(error.to_string(), text);
    }
    assert_eq!((sound(1), sound(1)), (1, 1));
    assert_eq!(RUNS.load(SeqCst), 1, "other functions are cached");
    delete_memoized!(sound).unwrap();
}
"#;

/// One function in two builds, between which its type changed.
fn build(definition: &str) -> String {
    format!(
        "use cachekit::{{Config, memoize}};\n{definition}\nfn main() {{\n    \
         cachekit::init(Config::filesystem(std::env::args().nth(1).unwrap())).unwrap();\n    println!(\"{{:?}}\", \
         f(1));\n}}\n"
    )
}

fn shop(version: &str) -> String {
    format!(
        "#![forbid(unsafe_code)]\n#[cachekit::memoize]\npub fn price(_x: u8) -> String {{ {version:?}.to_owned() }}\n\
         #[cachekit::memoize(name = \"price\")]\npub fn named(_x: u8) -> String {{ {version:?}.to_owned() }}\n"
    )
}

/// One build for all programs: cargo takes longer to start than they take to compile.
#[test]
fn what_a_call_returns_does_not_depend_on_what_was_called_before() {
    let scratch = Scratch::new(
        "shop_old = { package = \"shop\", path = \"../shop-1\" }\nshop_new = { package = \"shop\", path = \"../shop-2\" }\n\
         serde = { version = \"1\", features = [\"derive\"] }",
    );
    for (folder, version) in [("shop-1", "1.9.0"), ("shop-2", "1.10.0")] {
        scratch.package(folder, "shop", version, "");
        scratch.write(&format!("{folder}/src/lib.rs"), &shop(version));
    }
    scratch.write("app/src/bin/blocks.rs", BLOCKS);
    scratch.write("app/src/bin/versions.rs", VERSIONS);
    scratch.write("app/src/bin/repeated.rs", REPEATED);
    let old = "#[memoize(name = \"f\")]\nfn f(n: u32) -> (u32, String) { (n, \"old\".into()) }";
    scratch.write("app/src/bin/old.rs", &build(old));
    let value = "#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]\nstruct Value { n: u32, text: String }";
    let new = "#[memoize(name = \"f\")]\nfn f(n: u32) -> Value { Value { n, text: \"new\".into() } }";
    scratch.write("app/src/bin/new.rs", &build(&format!("{value}\n{new}")));
    scratch.build(&["build", "--bins"]);

    assert_eq!(scratch.run("repeated", &[]), "");
    for (program, first, second) in [
        ("blocks", "first first first", "second second second"),
        ("versions", "1.9.0 1.9.0", "1.10.0 1.10.0"),
    ] {
        let entries = scratch.path(program);
        let run = |which| scratch.run(program, &[entries.to_str().unwrap(), which]);
        assert_eq!(run("first"), first);
        assert_eq!(run("second"), second, "{program}: the first run's entries");
        assert_eq!(run("first"), first);
    }
    let entries = scratch.path("types");
    let run = |program| scratch.run(program, &[entries.to_str().unwrap()]);
    for _ in 0..2 {
        assert_eq!(run("old"), "(1, \"old\")");
        assert_eq!(run("new"), "Value { n: 1, text: \"new\" }", "another type's value is a miss");
    }
}
