//! A real Prometheus with the configuration of the stack.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::http::get;
use crate::process::Running;

/// The folder of the stack's configuration.
pub fn stack() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../observability/stack")
}

/// A server that scrapes every second; it ends with the value.
pub struct Prometheus {
    address: String,
    _server: Running,
    _dir: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes `targets`.
    ///
    /// # Panics
    /// If there is no `prometheus`, or it refuses the configuration.
    pub fn start(targets: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let from = stack().join("prometheus");
        let read = |name: &str| fs::read_to_string(from.join(name)).expect("it is there");
        let write = |name: &str, text: &str| {
            fs::write(dir.path().join(name), text).expect("the folder is ours");
        };
        // Each second, and otherwise as it is.
        write("prometheus.yml", &read("prometheus.yml").replace(": 15s", ": 1s"));
        write("rules.yml", &read("rules.yml"));
        fs::create_dir(dir.path().join("targets")).expect("the folder is ours");
        write("targets/test.yml", &format!("- targets: {targets:?}\n"));

        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a port is free").to_string();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--web.listen-address={address}"))
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .current_dir(dir.path());
        let mut server = Running::start(command, "prometheus".to_owned());
        server.until_line("Server is ready");
        Self { address, _server: server, _dir: dir }
    }

    /// What `expression` is now: the samples of an instant vector.
    ///
    /// # Errors
    /// What Prometheus says of an expression that it refuses.
    pub fn query(&self, expression: &str) -> Result<Vec<f64>, String> {
        let answer = self.api(&format!("query?query={}", encoded(expression)));
        if let Some(error) = answer["error"].as_str() {
            return Err(error.to_owned());
        }
        let samples = answer["data"]["result"].as_array().ok_or("no vector")?;
        let value = |sample: &Value| sample["value"][1].as_str()?.parse().ok();
        Ok(samples.iter().filter_map(value).collect())
    }

    /// What its API says at `path`.
    ///
    /// # Panics
    /// If that is no JSON.
    pub fn api(&self, path: &str) -> Value {
        let body = get(&self.address, &format!("/api/v1/{path}")).body;
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }
}

/// `text` as it may stand in an address.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes all");
        }
        encoded
    })
}
