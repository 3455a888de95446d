//! The outcome of a case and of its steps, and comparisons that make one.

use std::any::Any;
use std::fmt::{Debug, Display};

/// A result whose error is the message of a failed case.
pub(super) type Outcome<T = ()> = Result<T, String>;

/// Compares two values.
#[expect(clippy::needless_pass_by_value, reason = "calls are shorter")]
pub(super) fn same<T: PartialEq + Debug>(what: impl Display, expected: T, got: T) -> Outcome {
    if expected == got {
        return Ok(());
    }
    Err(format!("{what}, expected {}, got {}", short(&format!("{expected:?}")), short(&format!("{got:?}"))))
}

/// Compares a value that was read with the expected one.
#[expect(clippy::needless_pass_by_value, reason = "calls are shorter")]
pub(super) fn same_value(what: impl Display, expected: Option<&[u8]>, got: Option<Vec<u8>>) -> Outcome {
    if expected == got.as_deref() {
        return Ok(());
    }
    Err(format!("{what}, expected {}, got {}", show(expected), show(got.as_deref())))
}

fn show(value: Option<&[u8]>) -> String {
    value.map_or("no value".into(), |v| {
        let start = short(&v[..v.len().min(200)].escape_ascii().to_string());
        format!("the value \"{start}\" of {} bytes", v.len())
    })
}

fn short(text: &str) -> String {
    const MOST: usize = 100;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.into(),
    }
}

/// The text of a panic.
pub(super) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a text")
}
