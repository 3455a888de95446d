//! Wrong input: one line, and the exit code 2.

use super::command;

fn message(arguments: &[&str]) -> String {
    let (code, out, err) = command(arguments, "", false);
    assert_eq!((code, &*out), (2, ""), "{arguments:?}");
    assert_eq!(err.lines().count(), 1, "{err}");
    err.trim_end().to_owned()
}

#[test]
fn each_mistake_is_one_line_that_says_what_is_wrong() {
    for (arguments, text) in [
        (&["lst"][..], "unrecognized subcommand 'lst'"),
        (&["delete"], "<FUNCTION>"),
        (&["ls", "--lnog"], "unexpected argument '--lnog'"),
        (&["bench", "--count", "many"], "invalid value 'many'"),
        (&["ping"], "`simple` are in the memory of the program"),
        (&["--type", "null", "ping"], "`null` keeps nothing"),
        (&["--type", "rediss", "ping"], "rediss"),
        (&["--dir", "/nowhere/at/all", "ping"], "there is no directory /nowhere/at/all"),
        (&["--config", "/nowhere/at/all.toml", "ping"], "/nowhere/at/all.toml can't be read"),
    ] {
        let found = message(arguments);
        assert!(found.starts_with("cachekit: ") && found.contains(text), "{arguments:?}: {found}");
    }
}

#[test]
fn a_file_and_the_environment_configure_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cache.toml");
    let store = dir.path().join("store");
    std::fs::create_dir(&store).unwrap();
    std::fs::write(&file, format!("type = 'filesystem'\ndir = '{}'\n", store.display())).unwrap();
    let (code, out, err) = command(&["--config", file.to_str().unwrap(), "ping"], "", false);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("filesystem at "), "{out}");
    std::fs::write(&file, "type = 'filesystem'\ndri = 'x'\n").unwrap();
    let wrong = message(&["--config", file.to_str().unwrap(), "ping"]);
    assert!(wrong.contains(file.to_str().unwrap()) && wrong.contains("unknown key `dri`"), "{wrong}");
}

#[test]
fn help_completions_and_the_manual_name_every_command() {
    let (code, help, _) = command(&["help"], "", false);
    assert_eq!(code, 0);
    let (_, man, _) = command(&["man"], "", false);
    let (_, bash, _) = command(&["completions", "bash"], "", false);
    for name in [
        "ping",
        "functions",
        "ls",
        "show",
        "delete",
        "delete-tag",
        "delete-view",
        "delete-key",
        "clear",
        "stats",
        "verify",
        "watch",
        "bench",
    ] {
        assert!(help.contains(name) && bash.contains(name), "{name}");
        assert!(man.replace('\\', "").contains(name), "{name}");
    }
}
