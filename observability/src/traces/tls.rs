//! How a collector is reached by TLS: which authority vouches for it, and who we are to it.

use std::fs;

use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig, Identity};

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

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`WrongVariables`]: those whose files cannot be read, or hold something else.
    pub(super) fn load(&self) -> Result<ClientTlsConfig, WrongVariables> {
        let mut wrong = Vec::new();
        let mut read = |file: &(String, String), holds: &str, what: &str| {
            pem(file, holds, what).map_err(|reason| wrong.push(reason)).unwrap_or_default()
        };
        let mut config = ClientTlsConfig::new();
        config = match &self.authority {
            Some(file) => {
                let authority = read(file, CERTIFICATE, "certificate");
                config.ca_certificate(Certificate::from_pem(authority))
            }
            None => config.with_enabled_roots(),
        };
        if let Some([certificate, key]) = &self.identity {
            let certificate = read(certificate, CERTIFICATE, "certificate");
            let key = read(key, KEY, "private key");
            config = config.identity(Identity::from_pem(certificate, key));
        }
        if wrong.is_empty() { Ok(config) } else { Err(WrongVariables(wrong)) }
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
