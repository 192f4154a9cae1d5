//! The simulation as a test: seeds that break no rule, the same history for the same seed, rules that
//! notice what is broken on purpose, and how near to the ideal a fleet comes.

#![expect(clippy::unwrap_used, reason = "what cannot be run fails the test")]

use std::process::{Command, Output};

fn simulate(arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ttg-simulate"))
        .args(arguments.split_whitespace())
        .output()
        .unwrap()
}

fn succeed(arguments: &str) -> String {
    let output = simulate(arguments);
    assert!(output.status.success(), "\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The number before `name` in the counts of a simulation.
fn count(said: &str, name: &str) -> u64 {
    let found = said.lines().find_map(|line| line.trim().strip_suffix(name)?.trim().parse().ok());
    found.unwrap_or(0)
}

/// The number after `name` in the figures of a fleet.
fn figure(said: &str, name: &str) -> f64 {
    let line = said.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().trim_end_matches(',').parse().unwrap()
}

/// What must happen now and then, or the simulations prove nothing.
const MET: [&str; 27] = [
    "adapter panics",
    "answer lost",
    "boot clock jumps",
    "broker clock jumps",
    "broker is down",
    "broker is full",
    "broker restarts that forget",
    "cancels",
    "chunks given up",
    "deliveries of suspects",
    "evaluations in isolation",
    "give-backs",
    "give-backs refused as stale",
    "hangs",
    "kills its worker",
    "late answer",
    "nacks",
    "nacks refused as stale",
    "outcomes dropped as duplicates",
    "outcomes with dead parameters",
    "panics",
    "renewals refused",
    "request arrives twice",
    "request lost",
    "strays given back",
    "workers cut off",
    "workers frozen",
];

/// Seeds of one test: a few seconds of work.
const SEEDS: u64 = 100;

macro_rules! seeds {
    ($($name:ident from $group:literal;)+) => {$(
        #[test]
        fn $name() {
            let said = succeed(&format!("--seeds {SEEDS} --from {}", $group * SEEDS));
            let missing: Vec<_> = MET.iter().filter(|name| count(&said, name) == 0).collect();
            assert!(missing.is_empty(), "these seeds do not meet {missing:?}");
        }
    )+};
}

// Apart, so that they run side by side.
seeds! {
    no_rule_is_broken_1 from 0;
    no_rule_is_broken_2 from 1;
    no_rule_is_broken_3 from 2;
    no_rule_is_broken_4 from 3;
    no_rule_is_broken_5 from 4;
    no_rule_is_broken_6 from 5;
}

#[test]
fn a_seed_has_one_history_in_one_process_and_in_another() {
    let digests = |arguments| {
        let said = succeed(arguments);
        said.lines().filter(|line| line.contains("digest")).map(String::from).collect::<Vec<_>>()
    };
    let first = digests("11 12 13 12 11");
    assert_eq!((&first[0], &first[1]), (&first[4], &first[3]));
    assert_ne!(first[0].split(' ').next_back(), first[1].split(' ').next_back());
    assert_eq!(digests("13 12 11"), [&*first[2], &*first[1], &*first[0]]);
}

#[test]
fn what_is_broken_on_purpose_is_noticed_by_the_rule_that_watches_over_it() {
    let table = [
        ("second-outcome", "counted once"),
        ("outcome-lost", "counted once"),
        ("unfenced", "fenced"),
        ("early-retry", "not early"),
        ("impatient", "backoff"),
        ("silence-uncounted", "charged"),
        ("leases-unrenewed", "leased once"),
        ("returns-ignored", "charged"),
        ("strays-ignored", "fenced"),
    ];
    for (sabotage, rule) in table {
        let output = simulate(&format!("--seeds 40 --sabotage {sabotage}"));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{sabotage} passes");
        let broken: Vec<_> = said.lines().filter(|line| line.starts_with("error:")).collect();
        let names = |line: &&str| line.contains(&format!("breaks the rule `{rule}`"));
        assert!(broken.iter().any(names), "{sabotage}: {broken:?}");
        assert!(said.contains("replay: tests/run simulate "), "{said}");
    }
}

#[test]
fn a_fleet_comes_near_to_the_ideal_with_few_calls() {
    let said = succeed("--scale --workers 100 --parameters 1000000 --uneven");
    let line = said.lines().find(|line| line.starts_with("makespan")).unwrap();
    let ratio: f64 = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!(ratio < 1.1, "{said}");
    // Each chunk is asked for once and settled once; batches make it less.
    assert!(figure(&said, "receive") < 2_400.0 && figure(&said, "commit") <= 2_000.0, "{said}");
}
