//! A collector: it takes spans by OTLP, as the published protocol says, and keeps them.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// It listens for as long as it lives.
pub(crate) struct Collector {
    endpoint: String,
    kept: Kept,
    _runtime: Runtime,
}

/// All that came.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<Received>>>);

/// A span, and the process that it came from.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) span: Span,
    process: Vec<KeyValue>,
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.keep(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Kept {
    pub(crate) fn keep(&self, export: ExportTraceServiceRequest) {
        let mut received = self.read();
        for of_process in export.resource_spans {
            let process = of_process.resource.unwrap_or_default().attributes;
            let spans = of_process.scope_spans.into_iter().flat_map(|scope| scope.spans);
            received.extend(spans.map(|span| Received { span, process: process.clone() }));
        }
    }

    fn read(&self) -> MutexGuard<'_, Vec<Received>> {
        self.0.lock().expect("nobody panics with it")
    }
}

impl Collector {
    /// One that is spoken to by gRPC.
    pub(crate) fn start() -> Self {
        Self::by_grpc("http", Server::builder())
    }

    /// One that is reached by TLS.
    pub(crate) fn start_with(tls: ServerTlsConfig) -> Self {
        let server = Server::builder().tls_config(tls);
        Self::by_grpc("https", server.expect("the certificates are our own"))
    }

    fn by_grpc(scheme: &str, mut server: Server) -> Self {
        Self::listen(scheme, |listener, kept| async move {
            listener.set_nonblocking(true).expect("every listener may");
            let listener = TcpListener::from_std(listener).expect("there is a runtime");
            let service = server.add_service(TraceServiceServer::new(kept));
            service.serve_with_incoming(TcpIncoming::from(listener)).await.ok();
        })
    }

    /// One that does what `serve` does with a place to listen.
    pub(crate) fn listen<S>(
        scheme: &str,
        serve: impl FnOnce(std::net::TcpListener, Kept) -> S,
    ) -> Self
    where
        S: Future<Output = ()> + Send + 'static,
    {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a thread can be started");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let endpoint = format!("{scheme}://{}", listener.local_addr().expect("it is bound"));
        let kept = Kept::default();
        runtime.spawn(serve(listener, kept.clone()));
        Self { endpoint, kept, _runtime: runtime }
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// All spans of this name that have come, in the order of their beginnings.
    pub(crate) fn spans(&self, name: &str) -> Vec<Received> {
        let received = self.kept.read();
        let mut named: Vec<_> =
            received.iter().filter(|it| it.span.name == name).cloned().collect();
        named.sort_by_key(|it| it.span.start_time_unix_nano);
        named
    }

    /// The spans within `parent`, in the order of their beginnings.
    pub(crate) fn within(&self, parent: &Span) -> Vec<Span> {
        let received = self.kept.read();
        let mut within: Vec<_> = received
            .iter()
            .map(|it| &it.span)
            .filter(|it| it.trace_id == parent.trace_id && it.parent_span_id == parent.span_id)
            .cloned()
            .collect();
        // Those that took no time keep the order in which they were sent.
        within.sort_by_key(|span| span.start_time_unix_nano);
        within
    }

    /// The names of all spans that have come.
    pub(crate) fn names(&self) -> Vec<String> {
        let received = self.kept.read();
        received.iter().map(|it| it.span.name.clone()).collect()
    }
}

impl Received {
    /// An attribute of its process, as text.
    pub(crate) fn of_process(&self, key: &str) -> String {
        text(&self.process, key)
    }

    /// An attribute of the span, as text.
    pub(crate) fn attribute(&self, key: &str) -> String {
        text(&self.span.attributes, key)
    }

    /// What it links to, by the link's meaning: trace and span in hexadecimal digits.
    pub(crate) fn links(&self) -> Vec<(String, String, String)> {
        let link = |link: &opentelemetry_proto::tonic::trace::v1::span::Link| {
            (text(&link.attributes, "ttg.link"), hex(&link.trace_id), hex(&link.span_id))
        };
        self.span.links.iter().map(link).collect()
    }
}

/// An attribute as text; empty without one.
pub(crate) fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|it| it.key == key);
    let value = found.and_then(|it| it.value.as_ref()?.value.clone());
    match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(is_so)) => is_so.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}
