//! Tests of the variables, apart for length.

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
        protocol: Protocol::Grpc,
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
fn by_http_the_endpoint_of_all_signals_is_where_the_path_of_traces_begins() {
    let by_http = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf");
    let endpoint = |name, endpoint, more: &[(&str, &str)]| {
        let config = read(&[&[(name, endpoint), by_http], more].concat()).unwrap().unwrap();
        assert_eq!(config.protocol, Protocol::Http);
        config.endpoint
    };
    let (of_all, of_traces) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    assert_eq!(endpoint(of_all, "http://a:4318", &[]), "http://a:4318/v1/traces");
    assert_eq!(endpoint(of_all, "https://a/otlp/", &[]), "https://a/otlp/v1/traces");
    assert_eq!(endpoint(of_all, "a:4318", &[]), "https://a:4318/v1/traces");
    let insecure = ("OTEL_EXPORTER_OTLP_INSECURE", "true");
    assert_eq!(endpoint(of_all, "a:4318", &[insecure]), "http://a:4318/v1/traces");
    assert_eq!(endpoint(of_traces, "http://a:4318/mine", &[]), "http://a:4318/mine");
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
