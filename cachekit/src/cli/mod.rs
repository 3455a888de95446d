//! `cachekit`, the command: looks into a cache and empties the right part of it, without the program that fills it.

mod args;
mod empty;
mod json;
mod keys;
mod list;
mod measure;
mod outcome;
mod settings;
mod show;
mod stats;
mod store;
mod table;
mod verify;

use std::ffi::OsString;
use std::io::{BufRead, Write};

use clap::{CommandFactory as _, Parser as _};
use serde_json::Value;

use crate::cache::Cache;
use args::{Cli, Command};
use outcome::{Failure, Outcome};
use store::Store;

/// The streams of a process that runs the command.
pub struct Streams<'s> {
    /// The standard output.
    pub out: &'s mut dyn Write,
    /// The standard error.
    pub err: &'s mut dyn Write,
    /// The standard input.
    pub input: &'s mut dyn BufRead,
    /// Whether a person reads the output and answers.
    pub terminal: bool,
}

impl std::fmt::Debug for Streams<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streams").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}

/// Runs the command with these arguments, the first of which is the program's name, and this environment. Returns the exit code: 0
/// done, 1 nothing found, 2 failed or wrong input.
pub fn run(
    args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    vars: impl IntoIterator<Item = (OsString, OsString)>,
    mut streams: Streams<'_>,
) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &mut streams),
    };
    match dispatch(&cli, vars, &mut streams).and_then(|()| Ok(streams.out.flush()?)) {
        Ok(()) => 0,
        Err(failure) => {
            let (code, message) = failure.end();
            if let Some(message) = message {
                let _ = writeln!(streams.err, "cachekit: {message}");
            }
            code
        }
    }
}

/// Help goes to the output, a mistake is one line.
fn usage(error: &clap::Error, streams: &mut Streams<'_>) -> u8 {
    let text = error.render().to_string();
    if !error.use_stderr() {
        let _ = write!(streams.out, "{text}");
        return 0;
    }
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = write!(streams.err, "{text}");
        return 2;
    }
    let mut lines = text.lines().map(str::trim);
    let first =
        lines.next().unwrap_or_default().trim_start_matches("error: ").trim_end_matches(':').to_owned();
    // The names of missing arguments, and what was probably meant, have lines of their own.
    let more: Vec<&str> = lines
        .take_while(|line| !line.starts_with("Usage:"))
        .filter(|line| !line.is_empty())
        .map(|line| line.trim_start_matches("tip: "))
        .collect();
    let more = if more.is_empty() { String::new() } else { format!(": {}", more.join(", ")) };
    let _ = writeln!(streams.err, "cachekit: {first}{more}; see `cachekit help`");
    2
}

fn dispatch(
    cli: &Cli,
    vars: impl IntoIterator<Item = (OsString, OsString)>,
    streams: &mut Streams<'_>,
) -> Outcome {
    match &cli.command {
        Command::Completions { shell } => {
            // Not to the output at once: a closed one would be a panic.
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "cachekit", &mut text);
            return Ok(streams.out.write_all(&text)?);
        }
        Command::Man => {
            clap_mangen::Man::new(Cli::command()).render(&mut streams.out)?;
            return Ok(());
        }
        _ => {}
    }
    let cache = cli.settings.open(vars)?;
    let store = Store::of(&cache)?;
    let mut session = Session { json: cli.json, cache, store, streams };
    match &cli.command {
        Command::Ping => session.ping(),
        Command::Functions => session.functions(),
        Command::Ls { function, long, limit } => session.ls(function.as_deref(), *long, *limit),
        Command::Show { key } => session.show(key),
        Command::Delete { function, instance } => session.delete(function, instance.as_deref()),
        Command::DeleteTag { tag } => session.delete_tag(tag),
        Command::DeleteView { path } => session.delete_view(path),
        Command::DeleteKey { key } => session.delete_key(key),
        Command::Clear { yes } => session.clear(*yes),
        Command::Stats => session.stats(),
        Command::Verify { repair } => session.verify(*repair),
        Command::Watch { every, count } => session.watch(*every, *count),
        Command::Bench { count, size } => session.bench(*count, *size),
        Command::Completions { .. } | Command::Man => Ok(()),
    }
}

/// A command under way.
struct Session<'s, 'i> {
    json: bool,
    cache: Cache,
    store: Store,
    streams: &'i mut Streams<'s>,
}

impl Session<'_, '_> {
    /// Prints one of the two forms of an answer.
    fn print(&mut self, json: impl FnOnce() -> Value, text: impl FnOnce() -> String) -> Outcome {
        if self.json {
            writeln!(self.streams.out, "{}", json())?;
        } else {
            write!(self.streams.out, "{}", text())?;
        }
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "reads as the other ends of a command")]
    fn nothing<T>(&self, message: impl Into<String>) -> Outcome<T> {
        Err(Failure::nothing(message))
    }
}

/// Tells a person how far a long piece of work is, on one line of the standard error.
fn progress(streams: &mut Streams<'_>, count: usize, what: &str) -> Outcome {
    const STEP: usize = 1_000;
    if streams.terminal && count.is_multiple_of(STEP) {
        write!(streams.err, "\r{count} {what} …")?;
        streams.err.flush()?;
    }
    Ok(())
}

/// Removes that line.
fn progress_ends(streams: &mut Streams<'_>) -> Outcome {
    if streams.terminal {
        write!(streams.err, "\r\x1b[K")?;
    }
    Ok(())
}
