use std::fmt;

/// One annotated function, as its attribute declares it.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Declared {
    /// The function's own name.
    pub function: &'static str,
    /// The identity that the user gave.
    pub name: Option<&'static str>,
    /// `version` and the digest of `source_check`.
    pub version: &'static str,
    /// Values never leave the process.
    pub local: bool,
    /// Entries in process carry their times.
    pub stamped: bool,
    /// The policy that the attribute names.
    pub policy: Option<&'static str>,
    /// Whether the cache is the default one.
    pub in_default: bool,
    /// The key is a request, and the value a response.
    pub view: bool,
    /// The options, as they are written.
    pub options: &'static str,
    /// A method whose impl or trait stands in the body of a function.
    pub in_body: bool,
    /// The function whose entries it shares, as it is written.
    pub of: Option<&'static str>,
    /// The path of a free function's companion type.
    pub companion: Option<fn() -> &'static str>,
    /// The module that it stands in.
    pub module: &'static str,
    /// The version of its package; none outside of cargo.
    pub package: Option<&'static str>,
    /// The source file, as the compiler was given it.
    pub file: &'static str,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
}

impl Declared {
    /// The identity, where it is known before the first call: the user's name, or the path of a free function. That of a
    /// method depends on its type.
    pub(crate) fn fixed_identity(&self) -> Option<String> {
        match (self.name, self.companion) {
            (Some(name), _) => Some(name.to_owned()),
            (None, Some(companion)) => Some(self.free_identity(companion())),
            (None, None) => None,
        }
    }

    /// A function in a body shares its path with one in another block of the same body: its place tells them apart.
    fn free_identity(&self, companion: &str) -> String {
        let (parent, _) = companion.rsplit_once("::").unwrap_or_default();
        let identity = format!("{parent}::{}", self.function);
        let raw = |path: &str| path.replace("r#", "");
        if raw(parent) == raw(self.module) { identity } else { self.located(&identity) }
    }

    /// The identity of a method, by its path.
    pub(crate) fn method_identity(&self, path: String) -> String {
        match self.name {
            Some(name) => name.to_owned(),
            None if self.in_body => self.located(&path),
            None => path,
        }
    }

    /// The name of the file only: its folder differs from machine to machine.
    fn located(&self, identity: &str) -> String {
        let Self { file, line, column, .. } = self;
        let file = file.rsplit(['/', '\\']).next().unwrap_or(file);
        format!("{identity}#{file}:{line}:{column}")
    }

    /// The first word of the module's path.
    pub(crate) fn crate_name(&self) -> &'static str {
        self.module.split("::").next().unwrap_or(self.module)
    }
}

impl fmt::Display for Declared {
    /// `shop::price (src/lib.rs:10:5, shop 1.2.0)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { module, function, file, line, column, .. } = self;
        write!(f, "{module}::{function} ({file}:{line}:{column}")?;
        if let Some(package) = self.package {
            write!(f, ", {} {package}", self.crate_name())?;
        }
        f.write_str(")")
    }
}
