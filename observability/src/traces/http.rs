//! The client of OTLP over HTTP: one connection, made when there is something to send.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

/// The longest answer that is read, in bytes. It says how many spans were not taken, and why.
const ANSWER_MAX: usize = 64 * 1_024;

/// A client whose connection is driven by the process's runtime: who sends has none.
#[derive(Debug, Clone)]
pub(super) struct Client {
    runtime: Handle,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    tls: Option<Arc<ClientConfig>>,
    timeout: Duration,
    /// The connection, while nobody uses it.
    kept: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Client {
    /// One that takes at most `timeout` for a request.
    ///
    /// # Panics
    /// Outside an async runtime of tokio.
    pub(super) fn new(tls: Option<ClientConfig>, timeout: Duration) -> Self {
        let inner = Inner { tls: tls.map(Arc::new), timeout, kept: Mutex::default() };
        Self { runtime: Handle::current(), inner: Arc::new(inner) }
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let inner = Arc::clone(&self.inner);
        let sending = self.runtime.spawn(async move {
            let sent = tokio::time::timeout(inner.timeout, inner.send(request)).await;
            sent.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
        });
        let sent = sending.await?;
        if let Err(error) = &sent {
            // The exporter says no more than that there was one.
            tracing::debug!(%error, "a request to the collector failed");
        }
        sent
    }
}

impl Inner {
    /// A connection that fails is not kept. Whether to try again is the exporter's to say.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut kept = self.kept.lock().await;
        let mut connection = match kept.take().filter(|kept| !kept.is_closed()) {
            Some(connection) => connection,
            None => self.connect(request.uri()).await?,
        };
        connection.ready().await?;
        let (head, body) = connection.send_request(to_origin(request)?).await?.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await?.to_bytes();
        *kept = Some(connection);
        Ok(Response::from_parts(head, body))
    }

    async fn connect(&self, to: &Uri) -> Result<SendRequest<Full<Bytes>>, HttpError> {
        let host = to.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = to.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await?;
        match &self.tls {
            None => begin(stream).await,
            Some(tls) => {
                let name = ServerName::try_from(host.to_owned())?;
                begin(TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?).await
            }
        }
    }
}

async fn begin<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, HttpError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends when its other half is dropped, or the collector closes it; either is noticed there.
    tokio::spawn(connection);
    Ok(requests)
}

/// As a server wants it that is no proxy: the path alone, and the host in a header.
fn to_origin(request: Request<Bytes>) -> Result<Request<Full<Bytes>>, HttpError> {
    let (mut head, body) = request.into_parts();
    let authority = head.uri.authority().map_or("", |authority| authority.as_str());
    // Name and password are for a header, if at all.
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    head.headers.insert(HOST, HeaderValue::from_str(host)?);
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = path.parse()?;
    Ok(Request::from_parts(head, Full::new(body)))
}
