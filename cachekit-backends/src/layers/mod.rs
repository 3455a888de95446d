//! Abilities that a backend lacks, added by wrapping it.

mod conditional;
#[cfg(test)]
mod tests;

pub use conditional::ProcessConditional;
