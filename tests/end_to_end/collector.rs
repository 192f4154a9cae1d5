//! A collector: it takes spans by OTLP over gRPC, as the published protocol says, and keeps them.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// It listens for as long as it lives.
pub(crate) struct Collector {
    endpoint: String,
    received: Arc<Mutex<Vec<Received>>>,
    _runtime: Runtime,
}

/// A span, and the process that it came from.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) span: Span,
    process: Vec<KeyValue>,
}

struct Service(Arc<Mutex<Vec<Received>>>);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut received = self.0.lock().expect("nobody panics with it");
        for of_process in request.into_inner().resource_spans {
            let process = of_process.resource.unwrap_or_default().attributes;
            let spans = of_process.scope_spans.into_iter().flat_map(|scope| scope.spans);
            received.extend(spans.map(|span| Received { span, process: process.clone() }));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    pub(crate) fn start() -> Self {
        Self::serve("http", Server::builder())
    }

    /// One that is reached by TLS.
    pub(crate) fn start_with(tls: ServerTlsConfig) -> Self {
        let server = Server::builder().tls_config(tls);
        Self::serve("https", server.expect("the certificates are our own"))
    }

    fn serve(scheme: &str, mut server: Server) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a thread can be started");
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let service = TraceServiceServer::new(Service(Arc::clone(&received)));
        let _inside = runtime.enter();
        let any_port = "127.0.0.1:0".parse().expect("it is an address");
        let incoming = TcpIncoming::bind(any_port).expect("a port is free");
        let address = incoming.local_addr().expect("it is bound");
        runtime.spawn(server.add_service(service).serve_with_incoming(incoming));
        let endpoint = format!("{scheme}://{address}");
        Self { endpoint, received, _runtime: runtime }
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// All spans of this name that have come, in the order of their beginnings.
    pub(crate) fn spans(&self, name: &str) -> Vec<Received> {
        let received = self.received.lock().expect("nobody panics with it");
        let mut named: Vec<_> =
            received.iter().filter(|it| it.span.name == name).cloned().collect();
        named.sort_by_key(|it| it.span.start_time_unix_nano);
        named
    }

    /// The spans within `parent`, in the order of their beginnings.
    pub(crate) fn within(&self, parent: &Span) -> Vec<Span> {
        let received = self.received.lock().expect("nobody panics with it");
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
        let received = self.received.lock().expect("nobody panics with it");
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
