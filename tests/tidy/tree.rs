//! What the rules look at.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The text of every file by its path from the root. A file that is no text counts as empty.
pub(crate) type Tree = BTreeMap<String, String>;

pub(crate) fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

pub(crate) fn is_markdown(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "md")
}

pub(crate) fn rust(tree: &Tree) -> impl Iterator<Item = (&String, &String)> {
    tree.iter().filter(|(path, _)| is_rust(path))
}

/// Where `bad` says that a line of a path is.
pub(crate) fn lines<'a>(
    files: impl Iterator<Item = (&'a String, &'a String)>,
    bad: impl Fn(&str, &str) -> bool,
) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, text) in files {
        for (at, line) in text.lines().enumerate().filter(|(_, line)| bad(path, line)) {
            findings.push(format!("{path}:{}: {}", at + 1, line.trim()));
        }
    }
    findings
}

pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
    files.iter().map(|&(path, text)| (path.into(), text.into())).collect()
}

pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// What git tracks or would track; without git, the folder.
pub(crate) fn repository() -> Tree {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let mut paths = Vec::new();
    match Command::new("git").arg("-C").arg(root()).args(list).output() {
        Ok(listed) if listed.status.success() => {
            let listed = String::from_utf8(listed.stdout).unwrap();
            paths.extend(listed.split_terminator('\0').map(String::from));
        }
        _ => walk(root(), &mut paths),
    }
    // A file may be deleted and not yet committed.
    let files = paths.into_iter().filter(|path| root().join(path).is_file());
    files
        .map(|path| {
            let bytes = std::fs::read(root().join(&path)).unwrap();
            (path, String::from_utf8(bytes).unwrap_or_default())
        })
        .collect()
}

/// Adds the files in `folder` to `paths`, but for what `.gitignore` names.
pub(crate) fn walk(folder: &Path, paths: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            if ![".git", ".ttg", "target"].map(Some).contains(&entry.file_name().to_str()) {
                walk(&path, paths);
            }
        } else {
            paths.push(path.strip_prefix(root()).unwrap().to_str().unwrap().into());
        }
    }
}
