//! Logins and TLS.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use cachekit::{Config, ErrorKind};
use cachekit_tests::memcached as servers;
use cachekit_tests::redis::Certificates;
use cachekit_tests::server::Server;
use rcgen::{CertifiedKey, generate_simple_self_signed};

use crate::{backend, patient};

/// A server that speaks TLS, and the file of its certificate.
fn tls_server() -> &'static (Server, String) {
    static SERVER: OnceLock<(Server, String)> = OnceLock::new();
    SERVER.get_or_init(|| {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let server = servers::with_tls(&cert.pem(), &signing_key.serialize_pem());
        let path = server.dir.path().join("cert.pem").to_str().unwrap().to_owned();
        (server, path)
    })
}

pub(crate) fn tls_config() -> Config {
    let (server, certificate) = tls_server();
    Config::memcached([servers::address(server)]).options([("tls", "true"), ("tls_ca", certificate)])
}

fn with_login(server: &Server, user: &str, password: &str) -> Config {
    Config::memcached([servers::address(server)])
        .cache_type("saslmemcached")
        .memcached_username(user)
        .memcached_password(password)
}

/// The kind and the text of the first operation's error, blocking and on tokio; neither may take long.
fn first_error(config: &Config) -> (ErrorKind, String) {
    let limit = Duration::from_millis(800);
    let config = config.clone().operation_timeout(limit).connect_timeout(limit);
    let begin = Instant::now();
    let error = backend(&config).get("k").unwrap_err();
    let theirs = crate::runtime()
        .block_on(async { backend(&config).asynchronous().unwrap().get("k").await.unwrap_err() });
    assert!(begin.elapsed() < 10 * limit, "{:?}", begin.elapsed());
    assert_eq!((error.kind(), error.to_string()), (theirs.kind(), theirs.to_string()));
    (error.kind(), error.to_string())
}

/// A wrong password or user name is a clear error at the first use, never a hang, and shows no secret.
#[test]
fn a_wrong_login_is_a_clear_error_at_the_first_use() {
    for server in [servers::with_sasl(), servers::with_text_login()] {
        for (user, password) in [(servers::USER, "wr0ng"), ("nobody", "p"), (servers::USER, "")] {
            let (kind, text) = first_error(&with_login(&server, user, password));
            assert_eq!(kind, ErrorKind::Auth, "{text}");
            assert!(!text.contains("wr0ng"), "{text}");
            if !password.is_empty() {
                assert!(text.contains("user name or password are wrong"), "{text}");
            }
        }
    }
}

/// A password that the text login can't carry is an error that says so; one with NUL is refused at once.
#[test]
fn what_a_login_cannot_carry_is_said() {
    let server = servers::with_text_login();
    let (kind, text) = first_error(&with_login(&server, servers::USER, "two words"));
    assert_eq!(kind, ErrorKind::Auth);
    assert!(text.contains("can't be empty or contain a space"), "{text}");
    let nul = with_login(&server, "a\0b", "p");
    let error = cachekit::Cache::open(nul).unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("NUL")), (ErrorKind::Config, true));
}

/// A connection without a login to a server that wants one gets a clear error; where the server says nothing, the time
/// limit ends it.
#[test]
fn a_missing_login_is_a_clear_error() {
    let text_login = servers::with_text_login();
    let (kind, text) = first_error(&Config::memcached([servers::address(&text_login)]));
    assert_eq!(kind, ErrorKind::Auth, "{text}");
    assert!(text.contains("saslmemcached"), "{text}");
    let sasl = servers::with_sasl();
    let (kind, text) = first_error(&Config::memcached([servers::address(&sasl)]));
    assert!(matches!(kind, ErrorKind::Timeout | ErrorKind::Unavailable), "{text}");
    assert!(text.contains("`-S`"), "{text}");
}

/// A login that is not checked is no login.
#[test]
fn a_server_without_logins_is_an_error_for_who_logs_in() {
    let (kind, text) = first_error(&with_login(servers::shared(), "user", "password"));
    assert_eq!(kind, ErrorKind::Auth);
    assert!(text.contains("has no login"), "{text}");
}

/// The login may be fixed, and the wrong one is an error.
#[test]
fn the_kind_of_login_can_be_chosen() {
    let (sasl, text) = (servers::with_sasl(), servers::with_text_login());
    let fixed =
        |server, password, auth| with_login(server, servers::USER, password).options([("auth", auth)]);
    for (server, password, auth, other) in
        [(&sasl, servers::SASL_PASSWORD, "sasl", "text"), (&text, servers::TEXT_PASSWORD, "text", "sasl")]
    {
        backend(&patient(fixed(server, password, auth))).set("k", b"v", None).unwrap();
        if auth == "text" {
            assert_eq!(first_error(&fixed(server, password, other)).0, ErrorKind::Auth);
        }
    }
}

/// A server without a trusted certificate isn't talked to, nor is one that speaks no TLS.
#[test]
fn tls_checks_the_server() {
    let (server, _) = tls_server();
    let other = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.pem");
    std::fs::write(&path, other.cert.pem()).unwrap();
    let options = [("tls", "true"), ("tls_ca", path.to_str().unwrap())];
    let (kind, text) = first_error(&Config::memcached([servers::address(server)]).options(options));
    assert_eq!(kind, ErrorKind::Unavailable);
    assert!(text.contains("certificate"), "{text}");
    let plain = Config::memcached([servers::address(servers::shared())]).options(options);
    assert!(matches!(first_error(&plain).0, ErrorKind::Unavailable | ErrorKind::Timeout));
}

/// A server that asks for a certificate takes one that its authority made, and no other.
#[test]
fn certificates_of_clients_are_shown_and_checked() {
    let (ours, theirs) = (Certificates::new(), Certificates::new());
    let server = servers::with_certificates(&ours);
    let with = |client: Option<&Certificates>| {
        let ca = ours.options().into_iter().take(1);
        let own = client.into_iter().flat_map(|client| client.options().into_iter().skip(1));
        let options = std::iter::once(("tls", "true".to_owned())).chain(ca).chain(own);
        Config::memcached([servers::address(&server)]).options(options)
    };
    let store = backend(&patient(with(Some(&ours))));
    store.set("k", b"v", None).unwrap();
    let tasks = store.asynchronous().unwrap();
    assert_eq!(crate::runtime().block_on(tasks.get("k")).unwrap().as_deref(), Some(&b"v"[..]));
    for wrong in [None, Some(&theirs)] {
        let limit = Duration::from_millis(800);
        let store = backend(&with(wrong).operation_timeout(limit).connect_timeout(limit));
        for result in [store.get("k"), crate::runtime().block_on(store.asynchronous().unwrap().get("k"))] {
            let kind = result.unwrap_err().kind();
            assert!(matches!(kind, ErrorKind::Unavailable | ErrorKind::Protocol | ErrorKind::Timeout));
        }
    }
}
