//! Loaders, with reloading of what changed.

use std::sync::Mutex;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, TemplateSource};

use super::rewrite::rewrite;

/// Delimiters that no template contains, so that the engine takes all of it for text.
const NOWHERE: [(&str, &str); 3] =
    [("\u{f0000}\u{1}", "\u{f0001}"), ("\u{f0000}\u{2}", "\u{f0001}"), ("\u{f0000}\u{3}", "\u{f0001}")];

/// The template that a loader gave, rewritten.
pub(super) fn rewritten(
    syntax: &SyntaxConfig,
    name: &str,
    source: TemplateSource,
) -> Result<TemplateSource, Error> {
    let text = rewrite(syntax, name, source.source())?;
    if text == source.source() {
        return Ok(source);
    }
    let rewritten = TemplateSource::new(text.into_owned());
    let original = Original::new(name, source)?;
    Ok(rewritten.with_uptodate_check(move || original.is_current()))
}

/// The template that a loader gave, with its check for changes.
///
/// Only an environment can run that check. So one is made that has the original for its only template; it asks its loader
/// for another one when the check fails, and there is none.
struct Original {
    env: Environment<'static>,
    name: String,
}

impl Original {
    fn new(name: &str, source: TemplateSource) -> Result<Self, Error> {
        let [block, variable, comment] = NOWHERE;
        let mut env = Environment::empty();
        env.set_syntax(
            SyntaxConfig::builder()
                .block_delimiters(block.0, block.1)
                .variable_delimiters(variable.0, variable.1)
                .comment_delimiters(comment.0, comment.1)
                .build()?,
        );
        let once = Mutex::new(Some(source));
        env.set_loader(move |_| Ok(once.lock().ok().and_then(|mut source| source.take())));
        let original = Self { env, name: name.to_owned() };
        // Takes it from the loader.
        original.env.get_template(name)?;
        Ok(original)
    }

    fn is_current(&self) -> bool {
        self.env.get_template(&self.name).is_ok()
    }
}
