//! Tests of the spans of an attempt, apart for length.

use opentelemetry::Key;

use super::*;

const JOB: [u8; 16] = [7; 16];

fn seconds(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

fn attempt(ending: Ending<'_>) -> Attempt<'_> {
    Attempt {
        trace: ChunkTrace::of(JOB, 17, 0),
        submission: Remote {
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            tracestate: Some("ttg=nightly"),
        },
        job: "07070707070707070707070707070707",
        chunk: 17,
        generation: 0,
        range: (1_700, 1_800),
        kernel: "reference",
        worker: "w-1",
        failures: 1,
        silent_deliveries: 2,
        give_backs: 3,
        suspect: false,
        isolated: false,
        course: Course {
            queue_wait: Duration::from_secs(10),
            dispatch: Duration::from_secs(1),
            compute: Some(Duration::from_secs(4)),
            settle: Some(Duration::from_secs(2)),
        },
        ending,
    }
}

fn committed(completed: u64, dead: u64) -> Ending<'static> {
    Ending::Committed { completed, dead, dead_letters: &[], dead_runs: 0 }
}

fn failed(message: &str) -> Ending<'_> {
    let cause = Cause { kind: "panic", message, parameter: Some(1_742) };
    Ending::Failed { cause, retry_in: Duration::from_millis(1_500) }
}

fn value(span: &SpanData, key: &str) -> Option<Value> {
    let key = Key::from(key.to_owned());
    span.attributes.iter().find(|it| it.key == key).map(|it| it.value.clone())
}

fn names(spans: &[SpanData]) -> Vec<&str> {
    spans.iter().map(|span| &*span.name).collect()
}

#[test]
fn the_stages_lie_end_to_end_within_the_attempt() {
    let attempt = attempt(committed(100, 0));
    let spans = attempt.spans(seconds(100));
    let times: Vec<_> =
        spans.iter().map(|span| (&*span.name, span.start_time, span.end_time)).collect();
    let expected = [
        ("attempt", seconds(83), seconds(100)),
        ("queue_wait", seconds(83), seconds(93)),
        ("dispatch", seconds(93), seconds(94)),
        ("compute", seconds(94), seconds(98)),
        ("commit", seconds(98), seconds(100)),
    ];
    assert_eq!(times, expected);
    let root = &spans[0];
    assert_eq!(root.parent_span_id, SpanId::INVALID);
    for stage in &spans[1..] {
        assert_eq!(stage.parent_span_id, root.span_context.span_id());
        assert_eq!(stage.span_context.trace_id(), root.span_context.trace_id());
    }
    assert!(spans.iter().all(|span| span.span_context.is_sampled()), "they are exported");
}

#[test]
fn an_attempt_is_numbered_by_the_deliveries_before_it_and_points_to_the_last_one() {
    let sixth = attempt(committed(100, 0));
    let root = &sixth.spans(seconds(100))[0];
    let ids = ChunkTrace::of(JOB, 17, 0);
    assert_eq!(root.span_context, context(ids.attempt(6), false));
    let links: Vec<_> = root
        .links
        .iter()
        .map(|link| (link.attributes[0].value.to_string(), link.span_context.span_id()))
        .collect();
    let expected = [
        ("submission".to_owned(), SpanId::from(0x00f0_67aa_0ba9_02b7)),
        ("previous_attempt".to_owned(), SpanId::from(ids.attempt(5).span)),
    ];
    assert_eq!(links, expected);

    let (failures, silent_deliveries, give_backs) = (0, 0, 0);
    let submission = Remote::default();
    let first = Attempt { submission, failures, silent_deliveries, give_backs, ..sixth };
    let root = &first.spans(seconds(100))[0];
    assert_eq!(root.span_context, context(ids.attempt(0), false));
    assert!(root.links.is_empty());
}

#[test]
fn what_is_asked_for_in_a_search_is_an_attribute() {
    let root = &attempt(committed(99, 1)).spans(seconds(100))[0];
    let numbers = [
        ("ttg.chunk", 17),
        ("ttg.range.start", 1_700),
        ("ttg.range.end", 1_800),
        ("ttg.attempt", 2),
        ("ttg.delivery", 7),
        ("ttg.silent_deliveries", 2),
        ("ttg.parameters.dead", 1),
    ];
    for (key, number) in numbers {
        assert_eq!(value(root, key), Some(Value::I64(number)), "{key}");
    }
    let texts = [
        ("ttg.job.name", "nightly"),
        ("ttg.job.uid", "07070707070707070707070707070707"),
        ("ttg.worker", "w-1"),
        ("ttg.outcome", "completed"),
    ];
    for (key, text) in texts {
        assert_eq!(value(root, key), Some(Value::from(text)), "{key}");
    }
}

#[test]
fn each_ending_has_its_outcome_its_last_stage_and_its_status() {
    let error = |text: &str| Status::error(text.to_owned());
    let table = [
        (committed(100, 0), "completed", "commit", Status::Ok, false),
        (committed(99, 1), "completed", "commit", error("dead parameters: 1"), true),
        (committed(0, 100), "dead", "commit", error("dead parameters: 100"), true),
        (Ending::Duplicate, "duplicate", "commit", Status::Unset, false),
        (Ending::Dropped, "dropped", "commit", Status::Unset, false),
        (failed("no root"), "failed", "nack", error("panic: no root"), true),
        (
            Ending::GivenBack { reason: "unfinished" },
            "given_back",
            "give_back",
            Status::Unset,
            false,
        ),
        (Ending::LeaseLost, "lease_lost", "nack", error("its lease was lost"), true),
    ];
    for (ending, outcome, last, status, is_grave) in table {
        let attempt = attempt(ending);
        let spans = attempt.spans(seconds(100));
        assert_eq!(value(&spans[0], "ttg.outcome"), Some(Value::from(outcome)));
        assert_eq!(names(&spans).last(), Some(&last), "{outcome}");
        assert_eq!(spans[0].status, status, "{outcome}");
        assert_eq!(attempt.is_grave(), is_grave, "{outcome}");
    }
}

#[test]
fn one_that_follows_a_silence_is_always_told() {
    let after_a_death = Attempt { suspect: true, ..attempt(committed(100, 0)) };
    assert!(after_a_death.is_grave());
    let root = &after_a_death.spans(seconds(100))[0];
    assert_eq!(value(root, "ttg.suspect"), Some(Value::Bool(true)));
}

#[test]
fn a_failure_is_an_exception_and_marks_the_computing() {
    let isolated = Attempt { isolated: true, ..attempt(failed("no root")) };
    let spans = isolated.spans(seconds(100));
    let compute = &spans[3];
    assert_eq!((&*compute.name, &compute.status), ("compute", &spans[0].status));
    assert_eq!(value(compute, "ttg.isolated"), Some(Value::Bool(true)));
    let [event] = &spans[0].events.events[..] else { panic!("one event") };
    assert_eq!(event.name, "exception");
    let said: Vec<_> =
        event.attributes.iter().map(|it| format!("{}={}", it.key, it.value)).collect();
    let expected = ["exception.type=panic", "exception.message=no root", "ttg.parameter=1742"];
    assert_eq!(said, expected);
}

#[test]
fn dead_letters_are_events_and_neither_their_number_nor_their_words_are_without_bound() {
    let message = "ä".repeat(5_000);
    let letter = DeadLetter { range: (1_700, 1_701), kind: "error", message: &message };
    let dead_letters = vec![letter; 100];
    let ending = Ending::Committed {
        completed: 0,
        dead: 100,
        dead_letters: &dead_letters,
        dead_runs: 70_000,
    };
    let root = &attempt(ending).spans(seconds(100))[0];
    assert_eq!(root.events.len(), DEAD_LETTERS_MAX);
    assert_eq!(root.events.dropped_count as usize, 70_000 - DEAD_LETTERS_MAX);
    for event in root.events.iter() {
        assert_eq!(event.name, "dead_letter");
        let said: usize = event.attributes.iter().map(|it| it.value.to_string().len()).sum();
        assert!(said < TEXT_BYTES_MAX + 50, "{said} bytes");
    }
}

#[test]
fn what_was_never_begun_or_never_settled_has_no_such_stage() {
    let given_back = attempt(Ending::GivenBack { reason: "unfinished" });
    let course = Course { compute: None, ..given_back.course };
    let spans = Attempt { course, ..given_back }.spans(seconds(100));
    assert_eq!(names(&spans), ["attempt", "queue_wait", "dispatch", "give_back"]);
    let course = Course { compute: None, settle: None, ..given_back.course };
    let spans = Attempt { course, ending: Ending::LeaseLost, ..given_back }.spans(seconds(100));
    assert_eq!(names(&spans), ["attempt", "queue_wait", "dispatch"]);
}

#[test]
fn a_wait_of_more_than_the_epoch_is_no_panic() {
    let course = Course { queue_wait: Duration::MAX / 2, ..attempt(Ending::Duplicate).course };
    let spans = Attempt { course, ..attempt(Ending::Duplicate) }.spans(seconds(100));
    assert_eq!(spans[0].start_time, SystemTime::UNIX_EPOCH);
}

#[test]
fn everything_that_a_span_says_is_in_the_readme() {
    let readme = include_str!("../../traces.md");
    let cause = Cause { kind: "panic", message: "", parameter: Some(1) };
    let dead_letters = [DeadLetter { range: (1, 2), kind: "error", message: "" }];
    let dead_letters = &dead_letters;
    let endings = [
        Ending::Committed { completed: 1, dead: 1, dead_letters, dead_runs: 1 },
        committed(0, 1),
        Ending::Duplicate,
        Ending::Dropped,
        Ending::Failed { cause, retry_in: Duration::ZERO },
        Ending::GivenBack { reason: "" },
        Ending::LeaseLost,
    ];
    let mut words = Vec::new();
    for span in endings.into_iter().flat_map(|ending| attempt(ending).spans(seconds(100))) {
        let outcome = value(&span, "ttg.outcome");
        words.extend(outcome.map(|outcome| format!("`{outcome}`")));
        words.push(format!(" {}", span.name));
        let own = span.attributes.iter().chain(span.links.iter().flat_map(|it| &it.attributes));
        let attributes = own.chain(span.events.iter().flat_map(|it| &it.attributes));
        words.extend(attributes.map(|it| format!("`{}`", it.key)));
        words.extend(span.events.iter().map(|it| format!("`{}`", it.name)));
    }
    assert!(words.len() > 100, "{words:?}");
    for word in words {
        assert!(readme.contains(&word), "{word} is not in the README");
    }
}
