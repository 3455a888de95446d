//! The transcript in the book is what the command prints. `TRANSCRIPT=overwrite` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use cachekit::Config;

use super::Shop;

const PLACE: &str = "/var/cache/shop";

/// One command of the page, with the lines after it.
struct Step {
    arguments: Vec<String>,
    printed: String,
}

/// The blocks of the page with a transcript, each from its first line to its last one.
fn blocks(page: &str) -> Vec<&str> {
    let blocks = page.split("```console\n").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

fn steps(block: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ cachekit") {
            let arguments =
                command.split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect();
            steps.push(Step { arguments, printed: String::new() });
        } else if let Some(step) = steps.last_mut() {
            let _ = writeln!(step.printed, "{line}");
        }
    }
    steps
}

/// The text with one place, one time, one duration and one generation in the place of all.
fn settled(text: &str, dir: &Path) -> String {
    let text = text.replace(dir.to_str().unwrap(), PLACE);
    let mut settled = String::new();
    for line in text.lines() {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for at in 0..words.len() {
            let word = &words[at];
            let is_hex = word.len() == 32
                && word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
            if word.len() == 20 && word.ends_with('Z') && word.contains('T') {
                words[at] = "2026-01-31T12:00:00Z".into();
            } else if is_hex {
                words[at] = "5d41402abc4b2a76b9719d911017c592".into();
            } else if at > 0 && matches!(word.as_str(), "µs" | "ms") {
                words[at - 1] = "85.0".into();
                words[at] = "µs".into();
            }
        }
        let mut line = words.join(" ");
        for (begin, end, instead) in [("(", " ago)", "2s"), ("(in ", ")", "59m 58s")] {
            if let Some((head, rest)) = line.split_once(begin)
                && let Some((_, tail)) = rest.split_once(end)
            {
                line = format!("{head}{begin}{instead}{end}{tail}");
            }
        }
        if let Some((head, rest)) = line.split_once("\"micros\":") {
            line = format!("{head}\"micros\":85{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        }
        settled.push_str(&line);
        settled.push('\n');
    }
    settled
}

#[test]
fn the_book_shows_what_the_command_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/guide/command.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::open(Config::filesystem(dir.path()), &["--dir", dir.path().to_str().unwrap()]);
    let mut new_page = page.clone();
    let mut count = 0;
    for block in blocks(&page) {
        let mut new_block = String::new();
        for Step { arguments, printed } in steps(block) {
            let all: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let (_, out, err) = shop.run(&all);
            let found = settled(&(out + &err), dir.path());
            let _ = write!(new_block, "$ cachekit {}\n{found}", all.join(" "));
            count += 1;
            if std::env::var_os("TRANSCRIPT").is_none() {
                assert_eq!(found, printed, "cachekit {}", all.join(" "));
            }
        }
        new_page = new_page.replacen(block, &new_block, 1);
    }
    assert!(count > 5, "{count} commands were found on the page");
    if std::env::var_os("TRANSCRIPT").is_some() {
        std::fs::write(&path, new_page).unwrap();
    }
}
