//! Real servers: each is started on a free loopback port or a socket, and ended by its pid.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(20);

/// Runs the server as its child and ends it when its own input closes: also where the test program is killed, and for
/// servers that live as long as the program.
const KEEPER: &str =
    r#""$@" < /dev/null & server=$!; echo "$server"; read -r _; kill -9 "$server" 2> /dev/null; wait"#;

/// Whether a program is on the path.
pub fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

/// A port of this machine without a listener.
///
/// # Panics
/// If there is none.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Where a server listens.
#[derive(Clone, Debug)]
pub enum Listening {
    /// On this port of 127.0.0.1.
    Port(u16),
    /// On this socket.
    Socket(PathBuf),
}

impl Listening {
    fn answers(&self) -> bool {
        match self {
            Self::Port(port) => {
                let address = SocketAddr::from(([127, 0, 0, 1], *port));
                TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
            }
            Self::Socket(path) => UnixStream::connect(path).is_ok(),
        }
    }
}

/// A server that runs while this lives. It can be killed, stopped and started again on the same port.
pub struct Server {
    program: String,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    listening: Listening,
    running: Mutex<Option<Running>>,
    /// Its files, its log among them.
    pub dir: Arc<tempfile::TempDir>,
}

struct Running {
    keeper: Child,
    pid: Pid,
}

impl Server {
    /// Starts a server and waits until it listens.
    ///
    /// # Panics
    /// If the program is missing (the message says which Debian package has it), or does not listen within 20 s.
    pub fn start(
        (program, package): (&str, &str),
        dir: tempfile::TempDir,
        listening: Listening,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        assert!(
            is_installed(program),
            "`{program}` is missing: `scripts/test` installs it, as does `apt-get install {package}`"
        );
        let server = Self {
            program: program.into(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            variables: variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            listening,
            running: Mutex::new(None),
            dir: Arc::new(dir),
        };
        server.start_again();
        server
    }

    /// Starts it again with the same arguments after [`kill`](Self::kill).
    ///
    /// # Panics
    /// If it runs, or does not listen within 20 s.
    pub fn start_again(&self) {
        let mut running = self.running.lock();
        assert!(running.is_none(), "{} runs", self.program);
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh", &self.program])
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
        let end = Instant::now() + START;
        while !self.listening.answers() {
            let alive = rustix::process::test_kill_process(pid).is_ok();
            if !alive || Instant::now() > end {
                drop(keeper.stdin.take());
                panic!("{} does not listen on {:?}: {}", self.program, self.listening, self.log());
            }
            // A process doesn't say when it listens: ask again.
            std::thread::sleep(Duration::from_millis(2));
        }
        *running = Some(Running { keeper, pid });
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("server.log")
    }

    /// Returns the text of its standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        let running = self.running.lock();
        kill_process(running.as_ref().expect("it runs").pid, signal).unwrap();
    }

    /// Kills it (SIGKILL) and waits for its end.
    ///
    /// # Panics
    /// If it does not run.
    pub fn kill(&self) {
        self.running.lock().take().expect("it runs").end();
    }

    /// Stops it (SIGSTOP): it keeps its connections and answers nothing.
    ///
    /// # Panics
    /// If it does not run.
    pub fn stop(&self) {
        stop(self.running.lock().as_ref().expect("it runs").pid);
    }

    /// Lets it go on after [`stop`](Self::stop).
    ///
    /// # Panics
    /// If it does not run.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// The port that it listens on.
    ///
    /// # Panics
    /// If it listens on a socket.
    pub fn port(&self) -> u16 {
        match self.listening {
            Listening::Port(port) => port,
            Listening::Socket(_) => panic!("it listens on a socket"),
        }
    }

    /// The socket that it listens on.
    ///
    /// # Panics
    /// If it listens on a port.
    pub fn socket(&self) -> &Path {
        match &self.listening {
            Listening::Socket(path) => path,
            Listening::Port(_) => panic!("it listens on a port"),
        }
    }
}

/// Stops a process (SIGSTOP).
///
/// # Panics
/// If it does not stop.
pub(crate) fn stop(pid: Pid) {
    kill_process(pid, Signal::STOP).unwrap();
    // The signal is on its way when the call returns; a process of several threads may go on until it has arrived.
    let stat = format!("/proc/{}/stat", pid.as_raw_nonzero());
    let end = Instant::now() + START;
    let stopped = |stat: String| stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'));
    while !std::fs::read_to_string(&stat).is_ok_and(stopped) {
        assert!(Instant::now() < end, "process {} does not stop", pid.as_raw_nonzero());
        // There is no event for a process that has stopped: ask again.
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Running {
    fn end(mut self) {
        // The keeper kills the server when its input closes, and ends after it.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = self.running.lock().take() {
            running.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_ended_by_its_pid_and_starts_again_on_its_port() {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let text = port.to_string();
        let server = Server::start(
            ("memcached", "memcached"),
            dir,
            Listening::Port(port),
            &["-l", "127.0.0.1", "-p", &text, "-u", "nobody"],
            &[],
        );
        assert!(server.listening.answers());
        server.kill();
        assert!(!server.listening.answers());
        server.start_again();
        let (pid, listening) = (server.running.lock().as_ref().unwrap().pid, server.listening.clone());
        drop(server);
        assert!(rustix::process::test_kill_process(pid).is_err(), "it is gone");
        assert!(!listening.answers());
    }

    #[test]
    #[should_panic(
        expected = "`no-such-server` is missing: `scripts/test` installs it, as does `apt-get install nothing`"
    )]
    fn a_missing_server_fails_and_says_what_to_install() {
        let dir = tempfile::tempdir().unwrap();
        let _ = Server::start(("no-such-server", "nothing"), dir, Listening::Port(1), &[], &[]);
    }
}
