//! Rules about lines.

use crate::tree::{Tree, is_rust, lines, rust};

pub(crate) fn undone(tree: &Tree) -> Vec<String> {
    // Cut in two, so that this file keeps its rule.
    const CODE: [&str; 4] = [
        concat!("todo", "!"),
        concat!("unimplemented", "!"),
        concat!("dbg", "!"),
        concat!("#[ig", "nore"),
    ];
    const WORDS: [&str; 3] = [concat!("FIX", "ME"), concat!("XX", "X"), concat!("TO", "DO")];
    lines(tree.iter(), |path, line| {
        is_rust(path) && CODE.iter().any(|code| line.contains(code))
            || line.split(|c: char| !c.is_alphanumeric()).any(|word| WORDS.contains(&word))
    })
}

/// A test that waits by the clock is slow or fails at times; one of a paused clock, as the simulation
/// has, is neither. The kernels that tests start wait for nothing: taking time is their work.
pub(crate) fn sleeping_tests(tree: &Tree) -> Vec<String> {
    const SLEEPS: [&str; 2] = [concat!("sl", "eep("), concat!("sl", "eep_until(")];
    const MAY: [&str; 2] = ["tests/kernels/", "tests/simulation/"];
    rust(tree)
        .filter(|(path, _)| !MAY.iter().any(|may| path.starts_with(may)))
        .flat_map(|(path, text)| {
            let whole = path.split('/').any(|part| part == "tests" || part == "tests.rs")
                || path.ends_with("_tests.rs");
            let tests = text.lines().skip_while(move |line| !whole && *line != "mod tests {");
            tests
                .filter(|line| SLEEPS.iter().any(|sleep| line.contains(sleep)))
                .map(move |line| format!("{path}: {}", line.trim()))
        })
        .collect()
}

pub(crate) fn machine_paths(tree: &Tree) -> Vec<String> {
    const FOLDERS: [&str; 3] =
        [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/")];
    lines(tree.iter(), |_, line| {
        FOLDERS.iter().any(|folder| {
            line.match_indices(folder).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                // After a name or a variable it goes on from there.
                !before.is_some_and(|c| c.is_alphanumeric() || "._-})".contains(c))
            })
        })
    })
}

pub(crate) fn trailing_white_space(tree: &Tree) -> Vec<String> {
    let findings = tree.iter().flat_map(|(path, text)| {
        let lines = text.split_terminator('\n').enumerate();
        lines
            .filter(|(_, line)| line.ends_with(char::is_whitespace))
            .map(move |(at, _)| format!("{path}:{}", at + 1))
    });
    findings.collect()
}

pub(crate) fn without_last_newline(tree: &Tree) -> Vec<String> {
    let files = tree.iter().filter(|(_, text)| !text.is_empty() && !text.ends_with('\n'));
    files.map(|(path, _)| path.clone()).collect()
}
