//! Other processes: this test program once more, with a part to play.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const ROLE: &str = "CACHEKIT_TEST_ROLE";
const MARK: &str = "@@";

/// The part that this process was started to play; none in the test itself.
pub fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Tells something to the test that started this process.
pub fn say(word: &str) {
    println!("\n{MARK}{word}");
    let _ = std::io::stdout().flush();
}

/// A process that plays a part of a test.
pub struct Child {
    process: std::process::Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Child {
    /// Starts the test of this name, such as `races::two_processes`, in another process, with a part and variables.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn start(test: &str, role: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_in(Path::new("."), test, role, variables)
    }

    /// [`start`](Self::start) with another working directory.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn start_in(dir: &Path, test: &str, role: &str, variables: &[(&str, &str)]) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .envs(variables.iter().copied())
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let input = process.stdin.take();
        Self { process, input, output }
    }

    /// The next thing that it says.
    ///
    /// # Panics
    /// If it ends without.
    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the child process ended");
            if let Some((_, word)) = line.trim_end().split_once(MARK) {
                return word.to_owned();
            }
        }
    }

    /// Lets it go on from its [`Child::wait_for_parent`].
    ///
    /// # Panics
    /// If it is gone.
    pub fn go_on(&mut self) {
        self.tell("");
    }

    /// Tells it something, for its [`Child::told`].
    ///
    /// # Panics
    /// If it is gone.
    pub fn tell(&mut self, word: &str) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{word}").unwrap();
        input.flush().unwrap();
    }

    /// In the child: waits until the test says go.
    ///
    /// # Panics
    /// If the test is gone.
    pub fn wait_for_parent() {
        Self::told().expect("the test is gone");
    }

    /// In the child: the next thing that the test tells it; none once it has ended or waits in [`Child::finish`].
    pub fn told() -> Option<String> {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line).unwrap_or(0);
        (read > 0).then(|| line.trim_end().to_owned())
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().try_into().unwrap()).unwrap()
    }

    /// Stops it (SIGSTOP), as the suspension of its machine would.
    ///
    /// # Panics
    /// If it does not stop.
    pub fn stop(&self) {
        crate::server::stop(self.pid());
    }

    /// Lets it run again after [`stop`](Self::stop).
    ///
    /// # Panics
    /// If there is no such process.
    pub fn resume(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    /// Ends it by a signal that it can't handle.
    ///
    /// # Panics
    /// If it can't be ended.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it failed.
    pub fn finish(mut self) {
        drop(self.input.take());
        let mut rest = String::new();
        let _ = std::io::Read::read_to_string(&mut self.output, &mut rest);
        assert!(self.process.wait().unwrap().success(), "the child process failed: {rest}");
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// A process that was forked from this one.
pub struct Forked(i32);

/// Forks, and has the child do some work and end. The child has this thread only.
///
/// # Panics
/// If it can't be forked.
pub fn forked(work: impl FnOnce()) -> Forked {
    match fork::fork().unwrap() {
        fork::Fork::Parent(child) => Forked(child),
        fork::Fork::Child => {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            std::process::exit(i32::from(result.is_err()));
        }
    }
}

impl Forked {
    /// Waits for its end, and kills it if that takes longer than a minute.
    ///
    /// # Panics
    /// If it failed, or had to be killed.
    pub fn finish(self) {
        let begin = Instant::now();
        let status = loop {
            match fork::waitpid_nohang(self.0).unwrap() {
                Some(status) => break status,
                None if begin.elapsed() > Duration::from_secs(60) => {
                    let process = rustix::process::Pid::from_raw(self.0).unwrap();
                    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
                    let _ = fork::waitpid(self.0);
                    panic!("the forked process hangs");
                }
                // There is no wait for a process's end that ends at a deadline: ask again.
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        assert_eq!(status, 0, "the forked process failed");
    }
}
