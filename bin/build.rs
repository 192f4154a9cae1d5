//! Records the commit that is built, for logs and outcomes.

#![expect(clippy::disallowed_methods, reason = "a build script reads its environment")]

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=TTG_BUILD_COMMIT");
    let given = std::env::var("TTG_BUILD_COMMIT").ok().filter(|commit| !commit.is_empty());
    if let Some(commit) = given.or_else(checked_out_commit) {
        println!("cargo::rustc-env=TTG_BUILD_COMMIT={commit}");
    }
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
