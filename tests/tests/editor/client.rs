//! A client of the language server protocol over the standard streams, as far as the test needs it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// An editor with one file of a package that depends on cachekit.
pub(crate) struct Editor {
    server: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    asked: u64,
    text: String,
    uri: String,
    _dir: tempfile::TempDir,
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Editor {
    /// Opens a package with this library, and waits until the server has read it. None if there is no server.
    pub(crate) fn open(text: &str) -> Option<Self> {
        let version = Command::new("rust-analyzer").arg("--version").stderr(Stdio::null()).output().ok()?;
        if !version.status.success() {
            return None;
        }
        let dir = package(text);
        let mut server = Command::new("rust-analyzer")
            .current_dir(dir.path())
            .env("CARGO_NET_OFFLINE", "true")
            .env("CARGO_TARGET_DIR", dir.path().join("target"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let (input, output) = (server.stdin.take()?, BufReader::new(server.stdout.take()?));
        let uri = format!("file://{}/src/lib.rs", dir.path().display());
        let mut editor = Self { server, input, output, asked: 0, text: text.to_owned(), uri, _dir: dir };
        editor.begin();
        Some(editor)
    }

    fn begin(&mut self) {
        let root = self.uri.trim_end_matches("/src/lib.rs").to_owned();
        let params = json!({
            "processId": null,
            "rootUri": root,
            "capabilities": {
                "experimental": { "serverStatusNotification": true },
                "textDocument": {
                    "hover": { "contentFormat": ["plaintext"] },
                    "completion": { "completionItem": { "snippetSupport": false } },
                },
                "workspace": { "workspaceEdit": { "documentChanges": true } },
            },
            "initializationOptions": { "checkOnSave": false, "cachePriming": { "enable": false } },
        });
        self.request("initialize", &params);
        self.send(&json!({ "method": "initialized", "params": {} }));
        let document = json!({ "uri": self.uri, "languageId": "rust", "version": 1, "text": self.text });
        self.send(&json!({ "method": "textDocument/didOpen", "params": { "textDocument": document } }));
        loop {
            let message = self.receive();
            if message["method"] == "experimental/serverStatus" && message["params"]["quiescent"] == true {
                break;
            }
        }
    }

    /// Asks about the first `word` in the first place of the text that begins with `at`; `more` adds to the parameters.
    pub(crate) fn ask(&mut self, method: &str, at: &str, word: &str, more: impl FnOnce(&mut Value)) -> Value {
        let place = self.text.find(at).unwrap() + at.find(word).unwrap();
        let before = &self.text[..place];
        let (line, start) = (before.matches('\n').count(), before.rfind('\n').map_or(0, |end| end + 1));
        let mut params = json!({
            "textDocument": { "uri": self.uri },
            "position": { "line": line, "character": place - start },
        });
        more(&mut params);
        self.request(method, &params)
    }

    fn request(&mut self, method: &str, params: &Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        self.send(&json!({ "id": id, "method": method, "params": params }));
        loop {
            let message = self.receive();
            if message["id"] == id && message.get("method").is_none() {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    fn send(&mut self, message: &Value) {
        let mut message = message.clone();
        message["jsonrpc"] = "2.0".into();
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        self.input.flush().unwrap();
    }

    /// The next message. Requests of the server are answered with nothing.
    fn receive(&mut self) -> Value {
        let mut len = 0;
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the server has ended");
            match line.trim().split_once(": ") {
                Some(("Content-Length", value)) => len = value.parse().unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; len];
        self.output.read_exact(&mut body).unwrap();
        let message: Value = serde_json::from_slice(&body).unwrap();
        if message.get("method").is_some() && message.get("id").is_some() {
            self.send(&json!({ "id": message["id"], "result": null }));
        }
        message
    }
}

/// A package outside of the workspace, with the versions of dependencies that the workspace has locked.
fn package(text: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let manifest = format!(
        "[package]\nname = \"sample\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n\
         cachekit = {{ path = '{}', default-features = false }}\n\n[workspace]\n",
        workspace.join("cachekit").display()
    );
    std::fs::create_dir(dir.path().join("src")).unwrap();
    std::fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
    std::fs::copy(workspace.join("Cargo.lock"), dir.path().join("Cargo.lock")).unwrap();
    std::fs::write(dir.path().join("src/lib.rs"), text).unwrap();
    dir
}
