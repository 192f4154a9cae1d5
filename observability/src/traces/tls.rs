//! How a collector is reached by TLS: which authority vouches for it, and who we are to it.

use std::fs;
use std::sync::Arc;

use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig, Identity};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::load_native_certs;

use super::config::WrongVariables;

/// What is to be in a file of certificates.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// And in one of a key, whatever the kind of key.
const KEY: &str = "PRIVATE KEY-----";

/// The files that variables name, each as its variable and its path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tls {
    /// Of the authority to trust instead of the system's.
    pub(super) authority: Option<(String, String)>,
    /// Of our certificate and its key.
    pub(super) identity: Option<[(String, String); 2]>,
}

/// What the files hold.
struct Read {
    authority: Option<String>,
    identity: Option<[String; 2]>,
}

impl Tls {
    /// For gRPC.
    ///
    /// # Errors
    /// [`WrongVariables`]: files that cannot be read, or hold something else.
    pub(super) fn for_grpc(&self) -> Result<ClientTlsConfig, WrongVariables> {
        let Read { authority, identity } = self.read()?;
        let config = match authority {
            Some(authority) => {
                ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority))
            }
            None => ClientTlsConfig::new().with_enabled_roots(),
        };
        Ok(match identity {
            Some([certificate, key]) => config.identity(Identity::from_pem(certificate, key)),
            None => config,
        })
    }

    /// For HTTP.
    ///
    /// # Errors
    /// [`WrongVariables`]: files that cannot be read, or hold something else.
    pub(super) fn for_http(&self) -> Result<ClientConfig, WrongVariables> {
        let Read { authority, identity } = self.read()?;
        let wrong = |error: &dyn std::fmt::Display| WrongVariables(vec![error.to_string()]);
        let mut roots = RootCertStore::empty();
        match authority {
            Some(authority) => {
                for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
                    let certificate = certificate.map_err(|error| wrong(&error))?;
                    roots.add(certificate).map_err(|error| wrong(&error))?;
                }
            }
            // Some systems have one that is not understood, among those that are.
            None => drop(roots.add_parsable_certificates(load_native_certs().certs)),
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| wrong(&error))?.with_root_certificates(roots);
        let Some([certificate, key]) = identity else { return Ok(config.with_no_client_auth()) };
        let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
        let chain = chain.collect::<Result<_, _>>().map_err(|error| wrong(&error))?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| wrong(&error))?;
        config.with_client_auth_cert(chain, key).map_err(|error| wrong(&error))
    }

    /// All that is wrong is told.
    fn read(&self) -> Result<Read, WrongVariables> {
        let mut wrong = Vec::new();
        let mut read = |file: &(String, String), holds: &str, what: &str| {
            pem(file, holds, what).map_err(|reason| wrong.push(reason)).unwrap_or_default()
        };
        let authority = self.authority.as_ref().map(|file| read(file, CERTIFICATE, "certificate"));
        let identity = self.identity.as_ref().map(|[certificate, key]| {
            [read(certificate, CERTIFICATE, "certificate"), read(key, KEY, "private key")]
        });
        if wrong.is_empty() { Ok(Read { authority, identity }) } else { Err(WrongVariables(wrong)) }
    }
}

/// The text of a file, if it `holds` what it should. What is passed over here would be found out by
/// the collector's silence.
fn pem((variable, path): &(String, String), holds: &str, what: &str) -> Result<String, String> {
    let refused = |reason: String| format!("{variable} is `{path}`: {reason}");
    let text = fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    let held = text.contains(holds);
    held.then_some(text).ok_or_else(|| refused(format!("it holds no {what} in PEM")))
}
