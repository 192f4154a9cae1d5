//! A signal ends a run soon, and takes nothing from the job.

use std::process::Command;

use ttg_tests::{Running, Signal};

use crate::sandbox;

/// Four seconds of work on one slot.
const LINE: &str = "run --job paused --parameters 4000 --chunk-size 20 --concurrency 1 \
                    --set simulate-work-ms=1 --json";

/// The same command, for which a closed terminal is what `how` says, `default` or `ignore`,
/// whatever it is for the tests.
pub(crate) fn hang_up_is(how: &str, of: &Command) -> Command {
    let mut command = Command::new("env");
    command.env_clear().arg(format!("--{how}-signal=HUP"));
    command.arg(of.get_program()).args(of.get_args());
    command.envs(of.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(of.get_current_dir().expect("a sandbox"));
    command
}

#[track_caller]
fn a_signal_pauses_the_job(signal: Signal, code: i32) {
    let sandbox = sandbox();
    let command = hang_up_is("default", &sandbox.command(LINE));
    let running = Running::start(command, LINE.to_owned());
    sandbox.until("paused", |report| report.chunks.completed >= 5);
    running.signal(signal);
    let ended = running.end().expect_code(code);
    assert_eq!(ended.stdout, "", "there is no result yet");
    let hint = "interrupted; `--job paused` with the same options resumes it";
    assert!(ended.stderr.contains(hint), "{ended:#?}");

    let paused = sandbox.look("paused").expect("it was submitted");
    assert_eq!(paused.status, "running");
    assert!(paused.parameters.completed < 4_000, "{paused:#?}");
    let resumed = sandbox.ttg(LINE).expect_code(0).report();
    resumed.assert_complete(4_000, 0);
    assert_eq!(resumed.result("sum"), "2000142.0");
    assert_eq!(resumed.workers.len(), 2);
    // What was given back is no redelivery.
    let chunks = resumed.chunks;
    assert_eq!((chunks.redelivered, chunks.duplicates_dropped), (0, 0));
}

#[test]
fn sigterm_gives_back_what_is_not_done_and_the_same_command_resumes() {
    a_signal_pauses_the_job(Signal::SIGTERM, 143);
}

#[test]
fn sighup_gives_back_what_is_not_done_and_the_same_command_resumes() {
    a_signal_pauses_the_job(Signal::SIGHUP, 143);
}

#[test]
fn who_ignores_sighup_outlives_the_terminal() {
    let sandbox = sandbox();
    let line = "run --job outlives --parameters 400 --chunk-size 20 --concurrency 1 \
                --set simulate-work-ms=1 --json";
    let command = hang_up_is("ignore", &sandbox.command(line));
    let running = Running::start(command, line.to_owned());
    sandbox.until("outlives", |report| report.chunks.completed >= 1);
    running.signal(Signal::SIGHUP);
    running.end().expect_code(0).report().assert_complete(400, 0);
}

#[test]
fn sigint_gives_back_what_is_not_done_and_the_same_command_resumes() {
    a_signal_pauses_the_job(Signal::SIGINT, 130);
}

#[test]
fn a_second_signal_ends_a_run_whose_kernel_does_not() {
    let sandbox = sandbox();
    // One parameter takes ten minutes, and a slice is never cut.
    let mut running = sandbox
        .start("run --job stuck --parameters 1 --chunk-size 1 --set simulate-work-ms=600000");
    running.until_line("event=running");
    // Two of a kind could arrive as one. Of two kinds, either may be seen first.
    running.signal(Signal::SIGTERM);
    running.signal(Signal::SIGINT);
    let ended = running.end();
    assert!(matches!(ended.code, Some(130 | 143)), "{ended:#?}");
}
