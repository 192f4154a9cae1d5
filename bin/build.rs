//! Records the commit and the day of the build, for `--version`, logs and outcomes.

#![expect(clippy::disallowed_methods, reason = "a build script reads its environment and the time")]

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: u64 = 24 * 3_600;

fn main() {
    println!("cargo::rerun-if-env-changed=TTG_BUILD_COMMIT");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let days = seconds() / SECONDS_PER_DAY;
    let date = date(days);
    println!("cargo::rustc-env=TTG_BUILD_DATE={date}");
    println!("cargo::rustc-env=TTG_BUILD_SECONDS={}", days * SECONDS_PER_DAY);
    let given = std::env::var("TTG_BUILD_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(checked_out_commit).unwrap_or("unknown".to_owned());
    println!("cargo::rustc-env=TTG_BUILD_COMMIT={commit}");
    println!(
        "cargo::rustc-env=TTG_BUILD_VERSION={} ({commit}, built {date})",
        env!("CARGO_PKG_VERSION")
    );
}

/// Now, or what a reproducible build says instead.
fn seconds() -> u64 {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok();
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    given.and_then(|given| given.parse().ok()).unwrap_or_else(now)
}

/// The day that is so many days after 1970-01-01, in the Gregorian calendar.
fn date(days: u64) -> String {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let (mut year, mut left) = (1970, days);
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", left + 1)
}

/// The commit of this checkout; `None` outside of one.
fn checked_out_commit() -> Option<String> {
    // Changes with every commit and checkout, unlike HEAD, which may go on naming its branch.
    let log = git(&["rev-parse", "--path-format=absolute", "--git-path", "logs/HEAD"])?;
    println!("cargo::rerun-if-changed={log}");
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
