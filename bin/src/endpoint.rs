//! `--listen`: metrics and probes over HTTP, for Prometheus and Kubernetes.
//!
//! A request is answered by the runtime that the actors run on, so that a process which is wedged
//! does not answer its probe, either.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use ttg_actors::WorkerHealth;
use ttg_observability::metrics::{JobParameters, Metrics, QueueState};
use ttg_runtime::broker::{JobProgress, JobState};
use ttg_runtime::{Broker, BrokerError, Clock, JobUid, SystemClock};

use crate::error::CommandError;

/// How long a request may take to arrive: a connection without one is closed.
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// Connections at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 32;

/// How long the broker is asked for what only it knows, before the rest is told without it.
const BROKER_MAX: Duration = Duration::from_secs(2);

/// The pause after a connection that could not be accepted, for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

const NAMES: &str = "/metrics\n/livez\n/readyz\n";
const PLAIN: &str = "text/plain; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A place to listen, taken before the work starts, so that a place that is taken ends it.
pub(crate) struct Endpoint(TcpListener);

impl Endpoint {
    /// Listens at `address`, if there is one.
    pub(crate) async fn bind(address: Option<SocketAddr>) -> Result<Option<Self>, CommandError> {
        let Some(address) = address else { return Ok(None) };
        let failed = |cause| CommandError::Listen { address, cause };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        tracing::info!(event = "listening", %address, "serving metrics and probes");
        Ok(Some(Self(listener)))
    }

    /// Answers until the runtime ends.
    pub(crate) fn serve(self, watched: Watched) {
        let watched = Arc::new(watched);
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        tokio::spawn(async move {
            while let Ok(permit) = Arc::clone(&connections).acquire_owned().await {
                match self.0.accept().await {
                    Ok((stream, _)) => {
                        let watched = Arc::clone(&watched);
                        tokio::spawn(async move {
                            converse(stream, watched).await;
                            drop(permit);
                        });
                    }
                    Err(error) => {
                        tracing::debug!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_RETRY).await;
                    }
                }
            }
        });
    }
}

/// What is served.
pub(crate) struct Watched {
    metrics: Metrics,
    broker: Arc<dyn Broker>,
    /// Of the worker in this process, if there is one.
    health: Option<Arc<WorkerHealth>>,
    /// Jobs that ran when they were last looked at: what became of them is shown, too.
    running: Mutex<BTreeSet<JobUid>>,
}

async fn converse(stream: TcpStream, watched: Arc<Watched>) {
    let answer = service_fn(|request: Request<Incoming>| {
        let watched = Arc::clone(&watched);
        async move { Ok::<_, Infallible>(watched.answer(&request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_MAX)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

impl Watched {
    /// What `broker` and these say; of a process without a worker, the broker alone.
    pub(crate) fn new(
        metrics: &Metrics,
        broker: &Arc<dyn Broker>,
        health: Option<&Arc<WorkerHealth>>,
    ) -> Self {
        let (metrics, broker, health) = (metrics.clone(), Arc::clone(broker), health.cloned());
        Self { metrics, broker, health, running: Mutex::default() }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/metrics" => self.metrics().await,
            "/livez" => probe(self.live()),
            "/readyz" => probe(self.ready().await),
            "/" => text(StatusCode::OK, NAMES),
            _ => text(StatusCode::NOT_FOUND, NAMES),
        }
    }

    async fn metrics(&self) -> Response<Full<Bytes>> {
        match tokio::time::timeout(BROKER_MAX, self.count_queue()).await {
            Ok(Ok(())) => {}
            // The gauges keep what they showed; that the broker is away has metrics of its own.
            Ok(Err(error)) => tracing::debug!(%error, "the queue could not be counted"),
            Err(_) => tracing::debug!("counting the queue took too long"),
        }
        respond(StatusCode::OK, PROMETHEUS, self.metrics.render())
    }

    fn live(&self) -> Result<(), String> {
        match &self.health {
            Some(health) => health.live(SystemClock.now()).map_err(|ailment| ailment.to_string()),
            None => Ok(()),
        }
    }

    async fn ready(&self) -> Result<(), String> {
        match &self.health {
            Some(health) => health.ready(SystemClock.now()).map_err(|ailment| ailment.to_string()),
            None => match tokio::time::timeout(BROKER_MAX, self.broker.jobs()).await {
                Ok(jobs) => jobs.map(drop).map_err(|error| error.to_string()),
                Err(_) => Err("the broker does not answer".to_owned()),
            },
        }
    }

    /// What only the broker knows is asked for when it is scraped.
    async fn count_queue(&self) -> Result<(), BrokerError> {
        let mut depths = [0; 5];
        for (job, progress) in self.broker.overview().await? {
            let JobProgress { state, chunks, parameters, .. } = progress;
            let counts =
                [chunks.ready, chunks.in_flight, chunks.delayed, chunks.completed, chunks.dead];
            depths.iter_mut().zip(counts).for_each(|(depth, count)| *depth += count);
            if self.shows(job.uid, state) {
                let (total, completed, dead) =
                    (parameters.total, parameters.completed, parameters.dead);
                let parameters = JobParameters { total, completed, dead };
                self.metrics.set_job_parameters(job.name.as_str(), parameters);
            }
        }
        let states = [
            QueueState::Ready,
            QueueState::InFlight,
            QueueState::Delayed,
            QueueState::Done,
            QueueState::Dead,
        ];
        for (state, depth) in states.into_iter().zip(depths) {
            self.metrics.queue_depth(state).set(depth);
        }
        Ok(())
    }
}

impl Watched {
    /// Whether the job runs, or did when it was last looked at.
    fn shows(&self, job: JobUid, state: JobState) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match state {
            JobState::Running => {
                running.insert(job);
                true
            }
            JobState::Complete | JobState::Cancelled => running.remove(&job),
        }
    }
}

fn probe(well: Result<(), String>) -> Response<Full<Bytes>> {
    match well {
        Ok(()) => text(StatusCode::OK, "ok\n"),
        Err(ailment) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{ailment}\n")),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    respond(status, PLAIN, body)
}

fn respond(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
