//! Deletions: of one entry, and of all entries of a function or an instance.

use std::sync::Arc;

use cachekit_backends::Result;

use super::{Identity, Instance, Place, request, version_key_of};
use crate::engine::Engine;
use crate::engine::remote::{Delete, DeleteMany, Io, Remote};

impl Place {
    /// Deletes the entry; whether one was there. Not counted.
    ///
    /// # Errors
    /// The backend's.
    pub(crate) async fn delete<D: Io>(self, io: D, engine: &Engine) -> Result<bool> {
        match (self, &engine.remote) {
            // And the claims of computations under way.
            (Self::Local { key, instance, table, .. }, _) => Ok(table.remove(&key, instance)),
            (Self::Remote { key, entry, .. }, Some(remote)) => {
                // Before the entry is removed: a computation that stores asks afterwards whether it was marked.
                engine.flights.invalidate(&key);
                io.call(remote, Delete { key: entry }).await
            }
            (Self::Remote { .. }, None) => Ok(false),
        }
    }
}

/// Deletes several entries; of those on the backend all at once. Not counted.
///
/// # Errors
/// The backend's.
pub(crate) async fn delete_each<D: Io>(io: D, engine: &Engine, places: Vec<Place>) -> Result<()> {
    let mut keys = Vec::new();
    for place in places {
        match place {
            Place::Local { key, instance, table, .. } => {
                table.remove(&key, instance);
            }
            Place::Remote { key, entry, .. } => {
                // As in `Place::delete`.
                engine.flights.invalidate(&key);
                keys.push(entry);
            }
        }
    }
    match &engine.remote {
        Some(remote) if !keys.is_empty() => io.call(remote, DeleteMany { keys }).await.map(drop),
        _ => Ok(()),
    }
}

/// Deletes the entries of a function or of an instance of it: one write, however many entries there are.
///
/// # Errors
/// The backend's.
pub(crate) async fn delete_all<D: Io>(
    io: D,
    function: Identity<'_>,
    engine: Arc<Engine>,
    instance: Option<Instance>,
) -> Result<()> {
    engine.count_deletion(function.name);
    request::forget(function.number, instance.as_ref().map(|instance| instance.digest));
    // The in-process store first, whatever the backend is: it costs nothing and can't fail.
    match &instance {
        Some(instance) => engine.local.delete_instance(function.number, instance.digest),
        None => engine.local.delete_function(function.number),
    }
    let Some(remote) = engine.remote.as_ref().filter(|_| !function.local) else { return Ok(()) };
    let key = match instance.map(|instance| instance.text) {
        Some(Some(text)) => function.instance_version_key(&engine, &text),
        // Its entries are in this process only.
        Some(None) => return Ok(()),
        None => function.version_key(&engine),
    };
    remove_version(io, remote, key).await
}

/// Deletes the entries of a function by its name: in this process of the functions with these numbers, and, unless they are all
/// `local`, on the backend.
///
/// # Errors
/// The backend's.
pub(crate) async fn delete_named<D: Io>(
    io: D,
    engine: &Engine,
    name: &str,
    numbers: &[u32],
    local: bool,
) -> Result<()> {
    engine.count_deletion(name);
    for &number in numbers {
        request::forget(number, None);
        engine.local.delete_function(number);
    }
    match engine.remote.as_ref().filter(|_| !local) {
        Some(remote) => remove_version(io, remote, version_key_of(engine, name)).await,
        None => Ok(()),
    }
}

/// Removes a version. The next call makes one at random, so what was stored under this one, or is stored under it later, is
/// never found again.
pub(super) async fn remove_version<D: Io>(io: D, remote: &Arc<Remote>, key: String) -> Result<()> {
    io.call(remote, Delete { key }).await.map(drop)
}
