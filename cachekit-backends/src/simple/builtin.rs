//! The part of `simple` that the table of backends knows.

use crate::Opened;
use crate::builtin::BuiltIn;

pub(crate) const BACKEND: BuiltIn = BuiltIn {
    options: &[],
    check: |config, problems| {
        if config.near > 0 {
            problems.add(
                "`near` keeps values in front of a backend outside of the process, which `simple` isn't: leave it out",
            );
        }
    },
    location: |_| None,
    // The store keeps values of the caller's types, so the caller makes it.
    open: |_, _| Ok(Opened::Simple),
};
