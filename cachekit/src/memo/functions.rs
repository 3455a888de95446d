//! The list of the program's functions, for its users.

use std::ops::Deref;

use super::function::{Function, registered};
use crate::cache::Cache;
use crate::engine::stats::FunctionStats;
use crate::program::{self, Declared, list};

/// A memoized function of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionInfo {
    /// The identity, as it is in keys and for [`delete_memoized_named`](crate::delete_memoized_named): the option `name`, or the path. The
    /// path of a method has its type only once it was called; before, it is the module and the method.
    pub name: String,
    /// The source file, as the compiler was given it.
    pub file: &'static str,
    /// The line of the attribute, from 1.
    pub line: u32,
    /// Its column, from 1.
    pub column: u32,
    /// The attribute's options as they are written.
    pub options: &'static str,
    /// Whether this process has called it; a function with `per_request`, in a request.
    pub called: bool,
    /// Its counters in this process, of all caches that it was called with, or of all requests.
    pub counters: FunctionStats,
}

/// The memoized functions of the program; made by [`functions()`](crate::functions()). A slice of [`FunctionInfo`], by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Functions(Vec<FunctionInfo>);

impl Functions {
    /// Whether functions that were not called yet are among them. Not on platforms without initializers (WebAssembly).
    pub const fn is_complete(&self) -> bool {
        list::IS_WHOLE
    }
}

impl Deref for Functions {
    type Target = [FunctionInfo];

    fn deref(&self) -> &[FunctionInfo] {
        &self.0
    }
}

impl IntoIterator for Functions {
    type Item = FunctionInfo;
    type IntoIter = std::vec::IntoIter<FunctionInfo>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Functions {
    type Item = &'a FunctionInfo;
    type IntoIter = std::slice::Iter<'a, FunctionInfo>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// Every memoized function of the program, called or not, those of its libraries included: name, place, options, counters.
///
/// One row for each function, and for a method of a generic type or of a trait one for each type that it was called with. Where the
/// platform has no list made at link time ([`Functions::is_complete`] is false: WebAssembly), those that were called.
///
/// ```
/// #[cachekit::memoize(name = "shop.price", timeout = 60)]
/// fn price(id: u64) -> u64 {
///     id * 2
/// }
///
/// let functions = cachekit::functions();
/// let price_row = functions.iter().find(|function| function.name == "shop.price").unwrap();
/// assert!(!price_row.called && price_row.options.contains("timeout = 60"));
/// ```
#[must_use]
pub fn functions() -> Functions {
    let called = registered();
    let is_called = |declared: &Declared| called.iter().any(|(one, _)| std::ptr::eq(one.declared, declared));
    let uncalled = program::all().filter(|declared| !is_called(declared));
    let mut rows: Vec<FunctionInfo> =
        uncalled.map(|declared| row(program::name_of(declared), declared)).collect();
    rows.extend(called.iter().map(|(function, caches)| called_row(function, caches)));
    rows.sort_by(|a, b| (&a.name, a.file, a.line, a.column).cmp(&(&b.name, b.file, b.line, b.column)));
    Functions(rows)
}

fn row(name: String, declared: &'static Declared) -> FunctionInfo {
    let &Declared { file, line, column, options, .. } = declared;
    FunctionInfo { name, file, line, column, options, called: false, counters: FunctionStats::default() }
}

fn called_row(function: &Function, caches: &[Cache]) -> FunctionInfo {
    let mut counters = FunctionStats::default();
    for cache in caches {
        counters.add(cache.engine().functions.get(function.number).counters.function());
    }
    let in_requests = function.stats_of_requests();
    let called = !caches.is_empty() || in_requests.is_some();
    counters.add(in_requests.unwrap_or_default());
    FunctionInfo { called, counters, ..row(function.name.clone(), function.declared) }
}
