//! The same collector by HTTP: what is posted is what gRPC would bring.

use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::collector::{Collector, Kept};

const PROTOBUF: &str = "application/x-protobuf";

impl Collector {
    /// One that takes what is posted to `/v1/traces`, by TLS if it is told how.
    pub(crate) fn start_by_http(tls: Option<ServerConfig>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        Self::listen(scheme, |listener, kept| async move {
            listener.set_nonblocking(true).expect("every listener may");
            let listener = TcpListener::from_std(listener).expect("there is a runtime");
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, tls) = (kept.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, kept).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, kept).await;
                            }
                        }
                    }
                });
            }
        })
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, kept: Kept) {
    let answer = service_fn(|request| answer(request, kept.clone()));
    http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await.ok();
}

async fn answer(
    request: Request<Incoming>,
    kept: Kept,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let is_protobuf = request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == PROTOBUF);
    let is_for_us = request.method() == Method::POST && request.uri().path() == "/v1/traces";
    let body = request.into_body().collect().await?.to_bytes();
    let refused = |status: StatusCode| {
        let mut response = Response::new(Full::default());
        *response.status_mut() = status;
        Ok(response)
    };
    if !is_for_us {
        return refused(StatusCode::NOT_FOUND);
    }
    let Some(Ok(export)) = is_protobuf.then(|| ExportTraceServiceRequest::decode(body)) else {
        return refused(StatusCode::BAD_REQUEST);
    };
    kept.keep(export);
    let body = ExportTraceServiceResponse::default().encode_to_vec();
    let mut response = Response::new(Full::from(body));
    response.headers_mut().insert(CONTENT_TYPE, PROTOBUF.parse().expect("it is text"));
    Ok(response)
}
