//! Answers from another implementation.

use std::io::Write;
use std::process::{Command, Stdio};

/// What the Python `script` prints, given `arguments` and `input`.
///
/// # Panics
/// If it fails; with what it says.
pub fn python(script: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("python3")
        .arg("-c")
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 must be installed: it recomputes what the tests compare with");
    let mut stdin = child.stdin.take().expect("it is piped");
    // A script that reads nothing closes it.
    stdin.write_all(input.as_bytes()).ok();
    drop(stdin);
    let output = child.wait_with_output().expect("a child can be waited for");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}
