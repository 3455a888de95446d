//! Flask-Caching's `memoize`, in a Python process that hits on request.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// How many hits the commands are counted of.
pub const COUNT: u64 = 2000;

const PROGRAM: &str = include_str!("flask_hits.py");

/// The process; it ends when its input closes.
pub struct Flask {
    process: Child,
    /// Taken when it ends.
    pipes: Option<RefCell<(ChildStdin, BufReader<ChildStdout>)>>,
}

impl Flask {
    /// Starts it over a Redis server of this machine.
    ///
    /// # Errors
    /// Why there is no such Python.
    pub fn start(port: u16) -> Result<Self, String> {
        let mut process = Command::new(python()?)
            .args(["-c", PROGRAM, &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let (input, output) = process.stdin.take().zip(process.stdout.take()).expect("they were piped");
        let pipes = Some(RefCell::new((input, BufReader::new(output))));
        let flask = Self { process, pipes };
        flask.count();
        Ok(flask)
    }

    /// Hits in a second.
    pub fn hits(&self) -> f64 {
        self.ask(400)
    }

    /// Hits [`COUNT`] times.
    pub fn count(&self) {
        self.ask(COUNT);
    }

    fn ask(&self, hits: u64) -> f64 {
        let mut pipes = self.pipes.as_ref().expect("it runs").borrow_mut();
        let (input, output) = &mut *pipes;
        let mut line = String::new();
        writeln!(input, "{hits}").and_then(|()| output.read_line(&mut line)).expect("Python answers");
        line.trim().parse().expect("a rate")
    }
}

impl Drop for Flask {
    fn drop(&mut self) {
        drop(self.pipes.take());
        let _ = self.process.wait();
    }
}

/// A Python that has Flask-Caching: the system's, or one that is made beside the program at the first use.
fn python() -> Result<PathBuf, String> {
    let system = PathBuf::from("python3");
    if has_flask(&system) {
        return Ok(system);
    }
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = program.parent().and_then(Path::parent).ok_or("the program is in no folder")?;
    let folder = target.join("flask-venv");
    let own = folder.join("bin/python3");
    if has_flask(&own) {
        return Ok(own);
    }
    run(Command::new(system).args(["-m", "venv"]).arg(&folder))?;
    run(Command::new(&own).args(["-m", "pip", "-q", "install", "flask", "flask-caching", "redis"]))?;
    Ok(own)
}

fn has_flask(python: &Path) -> bool {
    let imports = ["-c", "import flask, flask_caching, redis"];
    Command::new(python).args(imports).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn run(command: &mut Command) -> Result<(), String> {
    let done = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    match done {
        Ok(status) if status.success() => Ok(()),
        _ => Err("python3 with venv and pip could not install it".into()),
    }
}
