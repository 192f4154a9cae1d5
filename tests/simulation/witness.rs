//! Sees all that happens: traces it, counts it, has it checked.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;

use crate::bugs;
use crate::checkers::{self, Checker, End};
use crate::event::{Event, Moment};
use crate::plan::Plan;
use crate::tally::Tally;

/// So many lines of the trace are told with a violation.
const RECENT_LINES: usize = 60;

/// More than a simulation has, unless it goes in circles.
const EVENTS_MAX: u64 = 3_000_000;

/// A rule that was broken.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) rule: &'static str,
    pub(crate) what: String,
}

/// The eyes of a simulation.
pub(crate) struct Witness {
    trace: Trace,
    tally: Tally,
    checkers: Vec<Box<dyn Checker>>,
    violation: Option<Violation>,
    events: u64,
}

impl Witness {
    /// One that checks every rule.
    pub(crate) fn new(plan: &Plan, echo: bool) -> Self {
        Self::with(checkers::all(plan), echo)
    }

    pub(crate) fn with(checkers: Vec<Box<dyn Checker>>, echo: bool) -> Self {
        let trace = Trace { hash: Trace::EMPTY, recent: VecDeque::new(), echo };
        Self { trace, tally: Tally::default(), checkers, violation: None, events: 0 }
    }

    /// Takes note. False if a rule is broken, now or before.
    pub(crate) fn see(&mut self, moment: Moment, event: &Event) -> bool {
        self.trace.add(moment, event);
        self.tally.see(event);
        self.events += 1;
        if self.events > EVENTS_MAX {
            self.violate("ends", format!("{EVENTS_MAX} events, and no end"));
        }
        if let Some(bug) = bugs::take() {
            self.violate("no bugs", bug);
        }
        for checker in &mut self.checkers {
            if let Err((rule, what)) = checker.see(moment, event) {
                self.violation.get_or_insert(Violation { rule, what });
            }
        }
        self.violation.is_none()
    }

    pub(crate) fn violate(&mut self, rule: &'static str, what: String) {
        self.violation.get_or_insert(Violation { rule, what });
    }

    pub(crate) fn end(&mut self, end: &End) {
        if let Some(bug) = bugs::take() {
            self.violate("no bugs", bug);
        }
        for checker in &mut self.checkers {
            if let Err((rule, what)) = checker.end(end) {
                self.violation.get_or_insert(Violation { rule, what });
            }
        }
    }

    pub(crate) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// The hash of all that happened.
    pub(crate) fn digest(&self) -> u64 {
        self.trace.hash
    }

    pub(crate) fn recent(&self) -> impl Iterator<Item = &str> {
        self.trace.recent.iter().map(String::as_str)
    }

    pub(crate) fn count(&mut self, name: &'static str) {
        self.tally.count(name);
    }

    pub(crate) fn counts(&self) -> &BTreeMap<&'static str, u64> {
        self.tally.counts()
    }
}

/// What happened, line by line.
struct Trace {
    /// FNV-1a: the same in every process.
    hash: u64,
    recent: VecDeque<String>,
    /// Prints every line.
    echo: bool,
}

impl Trace {
    const EMPTY: u64 = 0xcbf2_9ce4_8422_2325;

    fn add(&mut self, moment: Moment, event: &Event) {
        let mut line = if self.recent.len() < RECENT_LINES {
            String::new()
        } else {
            self.recent.pop_front().unwrap_or_default()
        };
        line.clear();
        // Writing into a string cannot fail.
        std::fmt::Write::write_fmt(
            &mut line,
            format_args!("{:>11.3} {event}", moment.at.as_secs_f64()),
        )
        .ok();
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.echo {
            // Whoever reads it may have enough.
            writeln!(std::io::stdout(), "{line}").ok();
        }
        self.recent.push_back(line);
    }
}
