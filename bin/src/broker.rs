//! From `--broker` to a connected broker.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ttg_runtime::broker::{EmbeddedBroker, EmbeddedConfig};
use ttg_runtime::{Broker, SystemClock, WorkerId};

use crate::cli::CommonArguments;
use crate::error::CommandError;
use crate::settings::LEASE_UNUSED;

/// Schemes of brokers that are servers.
const SERVERS: [&str; 4] = ["redis", "rediss", "amqp", "amqps"];

/// Where jobs are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BrokerUrl {
    /// In a file of this folder.
    Embedded(PathBuf),
    /// On a server; without its secrets.
    Server(String),
}

impl BrokerUrl {
    pub(crate) fn of(arguments: &CommonArguments) -> Result<Self, CommandError> {
        let mut all = Self::all_of(arguments)?.into_iter();
        // The first one has a default, and to all commands but one no more are given.
        all.next().ok_or_else(|| CommandError::UnknownBroker(String::new()))
    }

    /// All that are named.
    pub(crate) fn all_of(arguments: &CommonArguments) -> Result<Vec<Self>, CommandError> {
        if arguments.data_dir.is_empty() {
            return arguments.broker.iter().map(|broker| Self::parse(broker)).collect();
        }
        Ok(arguments.data_dir.iter().cloned().map(Self::Embedded).collect())
    }

    fn parse(text: &str) -> Result<Self, CommandError> {
        let unknown = || CommandError::UnknownBroker(redacted(text));
        match text.split_once(':') {
            Some(("embedded", dir)) if !dir.is_empty() => Ok(Self::Embedded(dir.into())),
            Some((scheme, rest)) if SERVERS.contains(&scheme) => {
                let authority = rest.strip_prefix("//").ok_or_else(unknown)?;
                let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
                let server = authority.rsplit_once('@').map_or(authority, |(_, server)| server);
                if is_server(server) { Ok(Self::Server(redacted(text))) } else { Err(unknown()) }
            }
            _ => Err(unknown()),
        }
    }

    fn config(&self, worker: WorkerId, lease: Duration) -> Result<EmbeddedConfig, CommandError> {
        match self {
            Self::Embedded(dir) => {
                let dir = dir.clone();
                Ok(EmbeddedConfig { dir, worker, lease, clock: Arc::new(SystemClock) })
            }
            Self::Server(url) => Err(CommandError::NoAdapter(url.clone())),
        }
    }

    /// Connects, making the store if there is none.
    pub(crate) async fn connect(
        &self,
        worker: WorkerId,
        lease: Duration,
    ) -> Result<Arc<dyn Broker>, CommandError> {
        let broker = EmbeddedBroker::connect(self.config(worker, lease)?).await;
        Ok(Arc::new(broker.map_err(CommandError::broker("the store could not be opened"))?))
    }

    /// Connects to a store that is there, to read; makes nothing. `None` if there is no store.
    pub(crate) async fn connect_to_read(
        &self,
        worker: WorkerId,
    ) -> Result<Option<Arc<dyn Broker>>, CommandError> {
        let config = self.config(worker, LEASE_UNUSED)?;
        // Looked for first: a store that is made meanwhile is either not there yet, or whole.
        // One that may not be looked at is refused below.
        if !config.dir.join("ttg.db").try_exists().unwrap_or(true) {
            return Ok(None);
        }
        let broker = EmbeddedBroker::open_existing(config).await;
        let broker = broker.map_err(CommandError::broker("the store could not be opened"))?;
        Ok(Some(Arc::new(broker)))
    }
}

/// Whether `text` is a host, with a port or without.
fn is_server(text: &str) -> bool {
    // The colons of an IPv6 address stand in brackets.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_bare = !host.contains([':', ' ']) || (host.starts_with('[') && host.ends_with(']'));
    !host.is_empty() && is_bare && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// `url` without the password in it.
pub(crate) fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((secrets, rest)) = rest.rsplit_once('@') else { return url.to_owned() };
    let user = secrets.split(':').next().unwrap_or_default();
    let hidden = if secrets.contains(':') { ":[hidden]" } else { "" };
    format!("{scheme}://{user}{hidden}@{rest}")
}

impl std::fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Embedded(dir) => write!(f, "embedded:{}", dir.display()),
            Self::Server(url) => f.write_str(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_told_from_what_is_no_url_and_secrets_are_hidden() {
        let shown = |text| BrokerUrl::parse(text).map(|url| url.to_string()).ok();
        let same =
            ["redis://redis:6379", "rediss://[::1]:6379/2", "amqps://rabbit/jobs", "embedded:a:b"];
        for url in same {
            assert_eq!(shown(url).as_deref(), Some(url));
        }
        let hidden = [
            ("amqp://me:se@cret@rabbit:5672/%2F", "amqp://me:[hidden]@rabbit:5672/%2F"),
            ("redis://:secret@redis", "redis://:[hidden]@redis"),
            ("amqp://me@rabbit", "amqp://me@rabbit"),
        ];
        for (url, expected) in hidden {
            assert_eq!(shown(url).as_deref(), Some(expected));
        }
        let bad = ["redis:", "redis://", "redis://:6379", "redis://a:b:6379", "amqp://h:x"];
        for url in bad.into_iter().chain(["embedded:", "kafka", "http://h", "redis://h:99999"]) {
            assert_eq!(shown(url), None, "{url}");
        }
    }
}
