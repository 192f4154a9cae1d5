//! Traces by HTTP: the same spans, by the same rules, in another envelope.

use std::fs;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use ttg_runtime::broker::conformance::certificates;
use ttg_tests::{Ended, Running, Sandbox};

use crate::collector::Collector;
use crate::sandbox;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const OF_TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const PROTOCOL: (&str, &str) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");

fn run(sandbox: &Sandbox, variables: &[(&str, &str)]) -> Ended {
    let line = "run --job posted --parameters 100 --chunk-size 10 --json";
    let mut command = sandbox.command(line);
    command.envs(variables.iter().copied());
    Running::start(command, format!("{variables:?} ttg {line}")).end().expect_code(0)
}

#[test]
fn spans_are_posted_whole_in_as_many_requests_as_it_takes() {
    let collector = Collector::start_by_http(None);
    let of_traces = format!("{}/v1/traces", collector.endpoint());
    // The endpoint of all signals is where paths begin, that of traces is complete.
    for (at, to) in [(ENDPOINT, collector.endpoint()), (OF_TRACES, &*of_traces)] {
        let (sandbox, before) = (sandbox(), collector.names().len());
        let few = ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7");
        let ended = run(&sandbox, &[(at, to), PROTOCOL, few]);
        // Of each chunk an attempt and its four stages; the submission and its publishing.
        assert_eq!(collector.names().len() - before, 10 * 5 + 2, "{ended:#?}");
        let uid = ended.report().uid;
        let attempts = collector.spans("attempt");
        let of_job = attempts.iter().filter(|it| it.attribute("ttg.job.uid") == uid);
        let stages: Vec<_> = of_job.map(|it| collector.within(&it.span).len()).collect();
        assert_eq!(stages, [4; 10]);
    }
}

#[test]
fn a_collector_that_refuses_costs_its_spans_and_nothing_else() {
    let collector = Collector::start_by_http(None);
    let nowhere = format!("{}/v2/traces", collector.endpoint());
    let ended = run(&sandbox(), &[(OF_TRACES, &nowhere), PROTOCOL]);
    ended.report().assert_complete(100, 0);
    assert!(ended.stderr.contains("event=traces_dropped"), "{ended:#?}");
    assert!(ended.stderr.contains("404"), "{ended:#?}");
}

/// How the server speaks TLS: it takes only clients whom its authority knows.
fn tls(sandbox: &Sandbox) -> ServerConfig {
    let read = |name: &str| fs::read(sandbox.path(name)).expect("it was made");
    let certificates = |name: &str| {
        let certificates =
            CertificateDer::pem_slice_iter(&read(name)).collect::<Result<Vec<_>, _>>();
        certificates.expect("they are our own")
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates("ca.pem"));
    let provider = Arc::new(default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let key = PrivateKeyDer::from_pem_slice(&read("server.key")).expect("it is our own");
    let config = config
        .expect("they are the default")
        .with_client_cert_verifier(clients.build().expect("there is an authority"))
        .with_single_cert(certificates("server.pem"), key);
    config.expect("they belong together")
}

#[test]
fn by_tls_either_side_shows_who_it_is() {
    let sandbox = sandbox();
    certificates(&sandbox.path("."));
    let collector = Collector::start_by_http(Some(tls(&sandbox)));
    let file = |name: &str| sandbox.path(name).display().to_string();
    let [authority, other, certificate, key, system] =
        ["ca.pem", "other.pem", "client.pem", "client.key", "ca.pem"].map(file);
    let endpoint = (ENDPOINT, collector.endpoint());
    let ours = [
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &*certificate),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &*key),
    ];
    let [by_name, stranger] =
        [&authority, &other].map(|it| ("OTEL_EXPORTER_OTLP_CERTIFICATE", &**it));
    let by_system = ("SSL_CERT_FILE", &*system);
    let mut come = 0;
    for (variables, trusted) in [
        (&[by_name, ours[0], ours[1]][..], true),
        (&[by_system, ours[0], ours[1]], true),
        (&[stranger, ours[0], ours[1]], false),
        (&[by_name], false),
    ] {
        let ended = run(&sandbox, &[&[endpoint, PROTOCOL], variables].concat());
        come += usize::from(trusted);
        assert_eq!(collector.spans("run").len(), come, "{variables:?}: {ended:#?}");
    }
}
