//! Redis servers of every kind: plain, with a login, over TLS, on a socket, a cluster, and behind Sentinel.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use cachekit::Config;

use crate::server::{Listening, Server, free_port};

const PROGRAM: (&str, &str) = ("redis-server", "redis-server");

fn start(listening: Listening, arguments: &[&str]) -> Server {
    let dir = tempfile::tempdir().unwrap();
    start_in(dir, listening, arguments)
}

fn start_in(dir: tempfile::TempDir, listening: Listening, arguments: &[&str]) -> Server {
    let path = dir.path().to_str().unwrap().to_owned();
    let mut all = vec!["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", &path];
    // The server's log is its standard output, where the harness doesn't look.
    all.extend(["--logfile", "redis.log"]);
    all.extend(arguments);
    Server::start(PROGRAM, dir, listening, &all, &[])
}

/// A server on a port of its own, with more arguments.
pub fn plain_with(arguments: &[&str]) -> Server {
    let port = free_port();
    let text = port.to_string();
    let mut all = vec!["--port", &text];
    all.extend(arguments);
    start(Listening::Port(port), &all)
}

/// A server of its own.
pub fn plain() -> Server {
    plain_with(&[])
}

/// The server that all tests of this program share, each with a prefix of its own.
pub fn shared() -> &'static Server {
    static SERVER: LazyLock<Server> = LazyLock::new(plain);
    &SERVER
}

/// The address of a server.
pub fn url(server: &Server) -> String {
    format!("redis://127.0.0.1:{}/0", server.port())
}

/// A configuration for a server, with a prefix.
pub fn config(server: &Server, prefix: &str) -> Config {
    Config::redis(url(server)).key_prefix(prefix)
}

/// A connection without the cache, to look at the server.
///
/// # Panics
/// If there is none.
pub fn raw(url: &str) -> redis::Connection {
    redis::Client::open(url).unwrap().get_connection().unwrap()
}

/// Runs a command on a connection.
///
/// # Panics
/// If it fails.
pub fn run<T: redis::FromRedisValue>(connection: &mut redis::Connection, words: &[&str]) -> T {
    let mut cmd = redis::cmd(words[0]);
    for word in &words[1..] {
        cmd.arg(word);
    }
    cmd.query(connection).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// How often clients, not scripts, had a command run since the last `CONFIG RESETSTAT`: `evalsha`, `mget`, …
pub fn calls(connection: &mut redis::Connection, command: &str) -> u64 {
    let stats: String = run(connection, &["INFO", "commandstats"]);
    let start = format!("cmdstat_{command}:calls=");
    let line = stats.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or("0");
    line.split(',').next().unwrap().parse().unwrap()
}

/// Certificates: an authority, and one it made for 127.0.0.1 and localhost.
pub struct Certificates {
    dir: tempfile::TempDir,
}

impl Certificates {
    /// Makes them.
    ///
    /// # Panics
    /// If `openssl` is missing or fails.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let run = |arguments: &str| {
            let made = Command::new("openssl").args(arguments.split(' ')).current_dir(dir.path()).output();
            let made = made.expect("`openssl` is missing: `apt-get install openssl`");
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        };
        let key = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650";
        run(&format!("{key} -keyout ca.key -out ca.pem -subj /CN=authority"));
        for (name, usage) in [("server", "serverAuth"), ("client", "clientAuth")] {
            run(&format!(
                "{key} -keyout {name}.key -out {name}.pem -subj /CN={name} -CA ca.pem -CAkey ca.key \
                 -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage={usage} \
                 -addext subjectAltName=IP:127.0.0.1,DNS:localhost"
            ));
        }
        // Servers may give up their rights before they read the key.
        for name in ["server.key", "client.key"] {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::Permissions::from_mode(0o644);
            std::fs::set_permissions(dir.path().join(name), mode).unwrap();
        }
        Self { dir }
    }

    /// One of `ca.pem`, `server.pem`, `server.key`, `client.pem`, `client.key`.
    ///
    /// # Panics
    /// If the directory's name is no text.
    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// The options of a cache that trusts the authority and has the client's certificate.
    pub fn options(&self) -> [(&'static str, String); 3] {
        [("tls_ca", "ca.pem"), ("tls_cert", "client.pem"), ("tls_key", "client.key")]
            .map(|(option, name)| (option, self.path(name)))
    }

    /// The same for `redis-cli`.
    fn of_cli(&self) -> Vec<String> {
        let files = [("--cacert", "ca.pem"), ("--cert", "client.pem"), ("--key", "client.key")];
        let files = files.into_iter().flat_map(|(option, name)| [option.to_owned(), self.path(name)]);
        std::iter::once("--tls".to_owned()).chain(files).collect()
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

/// The arguments of a server that speaks only TLS, on this port; `auth` says whether clients need a certificate: `yes` or `no`.
fn tls_arguments(certificates: &Certificates, auth: &str, port: u16) -> Vec<String> {
    let arguments = [
        ("--port", "0".to_owned()),
        ("--tls-port", port.to_string()),
        ("--tls-cert-file", certificates.path("server.pem")),
        ("--tls-key-file", certificates.path("server.key")),
        // With which it connects to other servers.
        ("--tls-client-cert-file", certificates.path("client.pem")),
        ("--tls-client-key-file", certificates.path("client.key")),
        ("--tls-ca-cert-file", certificates.path("ca.pem")),
        ("--tls-auth-clients", auth.to_owned()),
        ("--tls-replication", "yes".to_owned()),
    ];
    arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

fn refs(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// A server over TLS; `auth` says whether clients need a certificate: `yes` or `no`.
pub fn over_tls(certificates: &Certificates, auth: &str) -> Server {
    let port = free_port();
    start(Listening::Port(port), &refs(&tls_arguments(certificates, auth, port)))
}

/// A Valkey server, where it is installed.
pub fn valkey() -> Option<Server> {
    const PROGRAM: (&str, &str) = ("valkey-server", "valkey-server");
    if !crate::server::is_installed(PROGRAM.0) {
        return None;
    }
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let text = port.to_string();
    let arguments = ["--bind", "127.0.0.1", "--port", &text, "--save", "", "--logfile", "/dev/null"];
    Some(Server::start(PROGRAM, dir, Listening::Port(port), &arguments, &[]))
}

/// A server on a socket.
///
/// # Panics
/// If the directory's name is no text.
pub fn on_socket() -> Server {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("redis.sock");
    let path = socket.to_str().unwrap().to_owned();
    start_in(dir, Listening::Socket(socket), &["--port", "0", "--unixsocket", &path])
}

/// A port that leaves room for the cluster's bus, 10,000 above.
fn cluster_port() -> u16 {
    loop {
        let port = free_port();
        if port < 55_536 && std::net::TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}

/// Runs `redis-cli`.
///
/// # Panics
/// If it is missing or fails.
pub fn cli(arguments: &[&str]) -> String {
    try_cli(arguments).unwrap_or_else(|text| panic!("redis-cli {arguments:?}: {text}"))
}

/// Runs `redis-cli` where the server may close the connection: a replica does so when it becomes the master.
///
/// # Errors
/// Its output, if it fails.
///
/// # Panics
/// If it is missing.
pub fn try_cli(arguments: &[&str]) -> Result<String, String> {
    let out = Command::new("redis-cli").args(arguments).output();
    let out = out.expect("`redis-cli` is missing: `apt-get install redis-tools`");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    if out.status.success() { Ok(text) } else { Err(text) }
}

/// Waits until something holds.
///
/// # Panics
/// If it does not within 20 s.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "not within 20 s: {what}");
        // The event happens in another process, which sends no notice.
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A cluster of three masters.
pub struct Cluster {
    /// The nodes.
    pub nodes: Vec<Server>,
}

impl Cluster {
    /// Starts one.
    ///
    /// # Panics
    /// If it does not form.
    pub fn start() -> Self {
        let plain = |port: u16| vec!["--port".to_owned(), port.to_string()];
        Self::form(plain, &[])
    }

    /// Starts one whose nodes speak TLS, also with each other, and want certificates of clients.
    ///
    /// # Panics
    /// If it does not form.
    pub fn start_over_tls(certificates: &Certificates) -> Self {
        let secured = |port| {
            let mut arguments = tls_arguments(certificates, "yes", port);
            arguments.extend(["--tls-cluster".to_owned(), "yes".to_owned()]);
            arguments
        };
        Self::form(secured, &refs(&certificates.of_cli()))
    }

    /// `of_cli` are the arguments with which `redis-cli` reaches the nodes.
    fn form(of_node: impl Fn(u16) -> Vec<String>, of_cli: &[&str]) -> Self {
        let node = || {
            let port = cluster_port();
            let mut arguments = of_node(port);
            arguments
                .extend(["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"].map(str::to_owned));
            start(Listening::Port(port), &refs(&arguments))
        };
        let nodes: Vec<Server> = (0..3).map(|_| node()).collect();
        let addresses: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        let mut arguments = [of_cli, &["--cluster", "create"]].concat();
        arguments.extend(addresses.iter().map(String::as_str));
        arguments.push("--cluster-yes");
        cli(&arguments);
        for node in &nodes {
            let port = node.port().to_string();
            let info = [of_cli, &["-p", &port, "CLUSTER", "INFO"]].concat();
            until("the cluster forms", || cli(&info).contains("cluster_state:ok"));
        }
        Self { nodes }
    }

    /// The one that all tests of this program share.
    pub fn shared() -> &'static Self {
        static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::start);
        &CLUSTER
    }

    /// Its address.
    pub fn url(&self) -> String {
        let nodes: Vec<String> = self.nodes.iter().map(url).collect();
        nodes.join(",").replace("/0", "")
    }

    /// The address of one over TLS.
    pub fn url_over_tls(&self) -> String {
        let nodes: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("rediss+cluster://{}", nodes.join(","))
    }
}

/// The password of the servers that [`Watched::start_secured`] starts.
pub const PASSWORD: &str = "geheim";
/// The password of the sentinel that it starts.
pub const SENTINEL_PASSWORD: &str = "wächter&co";
/// The user of that password, beside the default one.
pub const SENTINEL_USER: &str = "wache";

/// A master, a replica, and a sentinel that watches them.
pub struct Watched {
    /// The two servers; the first one begins as the master.
    pub servers: [Server; 2],
    /// The sentinel.
    pub sentinel: Server,
}

impl Watched {
    /// Starts them.
    ///
    /// # Panics
    /// If the sentinel does not see both.
    pub fn start() -> Self {
        let plain = |port: u16| vec!["--port".to_owned(), port.to_string()];
        Self::form(plain, |port| format!("port {port}\n"), &[], &[])
    }

    /// Starts them with a login for the servers and one for the sentinel, over TLS with certificates of clients.
    ///
    /// # Panics
    /// If the sentinel does not see both.
    pub fn start_secured(certificates: &Certificates) -> Self {
        let of_server = |port| {
            let mut arguments = tls_arguments(certificates, "yes", port);
            arguments.extend(["--requirepass", PASSWORD, "--masterauth", PASSWORD].map(str::to_owned));
            arguments
        };
        let of_sentinel = |port| {
            let tls = tls_arguments(certificates, "yes", port);
            let tls = tls.chunks(2).map(|pair| format!("{} {}\n", &pair[0][2..], pair[1]));
            let logins = format!(
                "requirepass \"{SENTINEL_PASSWORD}\"\nuser {SENTINEL_USER} on \">{SENTINEL_PASSWORD}\" +@all\n\
                 sentinel auth-pass main {PASSWORD}\n"
            );
            tls.chain([logins]).collect()
        };
        let tls = certificates.of_cli();
        let cli =
            |password: &'static str| [&refs(&tls)[..], &["--no-auth-warning", "--pass", password]].concat();
        Self::form(of_server, of_sentinel, &cli(PASSWORD), &cli(SENTINEL_PASSWORD))
    }

    /// `of_sentinel` are lines of its file; the others are arguments of a server, and those with which `redis-cli` reaches the
    /// servers and the sentinel.
    fn form(
        of_server: impl Fn(u16) -> Vec<String>,
        of_sentinel: impl Fn(u16) -> String,
        cli_of_server: &[&str],
        cli_of_sentinel: &[&str],
    ) -> Self {
        let (one, two) = (free_port(), free_port());
        let master = start(Listening::Port(one), &refs(&of_server(one)));
        let mut arguments = of_server(two);
        arguments.extend(["--replicaof".to_owned(), "127.0.0.1".to_owned(), one.to_string()]);
        let replica = start(Listening::Port(two), &refs(&arguments));
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let file = dir.path().join("sentinel.conf");
        write_sentinel(&file, &of_sentinel(port), one);
        let file = file.to_str().unwrap().to_owned();
        let sentinel = Server::start(PROGRAM, dir, Listening::Port(port), &[&file, "--sentinel"], &[]);
        let port = port.to_string();
        let info = [cli_of_sentinel, &["-p", &port, "INFO", "sentinel"]].concat();
        until("the sentinel sees the replica", || cli(&info).contains("slaves=1"));
        let two = two.to_string();
        let info = [cli_of_server, &["-p", &two, "INFO", "replication"]].concat();
        until("the replica is in step", || cli(&info).contains("master_link_status:up"));
        Self { servers: [master, replica], sentinel }
    }

    /// The one that all tests of this program share; it is never made to fail over.
    pub fn shared() -> &'static Self {
        static WATCHED: LazyLock<Watched> = LazyLock::new(Watched::start);
        &WATCHED
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/main/0", self.sentinel.port())
    }

    /// The address with logins and TLS.
    pub fn secured_url(&self) -> String {
        let login = format!("sentinel_user={SENTINEL_USER}&sentinel_pass={}", encoded(SENTINEL_PASSWORD));
        format!("rediss+sentinel://:{PASSWORD}@127.0.0.1:{}/main/0?{login}", self.sentinel.port())
    }
}

/// A text as it stands in the query of a URL.
pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02x}"))
}

fn write_sentinel(file: &Path, more: &str, master: u16) {
    let dir: PathBuf = file.parent().unwrap().into();
    let watch = format!(
        "bind 127.0.0.1\ndir {}\nlogfile sentinel.log\nsentinel monitor main 127.0.0.1 {master} 1\n\
         sentinel down-after-milliseconds main 300\nsentinel failover-timeout main 2000\n",
        dir.display()
    );
    // Settings of the master come after the line that names it.
    std::fs::write(file, watch + more).unwrap();
}
