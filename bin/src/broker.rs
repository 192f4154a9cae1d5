//! From `--broker` to a connected broker.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ttg_runtime::broker::{
    EmbeddedBroker, EmbeddedConfig, RabbitBroker, RabbitConfig, RedisBroker, RedisConfig,
};
use ttg_runtime::{Broker, IdError, JobName, SystemClock, WorkerId};

use crate::cli::CommonArguments;
use crate::error::CommandError;
use crate::settings::LEASE_UNUSED;

/// Schemes of brokers that are servers.
const SERVERS: [&str; 6] =
    ["redis", "rediss", "redis+sentinel", "rediss+sentinel", "amqp", "amqps"];

/// Where jobs are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BrokerUrl {
    /// In a file of this folder.
    Embedded(PathBuf),
    /// On a Redis server.
    Redis(ServerPlace),
    /// On a RabbitMQ server.
    Rabbit(ServerPlace),
}

/// Which server, and what is TTG's there.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ServerPlace {
    /// With its secrets.
    url: String,
    namespace: String,
    authority: Option<PathBuf>,
    /// This client's certificate and its key.
    identity: Option<(PathBuf, PathBuf)>,
}

impl std::fmt::Debug for ServerPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {:?}", redacted(&self.url), self.namespace)
    }
}

impl ServerPlace {
    /// Connects to a Redis server as the consumer `worker`.
    pub(crate) async fn redis(
        &self,
        worker: WorkerId,
        lease: Duration,
    ) -> Result<RedisBroker, CommandError> {
        let Self { url, namespace, authority, .. } = self.clone();
        let broker = RedisBroker::connect(RedisConfig { url, namespace, authority, worker, lease });
        broker.await.map_err(CommandError::broker("the broker could not be reached"))
    }

    /// Connects to a RabbitMQ server as the consumer `worker`.
    pub(crate) async fn rabbit(
        &self,
        worker: WorkerId,
        lease: Duration,
    ) -> Result<RabbitBroker, CommandError> {
        let broker = RabbitBroker::connect(self.rabbit_config(worker, lease)).await;
        broker.map_err(CommandError::broker("the broker could not be reached"))
    }

    /// Who is to be connected to a RabbitMQ server.
    pub(crate) fn rabbit_config(&self, worker: WorkerId, lease: Duration) -> RabbitConfig {
        let Self { url, namespace, authority, identity } = self.clone();
        RabbitConfig { url, namespace, authority, identity, worker, lease }
    }
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
            return arguments.broker.iter().map(|url| Self::named(url, arguments)).collect();
        }
        Ok(arguments.data_dir.iter().cloned().map(Self::Embedded).collect())
    }

    /// Of a server that no argument names.
    pub(crate) fn of_server(url: &str, arguments: &CommonArguments) -> Result<Self, CommandError> {
        Self::named(url, arguments)
    }

    fn named(url: &str, arguments: &CommonArguments) -> Result<Self, CommandError> {
        let mut url = Self::parse(url)?;
        let (Self::Redis(place) | Self::Rabbit(place)) = &mut url else { return Ok(url) };
        // It becomes a part of keys, as names of jobs do.
        let namespace: JobName = arguments
            .namespace
            .parse()
            .map_err(|why: IdError| CommandError::Settings(vec![format!("--namespace: {why}")]))?;
        place.namespace = namespace.to_string();
        place.authority.clone_from(&arguments.tls_ca);
        place.identity = arguments.tls_cert.clone().zip(arguments.tls_key.clone());
        Ok(url)
    }

    fn parse(text: &str) -> Result<Self, CommandError> {
        let unknown = || CommandError::UnknownBroker(redacted(text));
        match text.split_once(':') {
            Some(("embedded", dir)) if !dir.is_empty() => Ok(Self::Embedded(dir.into())),
            Some((scheme, rest)) if SERVERS.contains(&scheme) => {
                let authority = rest.strip_prefix("//").ok_or_else(unknown)?;
                let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
                let server = authority.rsplit_once('@').map_or(authority, |(_, server)| server);
                let sentinels = scheme.ends_with("+sentinel");
                let mut servers = server.split(',');
                let known = servers.clone().count() == 1 || sentinels;
                if !known || !servers.all(is_server) {
                    return Err(unknown());
                }
                let place = ServerPlace {
                    url: text.to_owned(),
                    namespace: "ttg".to_owned(),
                    authority: None,
                    identity: None,
                };
                Ok(match scheme {
                    "amqp" | "amqps" => Self::Rabbit(place),
                    _ => Self::Redis(place),
                })
            }
            _ => Err(unknown()),
        }
    }

    /// Connects, making the store if there is none.
    pub(crate) async fn connect(
        &self,
        worker: WorkerId,
        lease: Duration,
    ) -> Result<Arc<dyn Broker>, CommandError> {
        match self {
            Self::Embedded(dir) => {
                let broker = EmbeddedBroker::connect(embedded(dir, worker, lease)).await;
                Ok(Arc::new(broker.map_err(CommandError::broker("the store could not be opened"))?))
            }
            Self::Redis(place) => Ok(Arc::new(place.redis(worker, lease).await?)),
            Self::Rabbit(place) => Ok(Arc::new(place.rabbit(worker, lease).await?)),
        }
    }

    /// Connects to a store that is there, to read; makes nothing. `None` if there is no store.
    pub(crate) async fn connect_to_read(
        &self,
        worker: WorkerId,
    ) -> Result<Option<Arc<dyn Broker>>, CommandError> {
        let Self::Embedded(dir) = self else {
            return self.connect(worker, LEASE_UNUSED).await.map(Some);
        };
        // Looked for first: a store that is made meanwhile is either not there yet, or whole.
        // One that may not be looked at is refused below.
        if !dir.join("ttg.db").try_exists().unwrap_or(true) {
            return Ok(None);
        }
        let broker = EmbeddedBroker::open_existing(embedded(dir, worker, LEASE_UNUSED)).await;
        let broker = broker.map_err(CommandError::broker("the store could not be opened"))?;
        Ok(Some(Arc::new(broker)))
    }
}

fn embedded(dir: &Path, worker: WorkerId, lease: Duration) -> EmbeddedConfig {
    EmbeddedConfig { dir: dir.to_owned(), worker, lease, clock: Arc::new(SystemClock) }
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
            Self::Redis(place) | Self::Rabbit(place) => f.write_str(&redacted(&place.url)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_told_from_what_is_no_url_and_secrets_are_hidden() {
        let shown = |text| BrokerUrl::parse(text).map(|url| url.to_string()).ok();
        let same = [
            "redis+sentinel://a,b:26379/main/0",
            "redis://redis:6379",
            "rediss://[::1]:6379/2",
            "amqps://rabbit/jobs",
            "embedded:a:b",
        ];
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
        for url in bad.into_iter().chain([
            "embedded:",
            "kafka",
            "http://h",
            "redis://h:99999",
            "redis://a,b",
        ]) {
            assert_eq!(shown(url), None, "{url}");
        }
    }
}
