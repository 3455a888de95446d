//! Servers on free ports of the loopback.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START: Duration = Duration::from_secs(20);

/// Runs the server as its child and ends it by its pid when its own input closes, so also when the benchmark is killed.
const KEEPER: &str =
    r#""$@" < /dev/null > /dev/null 2>&1 & server=$!; echo; read -r _; kill -9 "$server"; wait"#;

/// A server that runs while this lives.
pub struct Server {
    keeper: Child,
    pub port: u16,
}

impl Server {
    pub fn redis() -> Self {
        // It has nothing to write; a folder that it can't be in would still be an error.
        Self::start("redis-server", |port| {
            format!("--port {port} --bind 127.0.0.1 --save  --appendonly no --dir /")
        })
    }

    pub fn memcached() -> Self {
        Self::start("memcached", |port| format!("-l 127.0.0.1 -p {port} -U 0 -u nobody -m 1024"))
    }

    fn start(program: &str, arguments: impl FnOnce(u16) -> String) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let port = port.expect("a free port").port();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh", program])
            // Two spaces are an empty word.
            .args(arguments(port).split(' '))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let mut line = String::new();
        let output = keeper.stdout.take().expect("it was piped");
        BufReader::new(output).read_line(&mut line).expect("the shell says that the server is started");
        let server = Self { keeper, port };
        let end = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                Instant::now() < end,
                "`{program}` does not listen: is it installed (`apt-get install {program}`)?"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }

    /// As `127.0.0.1:6379`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The address of a Redis server.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
