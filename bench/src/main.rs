//! Measures cachekit beside its peers.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml` runs every row, prints the table and writes it and its chart to
//! the book. With the names of groups after `--` it runs and prints these alone: `hits`, `values`, `threads`, `misses`,
//! `stores`, `ratio`, `memory`, `files`, `remote`, `template`, `views`, `compile`. `remote` needs `redis-server` and `memcached`.

mod chart;
mod machine;
mod measure;
mod report;
mod rows;

use std::path::Path;

use report::Row;

type Group = (&'static str, fn() -> Vec<Row>);

const GROUPS: [Group; 12] = [
    ("hits", || {
        let (numbers, many, texts) = (rows::hits::numbers(), rows::many::rows(), rows::hits::texts());
        [numbers, many, texts, rows::method::rows(), rows::asynchronous::rows()]
            .into_iter()
            .flatten()
            .collect()
    }),
    ("values", rows::values::rows),
    ("threads", rows::threads::rows),
    ("misses", rows::misses::rows),
    ("stores", rows::stores::rows),
    ("ratio", rows::ratio::rows),
    ("memory", rows::memory::rows),
    ("files", rows::files::rows),
    ("remote", rows::remote::rows),
    ("template", rows::template::rows),
    ("views", rows::views::rows),
    ("compile", rows::compile::rows),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, entrant] = arguments.as_slice()
        && mode == "memory-of"
    {
        return rows::memory::child(entrant);
    }
    if let Some(unknown) = arguments.iter().find(|name| !GROUPS.iter().any(|(group, _)| group == name)) {
        let known: Vec<&str> = GROUPS.iter().map(|(group, _)| *group).collect();
        eprintln!("there is no group `{unknown}`; there are {}", known.join(", "));
        std::process::exit(2);
    }
    let machine = machine::describe();
    println!("{machine}");
    let mut all = Vec::new();
    let mut failed = Vec::new();
    for (name, rows) in GROUPS {
        if arguments.is_empty() || arguments.iter().any(|wanted| wanted == name) {
            // A group that fails has said why; the others are worth having.
            if let Ok(rows) = std::panic::catch_unwind(rows) {
                rows.iter().for_each(Row::print);
                all.extend(rows);
            } else {
                failed.push(name);
            }
        }
    }
    let missed: Vec<&str> = all.iter().filter(|row| !row.ok()).map(|row| row.title.as_str()).collect();
    println!(
        "\n{} of {} rows miss a goal{}{}",
        missed.len(),
        all.len(),
        if missed.is_empty() { "" } else { ": " },
        missed.join("; ")
    );
    if arguments.is_empty() {
        let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src");
        write(&book.join("performance-table.md"), &report::markdown(&all, &machine));
        write(&book.join("performance.svg"), &chart::svg(&all));
        if let Some(row) = all.iter().find(|row| row.title.starts_with("hit, `fn(u64) -> u64`, 1,024 keys")) {
            write(&book.join("performance-first.svg"), &chart::first_screen(row));
        }
    }
    if !failed.is_empty() {
        eprintln!("no rows of: {}", failed.join(", "));
        std::process::exit(1);
    }
}

fn write(file: &Path, text: &str) {
    match std::fs::write(file, text) {
        Ok(()) => println!("wrote {}", file.file_name().unwrap_or_default().display()),
        Err(error) => eprintln!("{}: {error}", file.display()),
    }
}
