//! The state of an entry for a conditional write.

use std::sync::Arc;

use cachekit_backends::{Fetched, Result, Token};

use super::{Budget, Fetch, Io, Remote, TokenOf};

/// Reads an entry with its versions, and a token that is not younger than what was read.
///
/// # Errors
/// The backend's.
pub(crate) async fn with_token<D: Io>(
    io: D,
    remote: &Arc<Remote>,
    budget: &Budget,
    entry: &str,
    versions: &[String],
) -> Result<(Fetched, Token)> {
    let fetch = || Fetch { entry: entry.to_owned(), versions: versions.to_vec() };
    let fetched = io.carry_out(remote, budget, fetch()).await?;
    if let Some(token) = fetched.token {
        return Ok((fetched, token));
    }
    let token = io.carry_out(remote, budget, TokenOf { key: entry.to_owned() }).await?;
    Ok((io.carry_out(remote, budget, fetch()).await?, token))
}
