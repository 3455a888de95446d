//! The runtime under the attributes. A call goes [`lookup`] → hit, or → [`call`](crate::call) → the body;
//! `docs/src/design.md` has the picture.

pub(crate) mod behind;
mod direct;
pub(crate) mod each;
pub(crate) mod explain;
mod finishing;
pub(crate) mod function;
mod functions;
pub(crate) mod handle;
mod hit;
pub(crate) mod invalidates;
pub(crate) mod life;
pub(crate) mod lookup;
mod named;
pub(crate) mod options;
pub(crate) mod owned;
pub(crate) mod per_request;
pub(crate) mod prime;
mod steering;
pub(crate) mod view;

pub use functions::{FunctionInfo, Functions, functions};
pub use named::delete_memoized_named;
pub use steering::configure_function;

/// The purpose of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// The ordinary call.
    Call,
    /// Compute, store and return.
    Refresh,
    /// Run the body only.
    Uncached,
    /// The ordinary call, which notes where its value comes from.
    Traced,
}

/// The parameter of a companion for `explain!`. The attributes write these numbers too.
const EXPLAIN: u8 = 4;

impl Op {
    /// The purpose that a companion has as its parameter.
    #[inline]
    #[must_use]
    pub const fn of(parameter: u8) -> Self {
        match parameter {
            1 => Self::Refresh,
            2 => Self::Uncached,
            3 => Self::Traced,
            _ => Self::Call,
        }
    }
}
