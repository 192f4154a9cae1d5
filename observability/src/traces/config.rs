//! The standard variables of OpenTelemetry, read once and checked.

use std::time::Duration;

use thiserror::Error;

use super::attempt::SPANS_MAX;
use super::tls::Tls;

/// Looks up a variable; what is set to nothing counts as not set.
type LookUp<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where traces go and which.
#[derive(Debug, Clone, PartialEq)]
pub struct TracesConfig {
    pub(super) endpoint: String,
    pub(super) protocol: Protocol,
    /// How it is reached, unless that is by plain HTTP.
    pub(super) tls: Option<Tls>,
    /// For one batch.
    pub(super) timeout: Duration,
    /// What the process is called, whatever its attributes say.
    pub(super) service: Option<String>,
    /// Attributes of the process.
    pub(super) resource: Vec<(String, String)>,
    pub(super) sampling: Sampling,
    pub(super) batching: Batching,
}

/// What a collector is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    /// Protobuf over HTTP.
    Http,
}

/// Which traces are exported though nothing failed in them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampling {
    /// Of the traces that begin here, by their ids; from 0 to 1.
    pub(super) ratio: f64,
    /// A submission does what its parent does.
    pub(super) by_parent: bool,
}

/// How spans gather.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batching {
    pub(super) queue_spans_max: usize,
    pub(super) batch_spans_max: usize,
    pub(super) delay: Duration,
}

/// Variables that do not fit, all of them.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{}", .0.join("; "))]
pub struct WrongVariables(pub(super) Vec<String>);

/// The variables as they are read, and what is wrong with them.
struct Reader<'a> {
    look_up: LookUp<'a>,
    wrong: Vec<String>,
}

impl TracesConfig {
    /// What the variables say; `None` if they ask for no traces, which is so unless they name an
    /// endpoint.
    ///
    /// # Errors
    /// [`WrongVariables`]: values that mean nothing here.
    pub fn from_variables(look_up: LookUp<'_>) -> Result<Option<Self>, WrongVariables> {
        let mut reader = Reader { look_up, wrong: Vec::new() };
        let endpoint = reader.of_signal("ENDPOINT");
        let endpoint = endpoint.filter(|_| !reader.is_true("OTEL_SDK_DISABLED"));
        let Some((variable, mut endpoint)) = endpoint else {
            return Ok(None);
        };
        if !reader.exports() {
            return Ok(None);
        }
        let protocol = reader.protocol();
        reader.check_compression();
        let tls = reader.tls(&endpoint);
        if protocol == Protocol::Http {
            endpoint = url(&endpoint, tls.is_some(), variable.contains("TRACES"));
        }
        let config = Self {
            endpoint,
            protocol,
            tls,
            timeout: reader.timeout(),
            service: reader.text("OTEL_SERVICE_NAME"),
            resource: reader.resource(),
            sampling: reader.sampling(),
            batching: reader.batching(),
        };
        if reader.wrong.is_empty() { Ok(Some(config)) } else { Err(WrongVariables(reader.wrong)) }
    }
}

impl Reader<'_> {
    fn text(&self, name: &str) -> Option<String> {
        (self.look_up)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The variable of traces, or else the one of all signals, with its name.
    fn of_signal(&self, what: &str) -> Option<(String, String)> {
        let names = ["OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"];
        names.map(|name| format!("{name}{what}")).into_iter().find_map(|name| {
            let text = self.text(&name)?;
            Some((name, text))
        })
    }

    fn is_true(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    fn refuse(&mut self, name: &str, value: &str, reason: &str) {
        self.wrong.push(format!("{name} is `{value}`: {reason}"));
    }

    fn exports(&mut self) -> bool {
        let name = "OTEL_TRACES_EXPORTER";
        let Some(text) = self.text(name) else { return true };
        let mut exporters = text.split(',').map(str::trim);
        if exporters.clone().any(|exporter| exporter == "otlp") {
            return true;
        }
        if !exporters.all(|exporter| exporter == "none") {
            self.refuse(name, &text, "write otlp or none");
            // So that the fault is told.
            return true;
        }
        false
    }

    fn protocol(&mut self) -> Protocol {
        let Some((name, value)) = self.of_signal("PROTOCOL") else { return Protocol::Grpc };
        match value.as_str() {
            "grpc" => Protocol::Grpc,
            "http/protobuf" => Protocol::Http,
            _ => {
                let known = "write grpc, for a collector's port 4317, or http/protobuf, for 4318";
                self.refuse(&name, &value, known);
                Protocol::Grpc
            }
        }
    }

    fn check_compression(&mut self) {
        let known = |value: &str| ["gzip", "none"].contains(&value.to_ascii_lowercase().as_str());
        if let Some((name, value)) = self.of_signal("COMPRESSION").filter(|(_, it)| !known(it)) {
            self.refuse(&name, &value, "write gzip or none");
        }
    }

    fn tls(&mut self, endpoint: &str) -> Option<Tls> {
        let insecure = self.of_signal("INSECURE").filter(|(_, it)| it.eq_ignore_ascii_case("true"));
        let authority = self.of_signal("CERTIFICATE");
        let ours = (self.of_signal("CLIENT_CERTIFICATE"), self.of_signal("CLIENT_KEY"));
        let is_plain = match endpoint.split_once("://") {
            Some((scheme, _)) => !scheme.eq_ignore_ascii_case("https"),
            None => insecure.is_some(),
        };
        if is_plain {
            return None;
        }
        let identity = match ours {
            (Some(certificate), Some(key)) => Some([certificate, key]),
            (Some((name, value)), None) => {
                self.refuse(&name, &value, "its key is missing, name it by CLIENT_KEY");
                None
            }
            (None, Some((name, value))) => {
                let reason = "its certificate is missing, name it by CLIENT_CERTIFICATE";
                self.refuse(&name, &value, reason);
                None
            }
            (None, None) => None,
        };
        Some(Tls { authority, identity })
    }

    fn timeout(&mut self) -> Duration {
        let name = self.of_signal("TIMEOUT").map(|(name, _)| name).unwrap_or_default();
        let of_request = self.number(&name, 1, 10_000);
        let of_batch = self.number("OTEL_BSP_EXPORT_TIMEOUT", 1, 30_000);
        Duration::from_millis(of_request.min(of_batch))
    }

    fn number(&mut self, name: &str, least: u64, default: u64) -> u64 {
        let Some(text) = self.text(name) else { return default };
        match text.parse::<u64>() {
            Ok(number) if number >= least => number,
            _ => {
                self.refuse(name, &text, &format!("write a whole number from {least}"));
                default
            }
        }
    }

    fn batching(&mut self) -> Batching {
        let (queue, batch) = ("OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE");
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        // The queue is allocated as a whole. In a shorter one no attempt would ever have room.
        let queue_spans_max = self.number(queue, SPANS_MAX as u64, 2_048).min(1 << 20);
        let batch_spans_max = self.number(batch, 1, queue_spans_max.min(512));
        if batch_spans_max > queue_spans_max {
            let reason = format!("the queue, {queue}, has room for {queue_spans_max}");
            self.refuse(batch, &batch_spans_max.to_string(), &reason);
        }
        Batching {
            queue_spans_max: size(queue_spans_max),
            batch_spans_max: size(batch_spans_max),
            delay: Duration::from_millis(self.number("OTEL_BSP_SCHEDULE_DELAY", 1, 5_000)),
        }
    }

    fn sampling(&mut self) -> Sampling {
        let name = "OTEL_TRACES_SAMPLER";
        let Some(text) = self.text(name) else { return Sampling { ratio: 1.0, by_parent: true } };
        let (by_parent, root) = match text.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, &*text),
        };
        let ratio = match root {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => self.ratio(),
            _ => {
                let known = "write always_on, always_off or traceidratio, or one of them with \
                             parentbased_ before it";
                self.refuse(name, &text, known);
                1.0
            }
        };
        Sampling { ratio, by_parent }
    }

    fn ratio(&mut self) -> f64 {
        let name = "OTEL_TRACES_SAMPLER_ARG";
        let Some(text) = self.text(name) else { return 1.0 };
        match text.parse::<f64>() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => ratio,
            _ => {
                self.refuse(name, &text, "write a number from 0 to 1");
                1.0
            }
        }
    }

    fn resource(&mut self) -> Vec<(String, String)> {
        let name = "OTEL_RESOURCE_ATTRIBUTES";
        let Some(text) = self.text(name) else { return Vec::new() };
        let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
        let parsed: Option<Vec<_>> = pairs
            .map(|pair| {
                let (key, value) = pair.split_once('=')?;
                let (key, value) = (decoded(key.trim())?, decoded(value.trim())?);
                (!key.is_empty()).then_some((key, value))
            })
            .collect();
        parsed.unwrap_or_else(|| {
            self.refuse(name, &text, "write key=value,key=value, with other signs as %XX");
            Vec::new()
        })
    }
}

/// Where traces are posted. The endpoint of all signals is what their paths begin with; that of traces
/// is complete.
fn url(endpoint: &str, is_tls: bool, of_traces: bool) -> String {
    let scheme = match (endpoint.contains("://"), is_tls) {
        (true, _) => "",
        (false, true) => "https://",
        (false, false) => "http://",
    };
    if of_traces {
        return format!("{scheme}{endpoint}");
    }
    format!("{scheme}{}/v1/traces", endpoint.trim_end_matches('/'))
}

/// What `text` stands for, each `%XX` in it a byte.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let code = part.get(..2).filter(|code| code.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        bytes.extend(part.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
