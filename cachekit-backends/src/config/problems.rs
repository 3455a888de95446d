use crate::{Error, ErrorKind, Result};

/// The mistakes in a configuration, collected so that one message names them all.
#[derive(Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    pub(crate) fn add(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    /// One message for all, if there are any.
    pub(super) fn message(self) -> Option<String> {
        match self.0.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            all => Some(format!("{} mistakes in the configuration:\n- {}", all.len(), all.join("\n- "))),
        }
    }

    pub(super) fn finish(self) -> Result<()> {
        self.message().map_or(Ok(()), |message| Err(Error::new(ErrorKind::Config, message)))
    }
}
