//! The cost of annotations in a build: a crate of annotated functions is generated, its dependencies are built once, and then
//! it is built again and again by itself.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::measure::median;
use crate::report::{Check, Row};

const FUNCTIONS: usize = 200;
const ROUNDS: usize = 3;
const CACHED: &str = "cached, max_size + ttl_secs";
const PLAIN: &str = "without annotation";

struct Variant {
    name: &'static str,
    attribute: &'static str,
    dependency: String,
}

fn variants() -> [Variant; 3] {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cachekit");
    [
        Variant {
            name: "ours",
            attribute: "#[cachekit::memoize(timeout = 3600)]",
            dependency: format!("cachekit = {{ path = {ours:?} }}"),
        },
        Variant {
            name: CACHED,
            attribute: "#[cached::macros::cached(max_size = 10_000, ttl_secs = 3600)]",
            dependency: "cached = \"4.1\"".into(),
        },
        Variant { name: PLAIN, attribute: "", dependency: String::new() },
    ]
}

/// Half of the functions take a number, half two texts.
fn source(attribute: &str, functions: usize) -> String {
    let mut source = String::new();
    let mut calls = String::new();
    for n in 0..functions {
        let (signature, body, call) = if n % 2 == 0 {
            ("x: u64", format!("x.wrapping_mul({n})"), "x".to_string())
        } else {
            ("a: &str, b: &str", format!("(a.len() + b.len() + {n}) as u64"), "text, text".to_string())
        };
        let _ = writeln!(source, "{attribute}\nfn function_{n}({signature}) -> u64 {{ {body} }}");
        let _ = writeln!(calls, "    sum ^= function_{n}({call});");
    }
    let _ = writeln!(
        source,
        "fn main() {{\n    let x = std::env::args().len() as u64;\n    let text = &x.to_string();\n    let mut sum = 0u64;\n{calls}    \
         println!(\"{{sum}}\");\n}}"
    );
    source
}

struct Project {
    folder: PathBuf,
    /// One for all projects of a variant, so that dependencies are built once.
    target: PathBuf,
    name: &'static str,
    source: String,
}

impl Project {
    fn new(parent: &Path, variant: &Variant, functions: usize) -> Self {
        let place = parent.join(variant.name.split(',').next().unwrap_or_default().replace(' ', "-"));
        let folder = place.join(functions.to_string());
        std::fs::create_dir_all(folder.join("src")).expect("a folder to write to");
        let manifest = format!(
            "[package]\nname = \"annotated\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[dependencies]\n{}\n\
             [profile.release]\nstrip = true\n[workspace]\n",
            variant.dependency
        );
        std::fs::write(folder.join("Cargo.toml"), manifest).expect("a file to write");
        // The same versions as here.
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
        std::fs::copy(lock, folder.join("Cargo.lock")).expect("a lock file to copy");
        let source = source(variant.attribute, functions);
        std::fs::write(folder.join("src/main.rs"), &source).expect("a file to write");
        Self { folder, target: place.join("target"), name: variant.name, source }
    }

    fn cargo(&self, arguments: &[&str]) -> String {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let output = Command::new(cargo)
            .args(arguments)
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &self.target)
            // Or nothing would be compiled: only a comment changes between two builds.
            .env("CARGO_INCREMENTAL", "0")
            .output()
            .expect("cargo starts");
        assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Seconds to build this crate alone.
    fn rebuild(&self, arguments: &[&str], round: usize) -> f64 {
        std::fs::write(self.folder.join("src/main.rs"), format!("{}// {round}\n", self.source))
            .expect("a file to write");
        let start = Instant::now();
        self.cargo(arguments);
        start.elapsed().as_secs_f64()
    }

    /// Bytes of the stripped program.
    fn size(&self) -> f64 {
        self.cargo(&["build", "--release"]);
        let program = self.target.join("release").join(format!("annotated{}", std::env::consts::EXE_SUFFIX));
        std::fs::metadata(program).map_or(f64::NAN, |file| file.len() as f64)
    }

    /// How many crates there are besides this one, those for macros and build scripts included.
    fn dependencies(&self) -> f64 {
        let tree = self.cargo(&["tree", "--edges", "normal,build", "--prefix", "none", "--no-dedupe"]);
        let crates: std::collections::BTreeSet<&str> = tree
            .lines()
            .filter_map(|line| line.split(" (").next())
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        crates.len().saturating_sub(1) as f64
    }
}

pub fn rows() -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a folder to write to");
    let variants = variants();
    let many: Vec<Project> =
        variants.iter().map(|variant| Project::new(folder.path(), variant, FUNCTIONS)).collect();
    let mut rows = Vec::new();
    for (what, arguments) in [
        ("`cargo check`", &["check"][..]),
        ("`cargo build`", &["build"]),
        ("`cargo build --release`", &["build", "--release"]),
    ] {
        for project in &many {
            project.cargo(arguments);
        }
        let mut spent = vec![Vec::new(); many.len()];
        for round in 0..ROUNDS {
            for (project, spent) in many.iter().zip(&mut spent) {
                spent.push(project.rebuild(arguments, round));
            }
        }
        let values = spent.into_iter().map(median);
        rows.push(row(
            format!("{what} of {FUNCTIONS} functions"),
            "s",
            many.iter().map(|p| p.name).zip(values),
        ));
    }
    let sizes = variants.iter().zip(&many).map(|(variant, project)| {
        let one = Project::new(folder.path(), variant, 1);
        (variant.name, (project.size() - one.size()) / (FUNCTIONS - 1) as f64)
    });
    rows.push(row("code of a function".into(), "bytes", sizes.collect::<Vec<_>>().into_iter()));
    let crates = many.iter().map(|project| (project.name, project.dependencies()));
    rows.push(row("dependencies of the default build".into(), "crates", crates));
    rows
}

fn row(title: String, unit: &'static str, values: impl Iterator<Item = (&'static str, f64)>) -> Row {
    let mut row = Row {
        title,
        unit,
        more: false,
        ours: 0.0,
        peers: Vec::new(),
        references: Vec::new(),
        checks: Vec::new(),
    };
    for (name, value) in values {
        match name {
            "ours" => row.ours = value,
            PLAIN => row.references.push((name.into(), value)),
            _ => row.peers.push((name.into(), value)),
        }
    }
    let ratio = row.best().map_or(f64::NAN, |(_, best)| row.ours / best);
    row.check(Check::at_most(ratio, 1.0, CACHED))
}
