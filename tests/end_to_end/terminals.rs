//! On a terminal: progress in place, Ctrl-C, eighty columns, colours only where they are wanted.

use ttg_tests::Sandbox;

use crate::sandbox;

/// Some seconds of work for one slot.
const LINE: &str = "run --parameters 5000 --chunk-size 10 --concurrency 1 --set simulate-work-ms=1";

/// A job that is complete, one with a dead parameter, and one that nobody works on.
fn three_jobs() -> Sandbox {
    let sandbox = sandbox();
    let good = "run --parameters 1000000 --job good --chunk-size 1000 --values";
    sandbox.ttg(good).expect_code(0);
    let holed = "run --kernel collatz --range 0..1000 --job holed --max-attempts 1";
    sandbox.ttg(holed).expect_code(3);
    sandbox.ttg("submit --parameters 1000 --chunk-size 10 --job waiting").expect_code(0);
    sandbox
}

#[test]
fn a_run_says_its_name_first_and_ctrl_c_leaves_what_the_name_resumes() {
    let sandbox = sandbox();
    let mut terminal = sandbox.on_terminal(80, LINE, &[]);
    terminal.until("resumes it");
    terminal.until("/s");
    terminal.interrupt();
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(130), "{shown}");
    assert!(!shown.contains("panicked") && !shown.contains("error"), "{shown}");
    let name = shown.split("job ").nth(1).expect("its name").split(';').next().expect("a word");
    assert!(shown.contains(&format!("interrupted; `--job {name}`")), "{shown}");
    let before = sandbox.look(name).expect("it was submitted");
    assert_eq!(before.status, "running");
    let line = format!("{LINE} --job {name} --json").replace("concurrency 1", "concurrency 16");
    let done = sandbox.ttg(&line).expect_code(0).report();
    done.assert_complete(5_000, 0);
    assert_eq!(done.uid, before.uid);
}

#[test]
fn a_watch_redraws_in_place_and_ctrl_c_ends_it_alone() {
    let sandbox = three_jobs();
    for line in ["status waiting --watch --interval 100ms", "status --watch --interval 100ms"] {
        let mut terminal = sandbox.on_terminal(80, line, &[]);
        terminal.until("waiting");
        // The end of one text, and back to its start for the next.
        terminal.until("\u{1b}[J\r\u{1b}[");
        terminal.interrupt();
        let (code, shown) = terminal.end();
        assert_eq!(code, Some(130), "{shown}");
        assert!(!shown.contains("\u{1b}[?25l"), "the cursor stays visible: {shown:?}");
        assert_eq!(sandbox.look("waiting").expect("it is there").status, "running");
    }
}

#[test]
fn what_people_read_fits_into_eighty_columns() {
    let sandbox = three_jobs();
    let lines = [
        "--help",
        "run --help",
        "results --help",
        "status --help",
        "status",
        "status good",
        "status waiting",
        "results good",
        "results good --values --format table",
        "verify good",
        "dlq list holed",
        "cancel good",
        "config",
        "run --parameters 1000 --job again",
        "run --parameters 0",
        "results unknown",
    ];
    for line in lines {
        let (_, shown) = sandbox.on_terminal(80, line, &[("NO_COLOR", "1")]).end();
        // A command to be copied is not broken, and a bar fills its line, so that what follows is
        // below it.
        let is_text = |row: &&str| !row.trim_start().starts_with("ttg ") && !row.contains('█');
        let rows = shown.split(['\n', '\r']).map(str::trim_end).filter(is_text);
        let wide: Vec<_> = rows.filter(|row| row.chars().count() > 80).take(3).collect();
        assert!(wide.is_empty(), "{line}: {wide:#?}");
    }
}

#[test]
fn colours_are_for_terminals_and_for_those_who_want_them() {
    let sandbox = sandbox();
    let lines = ["run --help", "run --parameters 100 --log-level info", "run --parameters 0"];
    for line in lines {
        let (_, shown) = sandbox.on_terminal(100, line, &[]).end();
        assert!(is_coloured(&shown), "{line}: {shown:?}");
        let (_, shown) = sandbox.on_terminal(100, line, &[("NO_COLOR", "1")]).end();
        assert!(!is_coloured(&shown), "{line}: {shown:?}");
        let ended = sandbox.ttg(line);
        assert!(!ended.stdout.contains('\x1b') && !ended.stderr.contains('\x1b'), "{ended:#?}");
    }
}

/// Whether it has a colour, or bold or underlined letters.
fn is_coloured(shown: &str) -> bool {
    let mut codes = shown.split("\u{1b}[").skip(1);
    codes.any(|code| {
        code.find(|c: char| c.is_ascii_alphabetic())
            .is_some_and(|end| code[end..].starts_with('m') && !matches!(&code[..end], "" | "0"))
    })
}
