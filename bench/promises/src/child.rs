//! The second process: this program with the name of a library and the directory of its store.

use std::path::Path;
use std::process::Command;

use crate::peers::Peer;

/// Runs the second process. Returns the value that it got.
pub fn run(peer: &str, dir: &Path) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program).arg("child").arg(peer).arg(dir).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    text.parse().map_err(|_| if text.is_empty() { "it ends without a value".to_owned() } else { text })
}

/// The work of the second process, if this is it for this library.
pub fn work<P: Peer>(arguments: &[String]) {
    let [word, peer, dir] = arguments else { return };
    if word != "child" || peer != P::NAME {
        return;
    }
    match P::on_store(Path::new(dir), 2, true) {
        Some(Ok(value)) => println!("{value}"),
        Some(Err(error)) => println!("{error}"),
        None => {}
    }
    std::process::exit(0);
}
