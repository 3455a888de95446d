//! Wrappers of a backend: they add abilities that it lacks, or the faults of a test.

#[cfg(any(test, feature = "testing"))]
mod chaos;
mod conditional;
#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "testing"))]
pub use chaos::Chaos;
pub use conditional::ProcessConditional;
