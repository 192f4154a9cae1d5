//! Where the server is: from a URL to clients of it.

use std::path::Path;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    RedisError, TlsCertificates,
};

/// How long making a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// A server, or the sentinels that know which of several it is.
pub(super) struct Target {
    /// Of the server; by sentinels, all but its address.
    info: ConnectionInfo,
    sentinels: Option<Sentinels>,
    /// The certificate authority's certificates in PEM form, if they are not the system's.
    authority: Option<Vec<u8>>,
    /// As users know it, without secrets.
    pub(super) shown: String,
}

struct Sentinels {
    addresses: Vec<ConnectionInfo>,
    master: String,
}

impl Target {
    /// Reads `redis://`, `rediss://`, and `redis+sentinel://HOST:PORT,…/MASTER[/DB]` likewise.
    pub(super) fn parse(url: &str, authority: Option<&Path>) -> Result<Self, RedisError> {
        let authority = authority.map(std::fs::read).transpose()?;
        if let Some((scheme, rest)) = url.split_once("+sentinel://") {
            return Self::of_sentinels(scheme, rest, authority);
        }
        let info = url.into_connection_info()?;
        let scheme = if is_tls(info.addr()) { "rediss" } else { "redis" };
        let shown = format!("{scheme}://{}/{}", info.addr(), info.redis_settings().db());
        Ok(Self { info, sentinels: None, authority, shown })
    }

    fn of_sentinels(
        scheme: &str,
        rest: &str,
        authority: Option<Vec<u8>>,
    ) -> Result<Self, RedisError> {
        let invalid = |what| RedisError::from((ErrorKind::InvalidClientConfig, what));
        let (secrets, rest) = rest.rsplit_once('@').map_or(("", rest), |(s, rest)| (s, rest));
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (master, db) = path.split_once('/').unwrap_or((path, "0"));
        if master.is_empty() {
            return Err(invalid("the URL of sentinels ends with the name of the master"));
        }
        let at = if secrets.is_empty() { "" } else { "@" };
        let info = format!("{scheme}://{secrets}{at}sentinel/{db}").into_connection_info()?;
        let sentinel = |host: &str| {
            let port = if host.rsplit(']').next().is_some_and(|end| end.contains(':')) {
                ""
            } else {
                ":26379"
            };
            format!("{scheme}://{host}{port}").into_connection_info()
        };
        Ok(Self {
            info,
            sentinels: Some(Sentinels {
                addresses: hosts.split(',').map(sentinel).collect::<Result<_, _>>()?,
                master: master.to_owned(),
            }),
            authority,
            shown: format!("{scheme}+sentinel://{hosts}/{master}/{db}"),
        })
    }

    /// Connects to the server; to `instead`, if a cluster said that it is the one.
    pub(super) async fn connect(
        &self,
        instead: Option<&(String, u16)>,
        answer_within: Duration,
    ) -> Result<MultiplexedConnection, RedisError> {
        let info = match (instead, &self.sentinels) {
            (Some((host, port)), _) => self.at(host.clone(), *port),
            (None, None) => self.info.clone(),
            (None, Some(sentinels)) => {
                let (host, port) = self.ask(sentinels).await?;
                self.at(host, port)
            }
        };
        self.connect_to(info, answer_within).await
    }

    fn at(&self, host: String, port: u16) -> ConnectionInfo {
        let host = match self.info.addr() {
            ConnectionAddr::Tcp(known, _) | ConnectionAddr::TcpTls { host: known, .. }
                if host.is_empty() =>
            {
                known.clone()
            }
            _ => host,
        };
        let address = match self.info.addr() {
            ConnectionAddr::TcpTls { insecure, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: None }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        self.info.clone().set_addr(address)
    }

    /// Where the first sentinel that answers says that the master is.
    async fn ask(&self, sentinels: &Sentinels) -> Result<(String, u16), RedisError> {
        let mut last = RedisError::from((ErrorKind::EmptySentinelList, "there is no sentinel"));
        for sentinel in &sentinels.addresses {
            let asked = async {
                let mut connection = self.connect_to(sentinel.clone(), CONNECT_WITHIN).await?;
                let mut question = redis::cmd("SENTINEL");
                question.arg("GET-MASTER-ADDR-BY-NAME").arg(&sentinels.master);
                question.query_async::<Option<(String, u16)>>(&mut connection).await
            };
            match asked.await {
                Ok(Some(address)) => return Ok(address),
                Ok(None) => {
                    let kind = ErrorKind::MasterNameNotFoundBySentinel;
                    last = (kind, "no sentinel knows a master of that name").into();
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn connect_to(
        &self,
        info: ConnectionInfo,
        answer_within: Duration,
    ) -> Result<MultiplexedConnection, RedisError> {
        let client = if is_tls(info.addr()) {
            // The process may have one; either serves.
            drop(rustls::crypto::ring::default_provider().install_default());
            let certificates =
                TlsCertificates { client_tls: None, root_cert: self.authority.clone() };
            Client::build_with_tls(info, certificates)?
        } else {
            Client::open(info)?
        };
        // Never the library's own half a second: a server under load takes longer.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(answer_within));
        client.get_multiplexed_async_connection_with_config(&config).await
    }
}

fn is_tls(address: &ConnectionAddr) -> bool {
    matches!(address, ConnectionAddr::TcpTls { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown_without_secrets() {
        let shown = |url| Target::parse(url, None).map(|target| target.shown).ok();
        let cases = [
            ("redis://me:secret@h:7/2", Some("redis://h:7/2")),
            ("rediss://:secret@h", Some("rediss://h:6379/0")),
            ("redis+sentinel://:secret@a,b:7/main/3", Some("redis+sentinel://a,b:7/main/3")),
            ("redis+sentinel://a", None),
            ("redis://h/two", None),
        ];
        for (url, expected) in cases {
            assert_eq!(shown(url).as_deref(), expected, "{url}");
        }
    }
}
