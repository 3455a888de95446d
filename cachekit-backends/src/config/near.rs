//! The words of [`NearDeletion`].

use super::form::{Form, Read, must_be};
use super::value::Value;

/// When a deletion returns while processes with a near tier use the backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NearDeletion {
    /// When no process can serve the old value any more: after the longest `near_staleness` among them.
    #[default]
    Final,
    /// At once. Other processes may serve the old value for their `near_staleness`.
    Prompt,
}

/// The form of [`NearDeletion`].
pub(super) struct When;

impl Form<NearDeletion> for When {
    fn read(&self, value: Value) -> Read<NearDeletion> {
        match value.as_str().map(str::trim) {
            Some("final") => Ok(NearDeletion::Final),
            Some("prompt") => Ok(NearDeletion::Prompt),
            _ => Err(must_be("`final` or `prompt`", &value)),
        }
    }
}
