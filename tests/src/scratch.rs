//! Crates that a test writes, builds and runs: users of cachekit that can't be part of the workspace.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory of packages. They share the workspace's build directory, lock file and profile, so that dependencies are not
/// built again.
pub struct Scratch {
    directory: tempfile::TempDir,
}

impl Scratch {
    /// A directory with one package in its folder `app`, whose dependencies are these lines and cachekit.
    ///
    /// # Panics
    /// If it can't be written.
    #[must_use]
    pub fn new(dependencies: &str) -> Self {
        Self::with_features("", dependencies)
    }

    /// The same with features of cachekit, as a manifest lists them.
    ///
    /// # Panics
    /// If it can't be written.
    #[must_use]
    pub fn with_features(features: &str, dependencies: &str) -> Self {
        let scratch = Self { directory: tempfile::tempdir().unwrap() };
        let profile = "[workspace]\n\n[profile.dev]\ndebug = \"line-tables-only\"\n[profile.dev.package.\"*\"]\ndebug = false\n";
        scratch.write_manifest("app", ("app", "0.1.0"), features, &format!("{dependencies}\n\n{profile}"));
        std::fs::copy(workspace().join("Cargo.lock"), scratch.path("app/Cargo.lock")).unwrap();
        scratch
    }

    /// Writes the manifest of a package into a folder.
    pub fn package(&self, folder: &str, name: &str, version: &str, dependencies: &str) {
        self.write_manifest(folder, (name, version), "", dependencies);
    }

    fn write_manifest(
        &self,
        folder: &str,
        (name, version): (&str, &str),
        features: &str,
        dependencies: &str,
    ) {
        let cachekit = workspace().join("cachekit");
        let manifest = format!(
            "[package]\nname = {name:?}\nversion = {version:?}\nedition = \"2024\"\n\n[dependencies]\ncachekit = {{ path = \"{}\", features = [{features}] }}\n{dependencies}\n",
            cachekit.display()
        );
        self.write(&format!("{folder}/Cargo.toml"), &manifest);
    }

    /// The absolute path of a file.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// Writes a file.
    ///
    /// # Panics
    /// If it can't be written.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Reads a file.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    /// Runs cargo on the package in `app`.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn cargo(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO"))
            .args(arguments)
            .current_dir(self.path("app"))
            .env("CARGO_TARGET_DIR", target())
            .env("CARGO_NET_OFFLINE", "true")
            .env("CARGO_INCREMENTAL", "0")
            .env_remove("RUSTFLAGS")
            .output()
            .unwrap()
    }

    /// Runs cargo, which must succeed; what it wrote to its error output.
    ///
    /// # Panics
    /// If it fails.
    pub fn build(&self, arguments: &[&str]) -> String {
        let output = self.cargo(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "cargo {arguments:?}: {errors}");
        errors
    }

    /// Runs a built program; its output, without the last line end.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        let path = target().join("debug").join(program);
        let output = Command::new(&path).args(arguments).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}
