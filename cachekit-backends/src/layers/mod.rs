//! What is added to a backend by wrapping it: abilities that it lacks, and the faults of a test.

#[cfg(any(test, feature = "testing"))]
mod chaos;
mod conditional;
#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "testing"))]
pub use chaos::Chaos;
pub use conditional::ProcessConditional;
