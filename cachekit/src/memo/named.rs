use cachekit_backends::Result;

use super::function::named;
use crate::call::delete::delete_all;
use crate::engine::remote::{BlockingIo, ready};
use crate::program;

/// Deletes every entry of the function that is registered under a name, in each cache of this process that it was called
/// with: the name given by `name = "…"`, or its path.
///
/// For functions whose hidden companion can't be named: methods of traits. Their paths read
/// `<shop::Person as shop::Roles>::has_role`. Costs one write per cache; blocks, for async functions too.
///
/// # Errors
/// [`ErrorKind::UnknownFunction`](crate::ErrorKind::UnknownFunction), with names that are near, if no function of that
/// name was called in this process; [`ErrorKind::Config`](crate::ErrorKind::Config) if two functions have that name; else
/// the backend's error.
pub fn delete_memoized_named(name: &str) -> Result<()> {
    program::check_identity(name)?;
    for (function, caches) in named(name)? {
        function.check()?;
        for cache in caches {
            ready(delete_all(BlockingIo, function.identity(), cache.inner().clone(), None, false))?;
        }
    }
    Ok(())
}
