//! The shape of the tree, so that reviews are about meaning. Every rule is also shown samples that
//! break it, so that none is empty.

#![expect(clippy::unwrap_used, reason = "what cannot be looked at fails the test")]

mod links;
mod shape;
mod text;
mod tree;

use std::collections::BTreeSet;

use links::dead_links;
use shape::{
    crates_without_readme, logic_in_contents, long_files, misshapen_actors, nameless_modules,
    without_unreleased,
};
use text::{machine_paths, sleeping_tests, trailing_white_space, undone, without_last_newline};
use tree::{repository, root, tree, walk};

/// Checks each rule here and on its samples: trees that break it, and one that keeps it.
macro_rules! rules {
    ($($rule:ident($finds:expr): broken by [$($bad:expr),+ $(,)?], kept by $good:expr;)+) => {$(
        mod $rule {
            use super::*;

            #[test]
            fn is_kept_here() {
                let findings: Vec<String> = $finds(&repository());
                assert!(findings.is_empty(), "\n{}", findings.join("\n"));
            }

            #[test]
            fn tells_good_samples_from_bad() {
                $(assert_ne!($finds(&tree(&$bad)), Vec::<String>::new(), "{:?}", $bad);)+
                assert_eq!($finds(&tree(&$good)), Vec::<String>::new());
            }
        }
    )+};
}

rules! {
    no_rust_file_is_above_400_lines(long_files):
        broken by [[("a.rs", &*"\n".repeat(401))]],
        kept by [("a.rs", &*"\n".repeat(400)), ("Cargo.lock", &*"\n".repeat(401))];

    no_module_is_named_after_nothing(nameless_modules):
        broken by [[("a/src/utils.rs", "")], [("a/src/common/mod.rs", "")], [("a/helpers.rs", "")]],
        kept by [("a/src/common_divisor.rs", ""), ("a/common/b.md", "")];

    every_crate_has_a_readme_of_one_screen(crates_without_readme):
        broken by [
            [("a/Cargo.toml", "")].as_slice(),
            [("a/Cargo.toml", ""), ("a/README.md", &*"\n".repeat(81))].as_slice(),
        ],
        kept by [("a/Cargo.toml", ""), ("a/README.md", &*"\n".repeat(80)), ("b/a.toml", "")];

    lib_and_mod_are_tables_of_contents(logic_in_contents):
        broken by [
            [("a/src/lib.rs", "pub fn f() {}")],
            [("a/src/b/mod.rs", "pub struct S;")],
            [("a/src/b/mod.rs", "const LIMIT: u8 = 1;")],
            [("a/src/b/mod.rs", "mod tests { }")],
            [("a/src/b/mod.rs", "macro_rules! m { () => {} }")],
            [("a/src/b/mod.rs", "fn broken(")],
            [("bin/src/lib.rs", "pub struct S;")],
        ],
        kept by [
            ("a/src/lib.rs", "//! A.\n#![expect(x)]\n/// B.\npub mod b;\nuse b::B;\npub use b::C;"),
            ("a/src/b/mod.rs", "#[macro_export]\nmacro_rules! m { () => {} }"),
            ("a/src/b/c.rs", "pub fn f() {}"),
            ("bin/src/lib.rs", "mod cli;\npub fn main() {}\nfn run() {}"),
        ];

    nothing_is_left_undone(undone):
        broken by [
            [("a.rs", concat!("todo", "!()"))],
            [("a.rs", concat!("unimplemented", "!()"))],
            [("a.rs", concat!("dbg", "!(x)"))],
            [("a.rs", concat!("#[ig", "nore]"))],
            [("a.rs", concat!("#[ig", "nore = \"slow\"]"))],
            [("a.sh", concat!("# FIX", "ME: x"))],
            [("a.md", concat!("XX", "X later"))],
            [("a.rs", concat!("// TO", "DO: x"))],
        ],
        kept by [("a.rs", "#[expect(x)]"), ("a.sh", "mktemp a.XXXXXX"), ("a.md", "a todo list!")];

    no_test_sleeps(sleeping_tests):
        broken by [
            [("a/tests/b/c.rs", concat!("thread::sl", "eep(x)"))],
            [("tests/b.rs", concat!("tokio::time::sl", "eep(x)"))],
            [("a/src/b/tests.rs", concat!("sl", "eep_until(x)"))],
            [("a/src/b_tests.rs", concat!("sl", "eep(x)"))],
            [("a/src/b.rs", concat!("#[cfg(test)]\nmod tests {\n    sl", "eep(x)\n}"))],
        ],
        kept by [
            ("a/src/b.rs", concat!("sl", "eep(x)\n#[cfg(test)]\nmod tests {\n}")),
            ("tests/kernels/b.rs", concat!("sl", "eep(x)")),
            ("tests/simulation/b.rs", concat!("sl", "eep(x)")),
        ];

    no_path_is_of_one_machine(machine_paths):
        broken by [
            [("a.md", concat!("in /ho", "me/me/ttg"))],
            [("a.rs", concat!("\"/ro", "ot/x\""))],
            [("a", concat!("/wo", "rk/main"))],
        ],
        kept by [("a.md", concat!("https://example.org/ho", "me/ and $HOME/wo", "rk/"))];

    no_line_ends_in_white_space(trailing_white_space):
        broken by [[("a.md", "b \n")], [("a", "\t\n")], [("a", "b\r\n")]],
        kept by [("a.md", "  b\n\nc\n")];

    every_file_ends_with_a_newline(without_last_newline):
        broken by [[("a.md", "b")]],
        kept by [("a.md", "b\n"), ("empty", "")];

    the_changelog_says_what_is_unreleased(without_unreleased):
        broken by [[("CHANGELOG.md", "# Changelog\n## [0.1.0]\n")], [("README.md", "")]],
        kept by [("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n")];

    every_actor_is_messages_state_and_wiring(misshapen_actors):
        broken by [
            [("actors/src/a/messages.rs", ""), ("actors/src/a/state.rs", "")],
            [("actors/src/a/actor.rs", ""), ("actors/src/a/state.rs", "")],
            [("actors/src/a/messages.rs", ""), ("actors/src/a/actor.rs", "// no `state.rs`")],
        ],
        kept by [
            ("actors/src/a/messages.rs", ""),
            ("actors/src/a/actor.rs", ""),
            ("actors/src/a/state.rs", ""),
            ("actors/src/b/messages.rs", ""),
            ("actors/src/b/actor.rs", "//! It decides nothing, so it has no `state.rs`."),
            ("actors/src/tree.rs", ""),
        ];

    every_link_leads_to_a_file(dead_links):
        broken by [
            [("a/README.md", "[b](b.md)")],
            [("README.md", "![b](a/b.svg#c)")],
            [("README.md", "[b][c]\n\n[c]: d.md")],
            [("README.md", "[b](../README.md)")],
            [("README.md", "[b](/README.md)")],
        ],
        kept by [
            ("README.md", "[b](a/b.md#c) [a](a) [d](#d) [e](https://example.org/e) `[f](f)`"),
            ("a/b.md", "[up](../README.md) [here](./b.md)"),
        ];
}

#[test]
fn the_rules_see_this_repository() {
    let tree = repository();
    for path in ["Cargo.toml", "tests/tidy/main.rs", "runtime/src/lib.rs", ".config/nextest.toml"] {
        assert!(tree.contains_key(path), "{path}");
    }
}

/// An archive of the sources has no git.
#[test]
fn without_git_the_folder_is_walked() {
    let mut walked = Vec::new();
    walk(root(), &mut walked);
    let walked: BTreeSet<String> = walked.into_iter().collect();
    let unseen: Vec<_> = repository().into_keys().filter(|path| !walked.contains(path)).collect();
    assert_eq!(unseen, Vec::<String>::new());
}
