//! A server of PostgreSQL for the tests of this program.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that ends with this.
pub struct Server {
    process: Child,
    dir: tempfile::TempDir,
}

impl Server {
    /// Starts a server. None where its programs aren't installed, or it can't run as another user than root.
    pub fn start() -> Option<Self> {
        start()
    }

    /// How a client finds it.
    pub fn address(&self) -> String {
        format!("host={} user=cachekit dbname=postgres", self.dir.path().display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its processes end when the first one does.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The folder of the server's programs.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = std::env::split_paths(&path).chain(versions.map(|version| version.path().join("bin")));
    found.into_iter().find(|dir| dir.join("initdb").is_file() && dir.join("postgres").is_file())
}

fn start() -> Option<Server> {
    let programs = programs()?;
    let dir = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").ok()?;
    let data = dir.path().join("data");
    std::fs::create_dir(&data).ok()?;
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).ok()?;
    // The server refuses to be root. A user for it comes with its package.
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if is_root {
        let given = Command::new("chown").arg("-R").arg("postgres").arg(dir.path()).status().ok()?;
        if !given.success() {
            return None;
        }
    }
    let run = |program: &str, arguments: &[&Path]| {
        let mut command = if is_root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL"]);
            command.arg(programs.join(program));
            command
        } else {
            Command::new(programs.join(program))
        };
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    let path = Path::new;
    let made = run(
        "initdb",
        &[path("--pgdata"), &data, path("--username=cachekit"), path("--auth=trust"), path("--no-sync")],
    );
    assert!({ made }.stderr(Stdio::inherit()).status().is_ok_and(|status| status.success()), "initdb failed");
    let process = run(
        "postgres",
        &[path("-D"), &data, path("-k"), dir.path(), path("-h"), path(""), path("-c"), path("fsync=off")],
    )
    .stderr(Stdio::null())
    .spawn()
    .ok()?;
    let server = Server { process, dir };
    let end = Instant::now() + Duration::from_secs(20);
    // It listens before it is ready.
    while postgres::Client::connect(&server.address(), postgres::NoTls).is_err() {
        assert!(Instant::now() < end, "the server is not ready");
        // A process doesn't say when it is: ask again.
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(server)
}
