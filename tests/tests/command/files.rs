//! On files.

use cachekit::Config;

use super::{
    Shop, command, deletes_what_is_not_there, verifies_entries_with_many_tags, works_on_a_store_that_lists,
};

fn in_dir(dir: &tempfile::TempDir) -> Shop {
    Shop::open(Config::filesystem(dir.path()), &["--dir", dir.path().to_str().unwrap()])
}

#[test]
fn files_are_listed_shown_deleted_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let shop = in_dir(&dir);
    deletes_what_is_not_there(&shop);
    works_on_a_store_that_lists(&shop);
}

#[test]
fn entries_with_many_tags_are_verified_on_files() {
    let dir = tempfile::tempdir().unwrap();
    verifies_entries_with_many_tags(&in_dir(&dir));
}

#[test]
fn a_damaged_entry_is_found_and_removed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let shop = in_dir(&dir);
    let key = shop.key("shop::stock:");
    let config = Config::filesystem(dir.path());
    let cachekit_backends::Opened::Shared(store) =
        cachekit_backends::open(&config, &cachekit_backends::Clock::system()).unwrap()
    else {
        panic!("no store of bytes");
    };
    store.set(&format!("cachekit:|{key}"), b"no entry", None).unwrap();
    let (code, out, err) = shop.run(&["verify"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains(&format!("corrupt: {key}")) && err.contains("corrupt entries: 1"), "{out}{err}");
    assert!(shop.fails(1, &["show", &key]).contains("are no entry"));
    assert!(shop.ok(&["verify", "--repair"]).contains("1 removed"));
    assert_eq!(shop.json(&["verify"])["entries"]["sound"], 7);
}

#[test]
fn a_misspelt_function_is_told_its_neighbour_and_deletes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let shop = in_dir(&dir);
    let before = shop.ok(&["ls"]);
    let message = shop.fails(1, &["delete", "shop::prise"]);
    assert!(message.ends_with("there is shop::price"), "{message}");
    assert_eq!(shop.ok(&["ls"]), before);
}

#[test]
fn clear_asks_first_and_keeps_other_prefixes() {
    let dir = tempfile::tempdir().unwrap();
    let shop = in_dir(&dir);
    let other = Shop::open(
        Config::filesystem(dir.path()).key_prefix("other"),
        &["--dir", dir.path().to_str().unwrap(), "--key-prefix", "other"],
    );
    let path = dir.path().to_str().unwrap();
    assert!(shop.fails(2, &["clear"]).contains("--yes"), "no terminal");
    let (code, _, err) = command(&["--dir", path, "clear"], "n\n", true);
    assert!(
        code == 1 && err.contains("Remove everything under the prefix `cachekit:` on filesystem"),
        "{err}"
    );
    assert!(shop.ok(&["functions"]).contains("shop::price"));
    let (code, _, err) = command(&["--dir", path, "clear"], "y\n", true);
    assert_eq!(code, 0, "{err}");
    shop.fails(1, &["functions"]);
    assert!(other.ok(&["functions"]).contains("shop::price"));
}
