//! The command `cachekit`; see `cachekit help`.

use std::io::{IsTerminal as _, stderr, stdin, stdout};
use std::process::ExitCode;

use cachekit::cli::{Streams, run};

fn main() -> ExitCode {
    let terminal = stdin().is_terminal() && stdout().is_terminal() && stderr().is_terminal();
    let (mut out, mut err, mut input) = (stdout().lock(), stderr().lock(), stdin().lock());
    let streams = Streams { out: &mut out, err: &mut err, input: &mut input, terminal };
    ExitCode::from(run(std::env::args_os(), std::env::vars_os(), streams))
}
