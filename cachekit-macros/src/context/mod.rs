//! Where a function stands, as far as its source file tells: the compiler hands an attribute only the item under it, and
//! an associated function without `self` looks the same as a free one.

mod home;
mod scanner;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use proc_macro2::Ident;
use syn::ext::IdentExt as _;

pub(crate) use home::Home;
use scanner::Source;
pub(crate) use scanner::{Block, Surroundings};

/// Returns the surroundings of this function in its source file; `None` in any doubt (no file, a file that changed
/// meanwhile, a function that a macro put together).
pub(crate) fn surroundings(name: &Ident) -> Option<Surroundings> {
    let Place { file, source, offset, name } = place(name)?;
    let mut found = source.around(offset, &name)?;
    found.reexported |= found.block == Block::Other && module_reexports(&file, &name);
    Some(found)
}

/// Returns the place for the siblings of a method in an impl of a trait; `None` in any doubt.
pub(crate) fn home(name: &Ident) -> Option<Home> {
    let Place { source, offset, name, .. } = place(name)?;
    Home::of(&source.implementation(offset, &name)?, &source)
}

/// A function's name in its source file.
struct Place {
    file: PathBuf,
    source: Rc<Source>,
    offset: usize,
    name: String,
}

fn place(name: &Ident) -> Option<Place> {
    // Outside of a macro call, that is in unit tests, there are no spans to ask.
    if !proc_macro::is_available() {
        return None;
    }
    let span = name.span().unwrap();
    let file = span.local_file()?;
    let source = source(&file)?;
    let offset = source.offset(span.start().line(), span.start().column())?;
    let name = name.unraw().to_string();
    let here = source.text().get(offset..)?;
    let here = here.strip_prefix("r#").unwrap_or(here).strip_prefix(&name)?;
    if here.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
        return None;
    }
    Some(Place { file, source, offset, name })
}

/// Whether the file is that of a module called `name`, out of which the parent module's file takes a `name`.
fn module_reexports(file: &Path, name: &str) -> bool {
    let named = |path: &Path| path.file_stem().is_some_and(|stem| stem == name);
    let module = match file.file_stem() {
        Some(stem) if stem == "mod" => file.parent(),
        _ => Some(file),
    };
    let Some((module, directory)) =
        module.filter(|path| named(path)).and_then(|path| Some((path, path.parent()?)))
    else {
        return false;
    };
    let beside = ["mod.rs", "lib.rs", "main.rs"].map(|parent| directory.join(parent));
    let parents = beside.into_iter().chain([directory.with_extension("rs")]).filter(|path| path != module);
    parents.filter_map(|parent| source(&parent)).any(|source| source.reexports(name))
}

thread_local! {
    static SOURCES: RefCell<HashMap<PathBuf, Option<Rc<Source>>>> = RefCell::default();
}

/// A file, read once a process: a file of many functions would be read for each of them otherwise.
fn source(path: &Path) -> Option<Rc<Source>> {
    SOURCES.with_borrow_mut(|sources| {
        if let Some(known) = sources.get(path) {
            return known.clone();
        }
        let source = std::fs::read_to_string(path).ok().map(|text| Rc::new(Source::new(text)));
        sources.insert(path.to_path_buf(), source.clone());
        source
    })
}
