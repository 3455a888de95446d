//! Memcached servers of all kinds, and backends and caches on them.

use std::sync::{Arc, OnceLock};

use cachekit::{Backend, Config};
use cachekit_backends::{Clock, Opened, open};
use tempfile::tempdir;

use crate::redis::Certificates;
use crate::server::{Listening, Server, free_port};

const PROGRAM: (&str, &str) = ("memcached", "memcached");

/// The user of the servers that want a login.
pub const USER: &str = "user";
/// The password of the user of a server with `-S`: whatever SASL takes.
pub const SASL_PASSWORD: &str = "p:a s\"s%wört";
/// The password of the user of a server with `-Y`, which takes no spaces.
pub const TEXT_PASSWORD: &str = "p:as\"s%wört";

fn start(dir: tempfile::TempDir, arguments: &[&str], variables: &[(&str, &str)]) -> Server {
    // It gives up its rights, and has to read what is in the directory.
    #[cfg(unix)]
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let port = free_port();
    let text = port.to_string();
    let common = ["-l", "127.0.0.1", "-p", &text, "-U", "0", "-u", "nobody"];
    Server::start(PROGRAM, dir, Listening::Port(port), &[&common[..], arguments].concat(), variables)
}

/// A server of one's own, with these arguments.
///
/// # Panics
/// If it can't be started.
pub fn server(arguments: &[&str]) -> Server {
    start(tempdir().unwrap(), arguments, &[])
}

/// A server on a socket.
///
/// # Panics
/// If it can't be started.
pub fn on_socket() -> Server {
    let dir = tempdir().unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let path = dir.path().join("memcached.sock");
    let text = path.to_str().unwrap().to_owned();
    Server::start(PROGRAM, dir, Listening::Socket(path), &["-s", &text, "-u", "nobody"], &[])
}

/// A server that wants a login by SASL.
///
/// # Panics
/// If it can't be started, or `saslpasswd2` is missing.
pub fn with_sasl() -> Server {
    let dir = tempdir().unwrap();
    let path = dir.path().to_str().unwrap().to_owned();
    let conf = format!(
        "mech_list: plain\npwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {path}/sasldb2\n"
    );
    std::fs::write(dir.path().join("memcached.conf"), conf).unwrap();
    let script = format!(
        "printf %s \"$PASSWORD\" | saslpasswd2 -p -c -a memcached -f {path}/sasldb2 {USER} && chmod 644 {path}/sasldb2"
    );
    let made = std::process::Command::new("sh").args(["-c", &script]).env("PASSWORD", SASL_PASSWORD).status();
    assert!(
        made.is_ok_and(|status| status.success()),
        "`saslpasswd2` failed or is missing: `scripts/test` installs it, as does `apt-get install sasl2-bin libsasl2-modules`"
    );
    start(dir, &["-S"], &[("SASL_CONF_PATH", &path)])
}

/// A server that wants the text login.
///
/// # Panics
/// If it can't be started.
pub fn with_text_login() -> Server {
    let dir = tempdir().unwrap();
    let path = dir.path().join("users");
    std::fs::write(&path, format!("{USER}:{TEXT_PASSWORD}\n")).unwrap();
    start(dir, &["-Y", path.to_str().unwrap()], &[])
}

/// A server that speaks TLS, with this certificate and key in PEM form.
///
/// # Panics
/// If it can't be started.
pub fn with_tls(certificate: &str, key: &str) -> Server {
    let dir = tempdir().unwrap();
    let (cert, secret) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, certificate).unwrap();
    std::fs::write(&secret, key).unwrap();
    let options = format!("ssl_chain_cert={},ssl_key={}", cert.display(), secret.display());
    start(dir, &["-Z", "-o", &options], &[])
}

/// A server that speaks TLS and wants certificates of clients.
///
/// # Panics
/// If it can't be started.
pub fn with_certificates(certificates: &Certificates) -> Server {
    let dir = tempdir().unwrap();
    let copied = |name: &str| {
        let copy = dir.path().join(name);
        std::fs::copy(certificates.path(name), &copy).unwrap();
        copy.to_str().unwrap().to_owned()
    };
    let (chain, key, ca) = (copied("server.pem"), copied("server.key"), copied("ca.pem"));
    let options = format!("ssl_chain_cert={chain},ssl_key={key},ssl_verify_mode=2,ssl_ca_cert={ca}");
    start(dir, &["-Z", "-o", &options], &[])
}

/// A server that all tests of a program share; each has keys of its own. It lives as long as the program.
pub fn shared() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| server(&["-m", "256"]))
}

/// How a server is written in a configuration.
pub fn address(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port())
}

/// Opens a backend.
///
/// # Panics
/// If the configuration is refused, or is not one of a shared backend.
pub fn backend(config: &Config) -> Arc<dyn Backend> {
    match open(config, &Clock::system()) {
        Ok(Opened::Shared(backend)) => backend,
        Ok(Opened::Simple) => panic!("not a shared backend"),
        Err(error) => panic!("{error}"),
    }
}

/// A number of the server's own statistics.
///
/// # Panics
/// If the server doesn't answer, or has no such number.
pub fn statistic(server: &Server, name: &str) -> u64 {
    use std::io::{BufRead, BufReader, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.write_all(b"stats\r\n").unwrap();
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        if let Some(value) = line.strip_prefix(&format!("STAT {name} ")) {
            return value.parse().unwrap();
        }
        assert_ne!(line, "END", "no statistic `{name}`");
    }
    panic!("the server hung up")
}
