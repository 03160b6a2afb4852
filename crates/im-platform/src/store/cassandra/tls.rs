//! TLS to the ring. The driver checks a node's certificate against the address that it connects to, so certificates must name addresses.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// What cannot be used, and why.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be used: {why}", file.display())]
pub struct WrongFile {
    /// The file.
    pub file: PathBuf,
    why: String,
}

/// Connections to nodes whose certificates one of `ca` has signed, as the client of a certificate and its key if the ring asks for one.
///
/// # Errors
/// Which PEM file cannot be used.
pub fn client(ca: &Path, own: Option<(&Path, &Path)>) -> Result<Arc<ClientConfig>, WrongFile> {
    let wrong =
        |file: &Path, why: &dyn std::fmt::Display| WrongFile { file: file.into(), why: why.to_string() };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|e| wrong(ca, &e))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong(ca, &e))?
        .with_root_certificates(roots);
    let config = match own {
        Some((certificate, key)) => {
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| wrong(key, &e))?;
            builder.with_client_auth_cert(certificates(certificate)?, secret).map_err(|e| wrong(key, &e))?
        }
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, WrongFile> {
    let wrong = |why: String| WrongFile { file: file.into(), why };
    let all = CertificateDer::pem_file_iter(file).map_err(|e| wrong(e.to_string()))?;
    let all: Vec<CertificateDer<'static>> =
        all.collect::<Result<_, _>>().map_err(|e| wrong(e.to_string()))?;
    if all.is_empty() {
        return Err(wrong("it holds no certificate in PEM".into()));
    }
    Ok(all)
}
