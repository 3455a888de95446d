//! An attribute and a configuration read the same durations.

use std::fmt::Write as _;

use cachekit::Config;
use cachekit_tests::Scratch;

const ACCEPTED: [&str; 10] = ["0", "90", " 90 ", "250ms", "90s", "5 m", "1h30m", "1h 30 m", "1d", "1w"];
const REFUSED: [&str; 10] =
    ["", "s", "-1s", "1.5s", "1h30", "5 minutes", "5M", "30m1h", "1s1s", "99999999999999999999s"];

fn configured(text: &str) -> cachekit::Result<Config> {
    Config::from_toml(&format!("default_timeout = {text:?}"))
}

fn program(texts: &[&str]) -> String {
    let mut source = String::from("fn main() {}\n");
    for (index, text) in texts.iter().enumerate() {
        writeln!(source, "#[cachekit::memoize(timeout = {text:?})]\npub fn f{index}() -> u8 {{ 0 }}")
            .unwrap();
    }
    source
}

#[test]
fn an_attribute_and_a_configuration_read_the_same_durations() {
    let scratch = Scratch::new("");
    scratch.write("app/src/main.rs", &program(&ACCEPTED));
    scratch.build(&["check", "--quiet"]);
    scratch.write("app/src/main.rs", &program(&REFUSED));
    let errors = String::from_utf8(scratch.cargo(&["check", "--quiet"]).stderr).unwrap();
    assert_eq!(errors.matches("is not a duration").count(), REFUSED.len(), "{errors}");
    for text in ACCEPTED {
        assert!(configured(text).is_ok(), "{text}: {:?}", configured(text));
    }
    for text in REFUSED.iter().filter(|text| !text.is_empty()) {
        assert!(configured(text).is_err(), "{text}");
    }
}
