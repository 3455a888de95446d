//! The part of `example` that the table of backends knows.

use std::sync::Arc;

use super::Example;
use crate::Opened;
use crate::builtin::BuiltIn;
use crate::config::OptionKind;

pub(crate) const BACKEND: BuiltIn = BuiltIn {
    options: &[("max_value_len", OptionKind::Bytes(1, 1 << 20))],
    check: |_, _| {},
    location: |_| None,
    open: |config, clock| {
        let most = config.bytes_option("max_value_len").unwrap_or(1 << 20);
        Ok(Opened::Shared(Arc::new(Example::new(clock.clone(), most))))
    },
};
