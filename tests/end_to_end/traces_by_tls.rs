//! Traces to a collector that is reached by TLS: whom it is trusted by, and whom it trusts.

use std::fs;

use tonic::transport::{Certificate, Identity, ServerTlsConfig};
use ttg_runtime::broker::conformance::certificates;
use ttg_tests::{Ended, Running, Sandbox};

use crate::collector::Collector;
use crate::sandbox;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const AUTHORITY: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
const KEY: &str = "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY";

/// Where the libraries of TLS look for the system's certificates.
const SYSTEM: &str = "SSL_CERT_FILE";

fn read(sandbox: &Sandbox, name: &str) -> Vec<u8> {
    fs::read(sandbox.path(name)).expect("it was made")
}

/// How the server speaks TLS. With `asks` it takes only clients whom its authority knows.
fn tls(sandbox: &Sandbox, asks: bool) -> ServerTlsConfig {
    let identity = Identity::from_pem(read(sandbox, "server.pem"), read(sandbox, "server.key"));
    let tls = ServerTlsConfig::new().identity(identity);
    if asks { tls.client_ca_root(Certificate::from_pem(read(sandbox, "ca.pem"))) } else { tls }
}

/// Runs a small job with these variables, each naming a file.
fn run(sandbox: &Sandbox, endpoint: &str, files: &[(&str, &str)]) -> Ended {
    let mut command = sandbox.command("run --job by-tls --parameters 10");
    command.env(ENDPOINT, endpoint);
    command.envs(files.iter().map(|(name, file)| (name, sandbox.path(file))));
    Running::start(command, format!("{files:?} ttg run")).end()
}

#[test]
fn a_collector_is_trusted_by_the_named_authority_or_else_by_the_systems() {
    let sandbox = sandbox();
    certificates(&sandbox.path("."));
    let collector = Collector::start_with(tls(&sandbox, false));
    let mut come = 0;
    for (files, trusted) in [
        (&[(AUTHORITY, "ca.pem")][..], true),
        (&[(SYSTEM, "ca.pem")], true),
        (&[(SYSTEM, "other.pem")], false),
        (&[(AUTHORITY, "other.pem"), (SYSTEM, "ca.pem")], false),
    ] {
        let ended = run(&sandbox, collector.endpoint(), files).expect_code(0);
        come += usize::from(trusted);
        assert_eq!(collector.spans("run").len(), come, "{files:?}: {ended:#?}");
        assert_eq!(ended.stderr.contains("event=traces_dropped"), !trusted, "{ended:#?}");
    }
}

#[test]
fn a_collector_that_asks_who_we_are_is_shown_our_certificate() {
    let sandbox = sandbox();
    certificates(&sandbox.path("."));
    let collector = Collector::start_with(tls(&sandbox, true));
    let ours = [(AUTHORITY, "ca.pem"), (CERTIFICATE, "client.pem"), (KEY, "client.key")];
    run(&sandbox, collector.endpoint(), &ours[..1]).expect_code(0);
    assert_eq!(collector.names(), [""; 0], "it takes no strangers");
    run(&sandbox, collector.endpoint(), &ours).expect_code(0);
    assert_eq!(collector.spans("run").len(), 1);
}

#[test]
fn files_that_hold_nothing_of_use_are_told_before_anything_is_submitted() {
    let sandbox = sandbox();
    certificates(&sandbox.path("."));
    for (files, told) in [
        (&[(AUTHORITY, "nowhere.pem")][..], "No such file or directory"),
        (&[(AUTHORITY, "ca.key")], "it holds no certificate in PEM"),
        (&[(CERTIFICATE, "client.pem")], "its key is missing"),
        (&[(CERTIFICATE, "client.pem"), (KEY, "ca.pem")], "it holds no private key in PEM"),
        (&[(CERTIFICATE, "client.pem"), (KEY, "server.key")], "traces could not start"),
    ] {
        let ended = run(&sandbox, "https://127.0.0.1:1", files).expect_code(78);
        assert!(ended.stderr.contains(told), "{files:?}: {ended:#?}");
    }
    assert!(sandbox.look("by-tls").is_none(), "nothing was submitted");
}
