//! Where the server is: from a URL and files of certificates to connections.

use std::io;
use std::path::Path;
use std::time::Duration;

use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri, SASLMechanism};
use lapin::{Connection, ConnectionProperties};

use super::greeting::{RabbitGreeting, greeting};

/// How long making a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// A client's certificate and its key, two PEM files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity<'a> {
    pub(super) certificate: &'a Path,
    pub(super) key: &'a Path,
}

/// A server, and how it knows us.
pub(super) struct Target {
    uri: AMQPUri,
    tls: OwnedTLSConfig,
    /// As users know it, without secrets.
    pub(super) shown: String,
}

impl Target {
    /// Reads `amqp://USER:PASSWORD@HOST:PORT/VHOST` and `amqps://` likewise. A path that is missing
    /// or empty is the virtual host `/`, which no user would spell `%2F` by choice.
    ///
    /// The server is told to hear from us four times a lease: it cuts whom it missed twice.
    pub(super) fn parse(
        url: &str,
        authority: Option<&Path>,
        identity: Option<Identity<'_>>,
        lease: Duration,
    ) -> Result<Self, String> {
        let mut uri: AMQPUri = url.parse()?;
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        let heartbeat = u16::try_from(lease.as_secs() / 4).unwrap_or(u16::MAX).clamp(1, 60);
        uri.query.heartbeat.get_or_insert(heartbeat);
        if identity.is_some() && uri.authority.userinfo.username.is_empty() {
            uri.query.auth_mechanism.get_or_insert(SASLMechanism::External);
        }
        let read = |path: &Path| {
            std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let certificates = authority.map(read).transpose()?;
        let certificates = certificates.map(String::from_utf8).transpose();
        let identity = identity
            .map(|Identity { certificate, key }| {
                Ok::<_, String>(OwnedIdentity::PKCS8 { pem: read(certificate)?, key: read(key)? })
            })
            .transpose()?;
        let tls = OwnedTLSConfig {
            identity,
            cert_chain: certificates.map_err(|_| "the certificates are no PEM file".to_owned())?,
        };
        let shown = format!(
            "{}://{}:{}/{}",
            uri.scheme,
            uri.authority.host,
            uri.authority.port,
            uri.vhost.trim_start_matches('/')
        );
        Ok(Self { uri, tls, shown })
    }

    /// What the server says of itself.
    pub(super) async fn greeting(&self) -> io::Result<RabbitGreeting> {
        self.choose_cryptography();
        let (uri, tls) = (self.uri.clone(), self.tls.clone());
        let asking =
            tokio::task::spawn_blocking(move || greeting(&uri, tls.as_ref(), CONNECT_WITHIN));
        asking.await.unwrap_or_else(|ended| Err(io::Error::other(ended)))
    }

    fn choose_cryptography(&self) {
        if self.uri.scheme == AMQPScheme::AMQPS {
            // The process may have one; either serves.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
    }

    /// A connection that the server's own tools list as `name`. One that only writes asks for no
    /// heartbeats, so that it has those of the server, by default one a minute: while the server takes
    /// nothing it does not read them, and must not cut it within a lease for that.
    pub(super) async fn connect(
        &self,
        name: &str,
        heartbeats: bool,
    ) -> Result<Connection, ConnectFault> {
        self.choose_cryptography();
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let runtime = lapin::runtime::default_runtime().map_err(ConnectFault::Client)?;
        let mut uri = self.uri.clone();
        if !heartbeats {
            uri.query.heartbeat = Some(0);
        }
        let connecting =
            Connection::connect_uri_with_config(uri, properties, self.tls.clone(), runtime);
        match tokio::time::timeout(CONNECT_WITHIN, connecting).await {
            Ok(connected) => connected.map_err(ConnectFault::Client),
            Err(_) => Err(ConnectFault::TimedOut),
        }
    }
}

/// Why there is no connection.
pub(super) enum ConnectFault {
    Client(lapin::Error),
    TimedOut,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown_without_secrets() {
        let lease = Duration::from_secs(10);
        let target = |url| Target::parse(url, None, None, lease);
        let cases = [
            ("amqp://me:secret@h:7/jobs", Some("amqp://h:7/jobs")),
            ("amqps://:secret@h", Some("amqps://h:5671/")),
            ("amqp://h/%2F", Some("amqp://h:5672/")),
            ("http://h", None),
        ];
        for (url, expected) in cases {
            assert_eq!(target(url).map(|target| target.shown).ok().as_deref(), expected, "{url}");
        }
        assert_eq!(target("amqp://h").unwrap_or_else(|_| panic!()).uri.query.heartbeat, Some(2));
        let missing = Target::parse("amqp://h", Some(Path::new("/none.pem")), None, lease);
        assert!(missing.is_err());
    }
}
