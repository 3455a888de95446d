//! Memoized functions in an editor, by rust-analyzer: jumps, hovers, completion and renames. Where it isn't installed
//! (`rustup component add rust-analyzer`), the test says so and passes.

mod client;

use client::Editor;
use serde_json::Value;

const SAMPLE: &str = r#"use cachekit::{CacheKey, delete_memoized, memoize};

/// The price of an article.
#[memoize(timeout = "1m")]
pub fn price(article: u64) -> u64 {
    let doubled = article * 2;
    doubled + 1
}

#[derive(CacheKey)]
pub struct Person {
    pub id: u64,
}

impl Person {
    /// Whether a person has a role.
    #[memoize(timeout = "1m")]
    pub fn has_role(&self, role: &str) -> bool {
        let length = role.len();
        self.id as usize == length
    }
}

pub fn caller(person: &Person) -> cachekit::Result<()> {
    price(4);
    person.has_role("x");
    delete_memoized!(price, 4)?;
    delete_memoized!(person.has_role, "x")?;
    Ok(())
}
"#;

/// The line of a text that begins so.
fn line(begin: &str) -> u64 {
    SAMPLE.lines().position(|line| line.trim_start().starts_with(begin)).unwrap() as u64
}

/// The lines that a jump leads to.
fn targets(editor: &mut Editor, at: &str, word: &str) -> Vec<u64> {
    let found = editor.ask("textDocument/definition", at, word, |_| {});
    let all = found.as_array().cloned().unwrap_or_else(|| vec![found]);
    all.iter().map(|target| target["range"]["start"]["line"].as_u64().unwrap()).collect()
}

#[test]
fn jumps_hovers_completion_and_renames() {
    let Some(mut editor) = Editor::open(SAMPLE) else {
        eprintln!("skipped: there is no rust-analyzer (`rustup component add rust-analyzer`)");
        return;
    };
    let editor = &mut editor;
    let (price, has_role) = (line("pub fn price"), line("pub fn has_role"));

    // A call has one definition, the user's function; in a body everything is found.
    assert_eq!(targets(editor, "price(4)", "price"), [price]);
    assert_eq!(targets(editor, "person.has_role(\"x\")", "has_role"), [has_role]);
    assert_eq!(targets(editor, "doubled + 1", "doubled"), [line("let doubled")]);
    assert_eq!(targets(editor, "article * 2", "article"), [price]);
    assert_eq!(targets(editor, "self.id as", "id"), [line("pub id")]);
    // In a macro the function is the first one. The attribute, which has made what the macro calls, is another.
    assert_eq!(targets(editor, "delete_memoized!(price", "price")[0], price);
    assert_eq!(targets(editor, "delete_memoized!(person.has_role", "has_role")[0], has_role);

    let mut hover = |at: &str, word: &str| editor.ask("textDocument/hover", at, word, |_| {}).to_string();
    assert!(hover("article * 2", "article").contains("article: u64"));
    let shown = hover("price(4)", "price");
    assert!(
        shown.contains("pub fn price(article: u64) -> u64") && shown.contains("The price of an article"),
        "{shown}"
    );
    assert!(hover("role.len()", "role").contains("role: &str"));

    let mut completed = |at: &str, word: &str| -> Vec<String> {
        let found = editor.ask("textDocument/completion", at, word, |_| {});
        let items = found.get("items").unwrap_or(&found).as_array().unwrap().clone();
        items.iter().map(|item| item["label"].as_str().unwrap().to_owned()).collect()
    };
    assert!(completed("role.len()", "len").iter().any(|label| label == "len"), "in a body");
    let labels = completed("person.has_role(\"x\")", "has_role");
    assert!(labels.iter().any(|label| label == "has_role"), "{labels:?}");
    // The book says how many there are, and that they are seen in the crate of the function only.
    let hidden = labels.iter().filter(|label| label.starts_with("__memoized_has_role_")).count();
    assert!(hidden <= 8, "{labels:?}");

    // A rename changes the function and its calls, and leaves the macros, as the book says.
    let renamed = editor
        .ask("textDocument/rename", "price(article", "price", |params| params["newName"] = "cost".into());
    let lines: Vec<u64> = renamed["documentChanges"][0]["edits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edit: &Value| edit["range"]["start"]["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [price, line("price(4)")], "{renamed}");
}
