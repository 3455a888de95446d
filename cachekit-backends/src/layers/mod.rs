//! What a backend lacks, added by wrapping it.

mod conditional;

pub use conditional::ProcessConditional;
