//! Cached fragments of [`minijinja`] templates, by a tag.
//!
//! ```
//! use cachekit::{Cache, Config, template};
//! use minijinja::{Environment, context};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::open(Config::simple())?;
//! let mut env = Environment::new();
//! template::install(&mut env, &cache);
//! template::add_template(
//!     &mut env,
//!     "page.html",
//!     "<h1>{{ title }}</h1>{% cache 60*5, 'members', group %}{{ count }} members{% endcache %}",
//! )?;
//!
//! let page = env.get_template("page.html")?;
//! let render = |title, count| page.render(context! { title, group => "cooks", count });
//! assert_eq!(render("One", 3)?, "<h1>One</h1>3 members");
//! assert_eq!(render("Two", 4)?, "<h1>Two</h1>3 members"); // the fragment is stored
//!
//! cache.delete(&template::make_template_fragment_key("members", &["cooks"]))?;
//! assert_eq!(render("Three", 4)?, "<h1>Three</h1>4 members");
//! # Ok(())
//! # }
//! ```
//!
//! # The tag
//!
//! `{% cache timeout, key1, key2, … %} … {% endcache %}`; the commas may be left out.
//!
//! - The timeout is an expression: seconds, also fractions of one. `none` and `0` mean no timeout. `'default'` is the cache's
//!   default timeout, and so is a tag without arguments. `'del'` deletes the stored text, renders, and stores nothing.
//! - `stale=600` after the key says for how many seconds past its timeout the text is served while one render makes it anew.
//! - The parts of the key are texts, numbers, booleans, `none`, bytes, and lists and maps of these; equal values make equal
//!   keys. A text that is marked as safe is another part than one that isn't. Other values are an error at the line: an
//!   undefined one, an iterator, `loop`, an object of the program. [`make_template_fragment_key`] makes the same key of texts
//!   and numbers, [`fragment_key`] of all.
//! - Without parts the key is the template's name, the line, a count of the blocks on that line, and a digest of the block's
//!   source: an edited block is another one. A template without a name must give a key.
//!
//! A block is a scope, as `with` is: what is `set` in it doesn't leave it, whether it was rendered or not. Renders that miss
//! together render it once. If the cache's backend fails, the block is rendered as if it were not cached; only `'del'`
//! fails, as a deletion that was not made.
//!
//! # Loading
//!
//! The engine has no custom tags, so a template's source is rewritten on its way into the environment, by [`add_template`],
//! [`set_loader`] or [`rewrite`]. The engine refuses a `cache` tag in sources that are loaded otherwise, by `render_str` for
//! instance.
//!
//! Rendering blocks the thread, also while it looks into the cache and while another render makes the same text. In a task
//! of an async runtime, render in `spawn_blocking` if the cache's backend is a remote one.

mod args;
mod check;
mod fragment;
mod gate;
mod key;
mod loader;
mod refuse;
mod rewrite;
mod scan;
mod text;

use std::borrow::Cow;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, TemplateSource};

use crate::cache::Cache;

pub use key::{fragment_key, make_template_fragment_key};
/// The engine, of the version that this module works with.
pub use minijinja;

/// An [`Environment`] of the engine's version that this module works with; the bound says so where it is of another one.
#[diagnostic::on_unimplemented(
    message = "this is no `Environment` of minijinja 3, the version that `cachekit::template` works with",
    label = "a `{Self}` of something else",
    note = "two versions of minijinja are two libraries: write `minijinja = \"3.1\"` in `Cargo.toml`, or use the one that is \
            re-exported as `cachekit::template::minijinja`"
)]
pub trait TemplateEnvironment<'s> {
    /// Returns it.
    #[doc(hidden)]
    fn environment(&mut self) -> &mut Environment<'s>;
}

impl<'s> TemplateEnvironment<'s> for Environment<'s> {
    fn environment(&mut self) -> &mut Environment<'s> {
        self
    }
}

/// Lets an environment's templates store their fragments in a cache.
///
/// Costs nothing but two names that begin with `__cachekit_`. Installed again, it puts another cache in the place of the
/// first one.
pub fn install<'s>(env: &mut impl TemplateEnvironment<'s>, cache: &Cache) {
    gate::install(env.environment(), cache);
}

/// Adds a template that may have cached blocks, in the environment's syntax: `add_template` and `add_template_owned` of
/// [`Environment`].
///
/// # Errors
/// The engine's, and those of [`rewrite`].
pub fn add_template<'s>(
    env: &mut impl TemplateEnvironment<'s>,
    name: impl Into<Cow<'s, str>>,
    source: impl Into<Cow<'s, str>>,
) -> Result<(), Error> {
    let env = env.environment();
    let name = name.into();
    let source = match source.into() {
        Cow::Borrowed(source) => rewrite(env.syntax(), &name, source)?,
        Cow::Owned(source) => Cow::Owned(rewrite(env.syntax(), &name, &source)?.into_owned()),
    };
    env.add_template_owned(name, source)
}

/// Loads templates that may have cached blocks: `set_loader` of [`Environment`].
///
/// A template is loaded again when the loader's own check says that it changed, so that files of `path_loader` are
/// reloaded as ever. The syntax is the one that the environment has now: set it before.
///
/// ```no_run
/// # let mut env = minijinja::Environment::new();
/// cachekit::template::set_loader(&mut env, minijinja::path_loader("templates"));
/// ```
pub fn set_loader<'s, F, R>(env: &mut impl TemplateEnvironment<'s>, loader: F)
where
    F: Fn(&str) -> Result<Option<R>, Error> + Send + Sync + 'static,
    R: Into<TemplateSource>,
{
    let env = env.environment();
    let syntax = env.syntax().clone();
    env.set_loader(move |name| match loader(name)? {
        Some(source) => loader::rewritten(&syntax, name, source.into()).map(Some),
        None => Ok(None),
    });
}

/// The source of a template with its cached blocks in the engine's own tags, for ways of loading that are not here; borrowed
/// if it has none.
///
/// ```
/// # use cachekit::{Cache, Config, template};
/// # use minijinja::{Environment, context};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = Cache::open(Config::simple())?;
/// let mut env = Environment::new();
/// template::install(&mut env, &cache);
/// let source = template::rewrite(env.syntax(), "mail.txt", "{% cache %}Dear {{ reader }}{% endcache %}")?;
/// assert_eq!(env.render_named_str("mail.txt", &source, context! { reader => "all" })?, "Dear all");
/// # Ok(())
/// # }
/// ```
///
/// Line breaks stay where they are, so that errors name the right line; columns may not.
///
/// # Errors
/// Says, at the line, what can't work: a block that isn't closed, or closed inside of another tag; `break` or `continue` out
/// of it; `extends` in it; `block` or `self.…` in one without a key.
pub fn rewrite<'s>(syntax: &SyntaxConfig, name: &str, source: &'s str) -> Result<Cow<'s, str>, Error> {
    rewrite::rewrite(syntax, name, source)
}
