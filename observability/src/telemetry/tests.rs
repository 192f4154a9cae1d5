use std::io;

use serde_json::Value;
use tracing::field::Empty;
use tracing::{debug, error, info, info_span, warn};

use super::capture::{capture, capture_with, identity};
use super::*;

const NOBODY: fn() -> Identity = || Identity { host: "laptop".to_owned(), ..Identity::default() };

fn text(work: impl FnOnce()) -> Vec<String> {
    capture(LogFormat::Text, NOBODY(), work)
}

fn json(work: impl FnOnce()) -> Vec<Value> {
    let lines = capture(LogFormat::Json, identity(), work);
    lines.iter().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn a_text_line_says_when_what_and_who() {
    let lines = capture(LogFormat::Text, identity(), || {
        info!(chunk = 17, seconds = 0.5, first = true, kernel = "primes", "chunk committed");
    });
    assert_eq!(
        lines,
        ["2026-01-02T03:04:05.006Z  INFO chunk committed chunk=17 seconds=0.5 first=true \
          kernel=primes worker=ttg-worker-7d4-x2k9f-3f9a1c host=kind-worker2 \
          pod=ttg-worker-7d4-x2k9f node=kind-worker2"]
    );
}

#[test]
fn a_json_line_keeps_types_and_order() {
    let lines = capture(LogFormat::Json, identity(), || {
        info!(chunk = 17, seconds = 0.5, first = true, kernel = "primes", "chunk committed");
    });
    assert_eq!(
        lines,
        [concat!(
            r#"{"timestamp":"2026-01-02T03:04:05.006Z","level":"INFO","#,
            r#""target":"ttg_observability::telemetry::tests","message":"chunk committed","#,
            r#""chunk":17,"seconds":0.5,"first":true,"kernel":"primes","#,
            r#""worker":"ttg-worker-7d4-x2k9f-3f9a1c","host":"kind-worker2","#,
            r#""pod":"ttg-worker-7d4-x2k9f","node":"kind-worker2"}"#,
        )]
    );
}

#[test]
fn who_is_absent_is_left_out_of_text_and_null_in_json() {
    assert_eq!(text(|| warn!("slow")), ["2026-01-02T03:04:05.006Z  WARN slow host=laptop"]);
    let lines = capture(LogFormat::Json, NOBODY(), || warn!("slow"));
    let object: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(object["worker"], Value::Null);
    assert_eq!(object["host"], "laptop");
    assert!(object.as_object().unwrap().contains_key("pod"));
    assert!(object.as_object().unwrap().contains_key("node"));
}

#[test]
fn a_field_cannot_take_the_place_of_what_the_line_says_itself() {
    let work = || {
        let span = info_span!("outer", host = "span", message = "span");
        let _entered = span.enter();
        info!(worker = "event", level = 5, timestamp = 6, target = 7, node = 8, "true message");
    };
    let object = json(work).remove(0);
    let untouched = json(|| info!("true message")).remove(0);
    for (key, value) in untouched.as_object().unwrap() {
        assert_eq!(&object[key], value, "{key}");
    }
    assert_eq!(object["field.worker"], "event");
    assert_eq!(object["field.level"], 5);
    assert_eq!(object["field.host"], "span");
    assert_eq!(object["field.message"], "span");
    assert_eq!(text(work)[0].matches(" host=").count(), 1);
}

#[test]
fn whatever_a_string_holds_is_one_valid_line_and_comes_back() {
    let nasty = [
        "",
        "a\nb\r\n",
        "quote \" backslash \\ brace }",
        "\u{1b}[31m \0 \u{7} \u{2028}",
        "🦀 \u{fffd}",
        "a=b",
        "\",\"level\":\"x",
    ];
    for string in nasty {
        let work = || error!(string, "{string}");
        let object = json(work).remove(0);
        assert_eq!(object["string"], string);
        assert_eq!(object["message"], string);
        let lines = text(work);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(!lines[0].contains(char::is_control), "{lines:?}");
    }
}

#[test]
fn text_quotes_only_what_is_not_one_word() {
    let lines = text(|| {
        info!(path = "/a/b", words = "a b", empty = "", pair = "a=b", "m\tn");
    });
    assert_eq!(
        lines,
        [
            r#"2026-01-02T03:04:05.006Z  INFO m\tn path=/a/b words="a b" empty="" pair="a=b" host=laptop"#
        ]
    );
}

#[test]
fn numbers_that_json_cannot_hold_stay_valid() {
    let object = json(|| info!(nan = f64::NAN, infinite = f64::INFINITY, huge = u128::MAX));
    assert_eq!(object[0]["nan"], Value::Null);
    assert_eq!(object[0]["infinite"], Value::Null);
    assert_eq!(object[0]["huge"], u128::MAX.to_string());
    let object = json(|| info!(most = u64::MAX, least = i64::MIN));
    assert_eq!(object[0]["most"], u64::MAX);
    assert_eq!(object[0]["least"], i64::MIN);
}

#[test]
fn an_event_wins_over_its_span_and_the_inner_span_over_the_outer() {
    let object = json(|| {
        let outer = info_span!("outer", job = "sweep", depth = 1, chunk = 1, late = Empty);
        outer.record("late", 2.5);
        let _outer = outer.enter();
        let inner = info_span!("inner", depth = 2, chunk = 2);
        let _inner = inner.enter();
        info!(chunk = 3, "deep");
    });
    assert_eq!(object[0]["job"], "sweep");
    assert_eq!(object[0]["depth"], 2);
    assert_eq!(object[0]["chunk"], 3);
    assert_eq!(object[0]["late"], 2.5);
}

#[test]
fn an_error_is_shown_with_its_causes() {
    #[derive(Debug, Error)]
    #[error("broker is unreachable")]
    struct Unreachable(#[source] io::Error);
    let error = Unreachable(io::Error::other("connection refused"));
    let object = json(|| warn!(error = &error as &(dyn std::error::Error + 'static), "lost"));
    assert_eq!(object[0]["error"], "broker is unreachable: connection refused");
}

#[test]
fn a_value_that_cannot_be_shown_does_not_cost_the_line() {
    struct Broken;
    impl std::fmt::Display for Broken {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }
    let object = json(|| info!(value = %Broken, "still here"));
    assert_eq!(object[0]["message"], "still here");
    assert_eq!(object[0]["value"], "<cannot be shown>");
}

#[test]
fn colours_come_only_when_asked_for_and_only_in_text() {
    let lines_of = |format, colour| {
        let config = LogConfig::new(format, LogFilter::default(), NOBODY()).colour(colour);
        capture_with(config, || info!(a = 1, "painted"))
    };
    let painted = lines_of(LogFormat::Text, true);
    assert!(painted[0].contains("\u{1b}[32m INFO\u{1b}[0m"), "{painted:?}");
    assert!(!lines_of(LogFormat::Text, false)[0].contains('\u{1b}'));
    assert!(!lines_of(LogFormat::Json, true)[0].contains("u001b"));
}

#[test]
fn the_filter_is_by_level_and_by_prefix_of_the_target() {
    let messages = |filter: &str| {
        let config = LogConfig::new(LogFormat::Text, filter.parse().unwrap(), NOBODY());
        let lines = capture_with(config, || {
            debug!(target: "ttg_actors::dispatcher", "ours");
            debug!(target: "elsewhere", "theirs");
            warn!(target: "elsewhere", "warning");
        });
        let second = |line: &String| line.split_whitespace().nth(2).unwrap().to_owned();
        lines.iter().map(second).collect::<Vec<_>>()
    };
    assert_eq!(messages("info"), ["warning"]);
    assert_eq!(messages("ttg=debug,warn"), ["ours", "warning"]);
    assert_eq!(messages("ttg=debug, warn"), ["ours", "warning"]);
    assert_eq!(messages("debug"), ["ours", "theirs", "warning"]);
    assert_eq!(messages("off"), [""; 0]);
}

#[test]
fn a_library_whose_errors_are_told_anyway_is_heard_only_if_it_is_named() {
    let heard = |filter: &str| {
        let filter = filter.parse().expect("it is a filter");
        let config = LogConfig::new(LogFormat::Text, filter, NOBODY());
        let broken = || error!(target: "lapin::io_loop", "the socket is closed");
        capture_with(config, broken).len()
    };
    assert_eq!(
        ["info", "trace", "ttg=debug,warn", "lapin=error", "warn,lapin=info"].map(heard),
        [0, 0, 0, 1, 1]
    );
}
