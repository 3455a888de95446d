//! TLS for the backends that reach a server over the network.
//!
//! Options of the configuration: `tls_ca`, a PEM file of certificates that are trusted instead of the system's; `tls_cert` and
//! `tls_key`, PEM files of the client's certificate chain and its key, for servers that ask for one.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::{Config, Error, ErrorKind, Result};

/// The contents of the files that the options name.
pub(crate) struct Pems {
    /// `tls_ca`.
    pub(crate) ca: Option<Vec<u8>>,
    /// `tls_cert` and `tls_key`.
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

impl Pems {
    /// Reads the files.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a file that can't be read.
    pub(crate) fn read(config: &Config) -> Result<Self> {
        let file = |option: &'static str| {
            let Some(path) = config.text_option(option) else { return Ok(None) };
            std::fs::read(path).map(Some).map_err(|error| {
                refused(option, path, &format!("can't be read ({})", error.kind())).with_source(error)
            })
        };
        // The configuration's own check has both or none.
        Ok(Self { ca: file("tls_ca")?, client: file("tls_cert")?.zip(file("tls_key")?) })
    }
}

fn refused(option: &str, path: &str, what: &str) -> Error {
    Error::new(ErrorKind::Config, format!("option `{option}`: the file `{path}` {what}"))
}

/// Returns the TLS settings that the options ask for: TLS 1.2 and 1.3 by ring, with the server's certificate and name checked.
/// Independent of the process's default provider.
///
/// # Errors
/// [`ErrorKind::Config`] for a file that can't be read or holds something else, naming the option and the file; also if
/// neither `tls_ca` nor the system has certificates to trust.
pub(crate) fn client_config(config: &Config) -> Result<Arc<ClientConfig>> {
    let pems = Pems::read(config)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Config, "TLS can't be set up").with_source(error))?
        .with_root_certificates(roots(config, pems.ca.as_deref())?);
    let Some((chain, key)) = pems.client else { return Ok(Arc::new(builder.with_no_client_auth())) };
    let path = |option| config.text_option(option).unwrap_or_default();
    let (cert_path, key_path) = (path("tls_cert"), path("tls_key"));
    let chain = certificates("tls_cert", cert_path, &chain)?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|error| refused("tls_key", key_path, "has no private key in PEM form").with_source(error))?;
    let mut client = builder.with_client_auth_cert(chain, key).map_err(|error| {
        refused("tls_key", key_path, &format!("does not belong to the certificate in `{cert_path}`"))
            .with_source(error)
    })?;
    // A server that asks for certificates may refuse the sessions that it gave out itself: OpenSSL does unless it was told a name for
    // them, which memcached (1.6.18) doesn't. Connections live long, so that a whole handshake for each costs little.
    client.resumption = Resumption::disabled();
    Ok(Arc::new(client))
}

fn certificates(option: &str, path: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| refused(option, path, "is not in PEM form").with_source(error))?;
    if all.is_empty() {
        return Err(refused(option, path, "has no certificate in PEM form"));
    }
    Ok(all)
}

fn roots(config: &Config, ca: Option<&[u8]>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = ca {
        let path = config.text_option("tls_ca").unwrap_or_default();
        for certificate in certificates("tls_ca", path, pem)? {
            roots.add(certificate).map_err(|error| {
                refused("tls_ca", path, "has a certificate that can't be trusted").with_source(error)
            })?;
        }
        return Ok(roots);
    }
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if roots.is_empty() {
        return Err(Error::new(
            ErrorKind::Config,
            "TLS needs certificates to trust, and the system has none: install them (Debian: `ca-certificates`), or name \
             a file by the option `tls_ca`",
        ));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused_with(options: &[(&str, String)]) -> String {
        let options = options.iter().map(|(name, path)| (*name, path.as_str()));
        let error = client_config(&Config::default().options(options)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    }

    #[test]
    fn a_wrong_file_is_named_with_its_option() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let (gone, empty, junk) = (path("gone"), path("empty"), path("junk"));
        std::fs::write(&empty, "").unwrap();
        std::fs::write(&junk, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        let none = format!("option `tls_ca`: the file `{gone}` can't be read (entity not found)");
        assert_eq!(refused_with(&[("tls_ca", gone)]), none);
        let none = format!("option `tls_ca`: the file `{empty}` has no certificate in PEM form");
        assert_eq!(refused_with(&[("tls_ca", empty)]), none);
        let none = format!("option `tls_ca`: the file `{junk}` has a certificate that can't be trusted");
        assert_eq!(refused_with(&[("tls_ca", junk)]), none);
    }
}
