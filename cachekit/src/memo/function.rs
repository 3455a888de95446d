//! Which function a call is of: its identity, its number in this process, its cache.

use std::any::TypeId;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use cachekit_backends::{Result, StableWriter};
use parking_lot::{Mutex, RwLock};

use super::steering::{Way, way};
use crate::cache::Cache;
use crate::engine::stats::{Counters, Event, FunctionStats};
use crate::engine::{Bound, Engine, FIRST_FUNCTION, Needs};
use crate::program::list::Listed;
use crate::program::{self, Declared};

/// One annotated function in the program's text, with what the attribute said.
pub struct Site {
    listed: Listed,
    /// The record of a hit of the first function, so that a hit looks at nothing but the site.
    home: OnceLock<Home>,
    /// The first function of this text; the only one but in generic impls and in traits.
    first: OnceLock<&'static Function>,
    others: RwLock<Option<HashMap<TypeId, &'static Function>>>,
}

/// One function: a site and, for a method, the type that it is a method of.
pub(crate) struct Function {
    /// Counts functions in this process from 1; 0 is the cache object.
    pub(crate) number: u32,
    /// The identity, as it reads in a key.
    pub(crate) name: String,
    pub(crate) version: &'static str,
    pub(crate) local: bool,
    /// Why its calls are computed and not cached: another function has the same identity.
    refused: Option<String>,
    pub(super) declared: &'static Declared,
    scope: TypeId,
    /// The digest of what is the same in the keys of all its calls.
    pub(super) calls: OnceLock<Box<StableWriter>>,
    /// The first cache that it was called with; that of a site's first function stands in the site.
    home: &'static OnceLock<Home>,
    /// Whether it has been said that calls of it stay in the process.
    said_stays: OnceLock<()>,
    /// Whether it has been said that its policy is missing.
    said_policy: OnceLock<()>,
    /// The counters of values that are kept for requests, and in no cache.
    per_request: OnceLock<Box<Counters>>,
}

/// The first cache of a function, and what a hit needs to know of it.
struct Home {
    /// The address of the cache; 0 while calls don't begin with a look for a hit.
    open: AtomicUsize,
    /// The address of the cache.
    address: usize,
    /// The type that the function is a method of.
    scope: TypeId,
    /// Whether the site has one function for all types.
    is_for_all: bool,
    bound: Bound,
}

/// The type that tells the functions of one site apart, and how the identity reads. A function, so that a handle is small: it is on
/// the stack at each level of a recursion in a debug build.
#[derive(Clone, Copy)]
pub struct Scope(fn() -> Scoped);

/// The content of a scope.
struct Scoped {
    id: TypeId,
    path: fn(&'static str) -> String,
}

impl Scope {
    /// A method of `T`.
    #[inline]
    #[must_use]
    pub fn method<T: ?Sized>() -> Self {
        Self(|| Scoped {
            id: typeid::of::<T>(),
            path: |function| format!("{}::{function}", std::any::type_name::<T>()),
        })
    }

    /// A method of `T` by a trait, and a function that stands in its body.
    #[inline]
    #[must_use]
    pub fn inline<T: ?Sized, H: Copy>(_: H) -> Self {
        Self(|| Scoped { id: typeid::of::<(PhantomOf<T>, PhantomData<H>)>(), path: inline_path::<T, H> })
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit, which knows which function it is")]
    fn id(self) -> TypeId {
        self.0().id
    }
}

/// Makes a sized type of any.
struct PhantomOf<T: ?Sized>(PhantomData<T>);

/// `<Type as Trait>::function`, from the path of an item in the function's body.
fn inline_path<T: ?Sized, H>(function: &'static str) -> String {
    let owner = std::any::type_name::<T>();
    // "<shop::Person as shop::Roles>::has_role::here" in an impl, "shop::Roles::__memoized_has_role_handle::here" in a trait.
    let here = std::any::type_name::<H>();
    let path = [format!("::{function}::"), format!("::__memoized_{function}_handle::")]
        .iter()
        .find_map(|item| here.rsplit_once(item.as_str()))
        .map_or(here, |(path, _)| path);
    let name = match path.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
        Some(inner) => inner.split_once(" as ").map_or(inner, |(_, name)| name),
        None => path,
    };
    format!("<{owner} as {name}>::{function}")
}

impl Site {
    /// The site of a function of the program.
    #[must_use]
    pub const fn new(declared: Declared) -> Self {
        Self {
            listed: Listed::new(declared),
            home: OnceLock::new(),
            first: OnceLock::new(),
            others: RwLock::new(None),
        }
    }

    /// Puts the function on the list of the program's functions.
    pub fn list(&'static self) {
        self.listed.list();
    }

    fn function(&'static self, scope: Scope) -> &'static Function {
        match self.first.get() {
            Some(function) if function.scope == scope.id() || self.listed.declared.name.is_some() => function,
            _ => self.other_function(scope),
        }
    }

    #[cold]
    fn other_function(&'static self, scope: Scope) -> &'static Function {
        let scope = scope.0();
        let register = |home| {
            let declared = &self.listed.declared;
            let path = (scope.path)(declared.function);
            Function::register(declared, scope.id, declared.method_identity(path), home)
        };
        let first = self.first.get_or_init(|| register(&self.home));
        if first.scope == scope.id || self.listed.declared.name.is_some() {
            // Under a name of its own, the type is in the key, and one deletion reaches all.
            return first;
        }
        if let Some(function) = self.others.read().as_ref().and_then(|others| others.get(&scope.id)) {
            return function;
        }
        let mut others = self.others.write();
        let register = || register(Box::leak(Box::default()));
        others.get_or_insert_default().entry(scope.id).or_insert_with(register)
    }

    /// The function of a site that has no other.
    #[cold]
    fn only_function(&'static self) -> &'static Function {
        self.first.get_or_init(|| {
            let declared = &self.listed.declared;
            let identity = declared.fixed_identity().unwrap_or_else(|| declared.function.to_owned());
            Function::register(declared, TypeId::of::<Self>(), identity, &self.home)
        })
    }
}

/// The functions by their identity, and the caches that they were called with.
static REGISTRY: Mutex<Option<HashMap<String, Vec<Registered>>>> = Mutex::new(None);

struct Registered {
    function: &'static Function,
    caches: Vec<Cache>,
}

impl Function {
    fn register(
        declared: &'static Declared,
        scope: TypeId,
        identity: String,
        home: &'static OnceLock<Home>,
    ) -> &'static Self {
        static NEXT: AtomicU32 = AtomicU32::new(FIRST_FUNCTION);
        let (name, mut refused) = program::complete(declared, identity);
        let mut registry = REGISTRY.lock();
        let same = registry.get_or_insert_default().entry(name.clone()).or_default();
        // Where the list doesn't know a function, the second one to be called is the one that is noticed.
        if refused.is_none()
            && let Some(other) = same.iter().find(|one| one.function.is_mistaken_for(declared))
        {
            refused = Some(program::refusal(&name, &[other.function.declared, declared]));
        }
        let function: &'static Self = Box::leak(Box::new(Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            name,
            version: declared.version,
            local: declared.local,
            refused,
            declared,
            scope,
            calls: OnceLock::new(),
            home,
            said_stays: OnceLock::new(),
            said_policy: OnceLock::new(),
            per_request: OnceLock::new(),
        }));
        same.push(Registered { function, caches: Vec::new() });
        // A subscriber of the log may call memoized functions.
        drop(registry);
        if let Some(message) = &function.refused {
            tracing::error!(target: "cachekit", "{message}");
        }
        function
    }

    /// Whether it has the identity of a function that was declared elsewhere, given that the names are the same.
    fn is_mistaken_for(&self, declared: &'static Declared) -> bool {
        self.version == declared.version && !std::ptr::eq(self.declared, declared)
    }

    /// Whether calls are computed and not cached, because another function has the same identity.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// An error if another function has the same identity, so that a deletion can't tell which of them it is for.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.refused {
            Some(message) => Err(program::repeated(message.clone())),
            None => Ok(()),
        }
    }

    /// Says once that a call stays in the process, whatever backend its cache has.
    #[cold]
    pub(crate) fn say_stays(&self) {
        self.said_stays.get_or_init(|| {
            tracing::warn!(
                target: "cachekit",
                "a call of `{}` is kept in this process: an argument (a `fn` or raw pointer, an `Instant`) or a type (a \
                 closure's) means nothing elsewhere; leave it out with `ignore(..)`, or choose what stands for the arguments \
                 with `key = expr`",
                self.name,
            );
        });
    }

    /// Says once, by `say`, that the policy of the function is missing.
    #[cold]
    pub(super) fn say_once(&self, say: impl FnOnce()) {
        // A subscriber of the log may call this function.
        if self.said_policy.set(()).is_ok() {
            say();
        }
    }

    /// Counts an event about a value that is kept for a request.
    pub(super) fn count_in_request(&self, event: Event) {
        self.per_request.get_or_init(Box::default).count(event);
    }

    /// The counters of values that are kept for requests; none if there was none.
    pub(super) fn stats_of_requests(&self) -> Option<FunctionStats> {
        self.per_request.get().map(|counters| counters.function())
    }

    /// Makes the next call ask again which way it takes.
    pub(super) fn close(&self) {
        if let Some(home) = self.home.get() {
            home.open.store(0, Ordering::SeqCst);
        }
    }

    /// The record that a hit needs of a cache; none if calls don't begin with a look for a hit.
    pub(crate) fn bound(
        &'static self,
        cache: &'static Cache,
        needs: impl FnOnce() -> Needs,
    ) -> Option<&'static Bound> {
        let known = self.home.get().and_then(|home| home.bound_to(cache));
        known.or_else(|| self.bound_to(cache, &needs()))
    }

    fn bound_to(&'static self, cache: &'static Cache, needs: &Needs) -> Option<&'static Bound> {
        let engine = cache.engine();
        if engine.discards || self.is_refused() {
            return None;
        }
        // Before a computation begins, or a deletion by name could miss what it stores.
        self.note_use(engine);
        let bound = engine.bound(self.number, self.identity().is_local(engine), needs);
        let address = std::ptr::from_ref(cache).addr();
        let home = self.home.get_or_init(|| Home {
            open: AtomicUsize::new(0),
            address,
            scope: self.scope,
            is_for_all: self.declared.name.is_some(),
            bound: bound.clone(),
        });
        let open = || home.open.store(address, Ordering::SeqCst);
        let if_open: Option<&dyn Fn()> = if home.address == address { Some(&open) } else { None };
        (way(self, engine, if_open) == Way::Hit).then_some(bound)
    }

    /// Whether calls are cached in a cache, though they don't begin with a look for a hit.
    #[cold]
    pub(super) fn is_cached(&self, cache: &Cache) -> bool {
        let engine = cache.engine();
        !engine.discards && !self.is_refused() && way(self, engine, None) != Way::Bypass
    }

    /// Notes that the function is called with a cache, for deletion by name: before anything is computed, or a deletion
    /// could miss what is stored.
    pub(crate) fn note_use(&'static self, engine: &Arc<Engine>) {
        let used = engine.functions.get(self.number);
        used.registered_by(|| {
            used.named(&self.name);
            self.used_with(engine);
        });
    }

    fn used_with(&self, engine: &Arc<Engine>) {
        let mut registry = REGISTRY.lock();
        let same = registry.get_or_insert_default().entry(self.name.clone()).or_default();
        if let Some(mine) = same.iter_mut().find(|one| one.function.number == self.number)
            && !mine.caches.iter().any(|known| Arc::ptr_eq(known.engine(), engine))
        {
            mine.caches.push(Cache::from(Arc::clone(engine)));
        }
    }
}

/// The functions that are registered under a name, with the caches that they were called with.
pub(crate) fn named(name: &str) -> Vec<(&'static Function, Vec<Cache>)> {
    let registry = REGISTRY.lock();
    let found = registry.as_ref().and_then(|known| known.get(name)).into_iter().flatten();
    found.map(|one| (one.function, one.caches.clone())).collect()
}

/// All functions that are registered, with the caches that they were called with.
pub(super) fn registered() -> Vec<(&'static Function, Vec<Cache>)> {
    let registry = REGISTRY.lock();
    let all = registry.iter().flat_map(HashMap::values).flatten();
    all.map(|one| (one.function, one.caches.clone())).collect()
}

/// The names of functions that end as this one, in quotes.
pub(super) fn near(name: &str) -> Vec<String> {
    let last = |name: &str| name.rsplit("::").next().map(str::to_owned);
    let called = registered().into_iter().map(|(function, _)| function.name.clone());
    let mut near: Vec<String> = called
        .chain(program::names())
        .filter(|one| last(one) == last(name))
        .map(|one| format!("`{one}`"))
        .collect();
    near.sort();
    near.dedup();
    near
}

/// How a function runs.
pub trait Mode {
    /// Whether it blocks its thread.
    const BLOCKS: bool;
}

/// The marker of a function that blocks.
#[derive(Clone, Copy, Debug)]
pub struct Blocking;

impl Mode for Blocking {
    const BLOCKS: bool = true;
}

/// The marker of a function that is async.
#[derive(Clone, Copy, Debug)]
pub struct Async;

impl Mode for Async {
    const BLOCKS: bool = false;
}

impl Home {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    fn bound_to(&'static self, cache: &'static Cache) -> Option<&'static Bound> {
        // A cache lives as long as the process, and so its address is no other one's.
        let is_open = self.open.load(Ordering::Relaxed) == std::ptr::from_ref(cache).addr();
        if is_open { Some(&self.bound) } else { None }
    }
}

/// A function with its cache.
pub struct Handle<M> {
    pub(super) site: &'static Site,
    /// The type that the function is a method of; none of a site's only function.
    pub(super) scope: Option<Scope>,
    pub(crate) cache: &'static Cache,
    pub(super) mode: PhantomData<M>,
}

impl<M> Handle<M> {
    /// A free function in a cache.
    #[inline]
    #[must_use]
    pub fn free(site: &'static Site, cache: &'static Cache) -> Self {
        Self { site, scope: None, cache, mode: PhantomData }
    }

    /// A method, of which a site may have many, in a cache.
    #[inline]
    #[must_use]
    pub fn new(site: &'static Site, scope: Scope, cache: &'static Cache) -> Self {
        Self { site, scope: Some(scope), cache, mode: PhantomData }
    }

    /// The function.
    pub(crate) fn function(&self) -> &'static Function {
        match (self.scope, self.site.first.get()) {
            (Some(scope), _) => self.site.function(scope),
            (None, Some(function)) => function,
            (None, None) => self.site.only_function(),
        }
    }

    /// The record that a hit needs, of most calls that may be hits.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the way of every hit")]
    pub(super) fn bound(&self) -> Option<&'static Bound> {
        let home = self.site.home.get()?;
        if let Some(scope) = self.scope
            && home.scope != scope.id()
            && !home.is_for_all
        {
            return None;
        }
        home.bound_to(self.cache)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Person;
    trait Roles {
        fn default_method(&self) -> String
        where
            Self: Sized,
        {
            fn here() {}
            (Scope::inline::<Self, _>(here).0().path)("default_method")
        }
        fn of_impl() -> String;
    }
    impl Roles for Person {
        fn of_impl() -> String {
            fn here() {}
            (Scope::inline::<Self, _>(here).0().path)("of_impl")
        }
    }

    #[test]
    fn identities_read_like_paths() {
        let module = module_path!();
        assert_eq!((Scope::method::<Person>().0().path)("m"), format!("{module}::Person::m"));
        assert_eq!(Person::of_impl(), format!("<{module}::Person as {module}::Roles>::of_impl"));
        assert_eq!(Person.default_method(), format!("<{module}::Person as {module}::Roles>::default_method"));
    }
}
