//! A real Prometheus with the configuration of the stack.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::http::get;
use crate::process::{Running, until};

/// The folder of the stack's configuration.
pub fn stack() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../observability/stack")
}

/// How it differs from the stack's, which takes its time.
#[derive(Debug, Clone, Copy)]
pub struct Haste {
    /// How often it asks a process, and how long it waits for the answer.
    pub scrape_every: &'static str,
    /// Whether alerts fire at once, and not after the time that a fault has to mend itself.
    pub fires_at_once: bool,
}

/// A pause between two looks at it: what it says changes with a scrape.
const PAUSE: Duration = Duration::from_millis(100);

/// A server with the stack's configuration, but for its [`Haste`]; it ends with the value.
pub struct Prometheus {
    address: String,
    server: Running,
    _dir: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes `targets`, and evaluates its rules every second.
    ///
    /// # Panics
    /// If there is no `prometheus`, or it refuses the configuration.
    pub fn start(targets: &[&str], haste: Haste) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let from = stack().join("prometheus");
        let read = |name: &str| fs::read_to_string(from.join(name)).expect("it is there");
        let write = |name: &str, text: &str| {
            fs::write(dir.path().join(name), text).expect("the folder is ours");
        };
        let every = |what: &str, time: &str| format!("{what}_interval: {time}");
        let config = read("prometheus.yml")
            .replace(&every("scrape", "15s"), &every("scrape", haste.scrape_every))
            .replace(&every("evaluation", "15s"), &every("evaluation", "1s"));
        write("prometheus.yml", &config);
        let rules = read("rules.yml");
        let at_once = |line: &str| match line.split_once("for: ") {
            Some((indent, _)) if haste.fires_at_once => format!("{indent}for: 0s\n"),
            _ => format!("{line}\n"),
        };
        write("rules.yml", &rules.lines().map(at_once).collect::<String>());
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
        Self { address, server, _dir: dir }
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

    /// Waits until `expression` has a sample. Returns the first.
    ///
    /// # Panics
    /// If the deadline comes before it, or Prometheus refuses the expression or ends.
    pub fn reaches(&mut self, expression: &str) -> f64 {
        until(expression, || {
            let samples = self.query(expression);
            let samples = samples.unwrap_or_else(|error| panic!("{error}: {expression}"));
            if samples.is_empty() {
                assert!(!self.server.ends_within(PAUSE), "{}", self.server);
            }
            samples.first().copied()
        })
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
