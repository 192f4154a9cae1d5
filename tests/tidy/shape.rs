//! Rules about files and folders: what there is, how long, and under which name.

use std::collections::BTreeSet;

use syn::Item;

use crate::tree::{Tree, rust};

pub(crate) fn long_files(tree: &Tree) -> Vec<String> {
    rust(tree)
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|&(_, lines)| lines > 400)
        .map(|(path, lines)| format!("{path}: {lines} lines, at most 400: split it by idea"))
        .collect()
}

/// What such a module holds, its name does not say.
pub(crate) fn nameless_modules(tree: &Tree) -> Vec<String> {
    const NAMES: [&str; 6] = ["util", "utils", "helper", "helpers", "misc", "common"];
    rust(tree)
        .filter(|(path, _)| {
            path.trim_end_matches(".rs").split('/').any(|part| NAMES.contains(&part))
        })
        .map(|(path, _)| format!("{path}: name it after what it holds"))
        .collect()
}

pub(crate) fn crates_without_readme(tree: &Tree) -> Vec<String> {
    let crates = tree.keys().filter_map(|path| path.strip_suffix("/Cargo.toml"));
    crates
        .filter(|folder| {
            let readme = tree.get(&format!("{folder}/README.md"));
            readme.is_none_or(|text| text.lines().count() > 80)
        })
        .map(|folder| format!("{folder}: needs a README.md of at most 80 lines"))
        .collect()
}

/// `lib.rs` and `mod.rs` hold documentation, attributes, `mod name;`, `use` and exported macros,
/// which live at the root of their crate anyway. The command line's `lib.rs` holds its `main`, too.
pub(crate) fn logic_in_contents(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, text) in rust(tree) {
        if !matches!(path.rsplit('/').next(), Some("lib.rs" | "mod.rs")) {
            continue;
        }
        match syn::parse_file(text) {
            Ok(file) => {
                let strange = file.items.iter().filter(|item| !is_contents(path, item)).count();
                if strange > 0 {
                    findings.push(format!("{path}: {strange} items belong in a file of their own"));
                }
            }
            Err(error) => findings.push(format!("{path}: {error}")),
        }
    }
    findings
}

fn is_contents(path: &str, item: &Item) -> bool {
    match item {
        Item::Use(_) => true,
        Item::Mod(module) => module.content.is_none(),
        Item::Macro(rules) => rules.attrs.iter().any(|it| it.path().is_ident("macro_export")),
        Item::Fn(_) => path == "bin/src/lib.rs",
        _ => false,
    }
}

pub(crate) fn without_unreleased(tree: &Tree) -> Vec<String> {
    let log = tree.get("CHANGELOG.md");
    if log.is_some_and(|text| text.lines().any(|line| line == "## [Unreleased]")) {
        return Vec::new();
    }
    vec!["CHANGELOG.md: needs a section `## [Unreleased]`".into()]
}

/// `messages.rs` (what it can be told), `state.rs` (what it decides), `actor.rs` (how it is wired).
/// An actor that decides nothing says in its `actor.rs` why it has no `state.rs`.
pub(crate) fn misshapen_actors(tree: &Tree) -> Vec<String> {
    let folders: BTreeSet<&str> = tree
        .keys()
        .filter_map(|path| Some(path.strip_prefix("actors/src/")?.split_once('/')?.0))
        .collect();
    let mut findings = Vec::new();
    for folder in folders {
        let file = |name| tree.get(&format!("actors/src/{folder}/{name}"));
        for name in ["messages.rs", "actor.rs"] {
            if file(name).is_none() {
                findings.push(format!("actors/src/{folder}: needs {name}"));
            }
        }
        let says_why = file("actor.rs").is_some_and(|text| {
            text.lines().any(|line| line.starts_with("//!") && line.contains("no `state.rs`"))
        });
        if file("state.rs").is_none() && !says_why {
            findings.push(format!("actors/src/{folder}: needs state.rs, or a reason in actor.rs"));
        }
    }
    findings
}
