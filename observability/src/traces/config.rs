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
        let Some((_, endpoint)) = endpoint.filter(|_| !reader.is_true("OTEL_SDK_DISABLED")) else {
            return Ok(None);
        };
        if !reader.exports() {
            return Ok(None);
        }
        reader.check_protocol();
        reader.check_compression();
        let config = Self {
            tls: reader.tls(&endpoint),
            endpoint,
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

    fn check_protocol(&mut self) {
        if let Some((name, value)) = self.of_signal("PROTOCOL").filter(|(_, it)| it != "grpc") {
            let reason = "traces are sent by grpc, to a collector's port 4317";
            self.refuse(&name, &value, reason);
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
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");

    fn read(variables: &[(&str, &str)]) -> Result<Option<TracesConfig>, WrongVariables> {
        let variables: BTreeMap<_, _> = variables.iter().copied().collect();
        TracesConfig::from_variables(&|name| variables.get(name).map(|&value| value.to_owned()))
    }

    fn config(variables: &[(&str, &str)]) -> TracesConfig {
        read(&[&[ENDPOINT], variables].concat()).unwrap().unwrap()
    }

    #[test]
    fn nothing_is_traced_unless_an_endpoint_is_named_and_not_then_if_told_so() {
        let off: [&[(&str, &str)]; 5] = [
            &[],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")],
            &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
            // Nothing is read then.
            &[("OTEL_TRACES_SAMPLER", "dice")],
        ];
        for variables in off {
            assert_eq!(read(variables), Ok(None), "{variables:?}");
        }
        assert_eq!(config(&[]).endpoint, "http://collector:4317");
        let of_traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces:4317");
        assert_eq!(config(&[of_traces]).endpoint, "https://traces:4317");
        assert_eq!(config(&[("OTEL_TRACES_EXPORTER", "console, otlp")]).endpoint, ENDPOINT.1);
    }

    #[test]
    fn without_a_word_all_is_as_the_standard_says() {
        let expected = TracesConfig {
            endpoint: ENDPOINT.1.to_owned(),
            tls: None,
            timeout: Duration::from_secs(10),
            service: None,
            resource: Vec::new(),
            sampling: Sampling { ratio: 1.0, by_parent: true },
            batching: Batching {
                queue_spans_max: 2_048,
                batch_spans_max: 512,
                delay: Duration::from_secs(5),
            },
        };
        assert_eq!(config(&[]), expected);
    }

    #[test]
    fn the_variables_are_heard() {
        let config = config(&[
            ("OTEL_SERVICE_NAME", "sweeps"),
            ("OTEL_RESOURCE_ATTRIBUTES", "team=a%20b, deployment.environment.name=prod,"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
            ("OTEL_BSP_SCHEDULE_DELAY", "20"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "9000"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "700"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ]);
        assert_eq!(config.service.as_deref(), Some("sweeps"));
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let resource = [pair("team", "a b"), pair("deployment.environment.name", "prod")];
        assert_eq!(config.resource, resource);
        assert_eq!(config.sampling, Sampling { ratio: 0.25, by_parent: false });
        let delay = Duration::from_millis(20);
        let batching = Batching { queue_spans_max: 100, batch_spans_max: 100, delay };
        assert_eq!(config.batching, batching);
        assert_eq!(config.timeout, Duration::from_millis(700));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let wrong = read(&[
            ENDPOINT,
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "lz4"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            ("OTEL_RESOURCE_ATTRIBUTES", "team"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4000"),
            ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ])
        .unwrap_err();
        for (told, starts) in wrong.0.iter().zip([
            "OTEL_TRACES_EXPORTER is `zipkin`: ",
            "OTEL_EXPORTER_OTLP_PROTOCOL is `http/json`: ",
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION is `lz4`: ",
            "OTEL_EXPORTER_OTLP_TIMEOUT is `soon`: ",
            "OTEL_RESOURCE_ATTRIBUTES is `team`: ",
            "OTEL_TRACES_SAMPLER_ARG is `2`: ",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE is `4000`: ",
            "OTEL_BSP_SCHEDULE_DELAY is `0`: ",
        ]) {
            assert!(told.starts_with(starts), "{told}");
        }
        assert_eq!(wrong.0.len(), 8, "{wrong}");
        for sampler in ["dice", "parentbased_dice", "jaeger_remote"] {
            assert!(read(&[ENDPOINT, ("OTEL_TRACES_SAMPLER", sampler)]).is_err(), "{sampler}");
        }
    }

    #[test]
    fn certificates_are_for_collectors_that_are_reached_by_tls() {
        const CA: (&str, &str) = ("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem");
        let own = |what: &str| (format!("OTEL_EXPORTER_OTLP_CLIENT_{what}"), format!("{what}.pem"));
        let [(ours, our_file), (key, key_file)] = ["CERTIFICATE", "KEY"].map(own);
        let tls = |endpoint, more: &[(&str, &str)]| {
            let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
            read(&[&[endpoint, CA], more].concat()).map(|config| config.unwrap().tls)
        };
        let secure = ("OTEL_EXPORTER_OTLP_INSECURE", "false");
        let insecure = ("OTEL_EXPORTER_OTLP_INSECURE", "true");
        assert_eq!(tls("http://collector:4317", &[]), Ok(None));
        assert_eq!(tls("collector:4317", &[insecure]), Ok(None));
        for (endpoint, variable) in [("https://collector", insecure), ("collector:4317", secure)] {
            let tls = tls(endpoint, &[variable]).unwrap().unwrap();
            let authority = tls.authority.map(|(_, path)| path);
            assert_eq!((authority.as_deref(), tls.identity), (Some("ca.pem"), None));
        }
        let of_traces = ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "traces.pem");
        let both = [of_traces, (&*ours, &*our_file), (&*key, &*key_file)];
        let both = tls("https://collector", &both).unwrap().unwrap();
        assert_eq!(both.authority.unwrap().1, "traces.pem");
        assert_eq!(both.identity, Some(["CERTIFICATE", "KEY"].map(own)));
        for alone in [(&*ours, &*our_file), (&*key, &*key_file)] {
            let told = tls("https://collector", &[alone]).unwrap_err().to_string();
            assert!(told.starts_with(&format!("{} is `{}`: its ", alone.0, alone.1)), "{told}");
        }
    }

    #[test]
    fn a_queue_without_room_for_an_attempt_is_refused() {
        let queue = |size| read(&[ENDPOINT, ("OTEL_BSP_MAX_QUEUE_SIZE", size)]);
        assert_eq!(queue("5").unwrap().unwrap().batching.queue_spans_max, 5);
        let told = "OTEL_BSP_MAX_QUEUE_SIZE is `4`: write a whole number from 5";
        assert_eq!(queue("4").unwrap_err().to_string(), told);
    }

    #[test]
    fn every_variable_is_in_the_readme() {
        let readme = include_str!("../../traces.md");
        let asked = std::cell::RefCell::new(Vec::new());
        let answer = |name: &str| {
            asked.borrow_mut().push(name.to_owned());
            let sampler = "traceidratio".to_owned();
            (name == "OTEL_TRACES_SAMPLER")
                .then_some(sampler)
                .or_else(|| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| ENDPOINT.1.to_owned()))
        };
        TracesConfig::from_variables(&answer).unwrap().unwrap();
        let asked = asked.into_inner();
        assert!(asked.len() > 15, "{asked:?}");
        for name in asked {
            assert!(readme.contains(&format!("`{name}`")), "{name} is not in the README");
        }
    }

    #[test]
    fn percent_signs_are_decoded() {
        assert_eq!(decoded("a%2Cb%C3%A4").as_deref(), Some("a,bä"));
        for bad in ["%", "%4", "%zz", "%+1", "%ff"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }
}
