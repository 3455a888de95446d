//! The floors of `cachekit/src`: no folder names one above it, and the clients at the top don't name each other.

use std::path::Path;

/// The folders from the ground up. Those of one floor don't know each other.
const FLOORS: [&[&str]; 4] =
    [&["engine", "program"], &["call"], &["cache"], &["cli", "memo", "template", "web"]];

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&name))
}

/// The names that follow `crate::` in a source, comments left out: those of a group `crate::{a, b::c}` too.
fn names(source: &str) -> Vec<String> {
    let code: String = source
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default().trim())
        .collect::<Vec<_>>()
        .join(" ");
    let first = |path: &str| -> String {
        path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut names = Vec::new();
    // `$crate` in a macro is named where it is expanded.
    let own = |at: &usize| !code[..*at].ends_with('$');
    for (at, found) in code.match_indices("crate::").filter(|(at, _)| own(at)) {
        let rest = &code[at + found.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.push(first(rest));
            continue;
        };
        let mut depth = 1;
        let mut begins = true;
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => begins = true,
                c if begins && !c.is_whitespace() => {
                    names.push(first(&group[at..]));
                    begins = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    names
}

/// The lines that name what they must not.
fn faults(folder: &str, source: &str) -> Vec<String> {
    let mine = floor(folder).expect("a folder has a floor");
    let allowed = |name: &str| match floor(name) {
        Some(floor) => floor < mine || name == folder,
        // Exported macros are at the root, wherever they are written.
        None if name.starts_with("__cachekit") => true,
        // The roots of the public interface are above the cache.
        None => mine > 1 && name.starts_with(char::is_uppercase) || mine > 2,
    };
    names(source).into_iter().filter(|name| !allowed(name)).collect()
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn no_folder_of_cachekit_names_one_above_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cachekit/src");
    let mut seen = 0;
    for entry in std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()) {
        // The programs are clients of the library.
        let is_floor = |name: &&str| entry.is_dir() && *name != "bin";
        let Some(folder) = entry.file_name().and_then(|name| name.to_str()).filter(is_floor) else {
            continue;
        };
        assert!(
            floor(folder).is_some(),
            "`{folder}` has no floor: give it one here and in docs/src/design.md"
        );
        for file in files(&entry) {
            let found = faults(folder, &std::fs::read_to_string(&file).unwrap());
            assert!(found.is_empty(), "{} names {found:?}, which is not below it", file.display());
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen} files were read");
}

#[test]
fn what_is_above_is_found_however_it_is_written() {
    assert_eq!(faults("call", "use crate::{engine::Engine, memo::{a, b}, cache};"), ["memo", "cache"]);
    assert_eq!(faults("engine", "fn f() { crate::call::go() } // crate::web"), ["call"]);
    assert_eq!(faults("web", "use crate::memo::function::Site;\nuse crate::Timeout;"), ["memo"]);
    assert!(faults("cache", "use crate::call::Round;\nuse crate::Timeout;").is_empty());
    assert_eq!(faults("engine", "use crate::Cache;"), ["Cache"]);
}
