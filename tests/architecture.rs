//! The direction of dependencies, and their licences, from the lock file and `.deny.toml`.

#![expect(clippy::unwrap_used, reason = "what cannot be looked at fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::LazyLock;

use serde::Deserialize;
use spdx::{Expression, Licensee, ParseMode};

/// Each crate of this project and those that it may use.
const ARROWS: [(&str, &[&str]); 5] = [
    ("ttg-observability", &[]),
    ("ttg-runtime", &["ttg-observability"]),
    ("ttg-actors", &["ttg-observability", "ttg-runtime"]),
    ("ttg", &["ttg-actors", "ttg-observability", "ttg-runtime"]),
    ("ttg-tests", &["ttg", "ttg-actors", "ttg-observability", "ttg-runtime"]),
];

/// Libraries that `.deny.toml` must keep in one crate.
const HIDDEN: [(&str, &str); 12] = [
    ("clap", "ttg"),
    ("indicatif", "ttg"),
    ("lapin", "ttg-runtime"),
    ("opentelemetry", "ttg-observability"),
    ("opentelemetry-otlp", "ttg-observability"),
    ("opentelemetry-proto", "ttg-tests"),
    ("opentelemetry_sdk", "ttg-observability"),
    ("prometheus", "ttg-observability"),
    ("ractor", "ttg-actors"),
    ("redis", "ttg-runtime"),
    ("rusqlite", "ttg-runtime"),
    ("tonic", "ttg-tests"),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    license: Option<String>,
    /// As its manifest says: with those of tests, benches, other systems and absent features.
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    pkg: String,
}

/// What is read of `.deny.toml`; `cargo deny` reads the rest.
#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    library: String,
    wrappers: BTreeSet<String>,
    reason: String,
}

impl Metadata {
    fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    fn member(&mut self, name: &str) -> &mut Package {
        let members = &self.workspace_members;
        let mut packages = self.packages.iter_mut();
        packages.find(|it| it.name == name && members.contains(&it.id)).unwrap()
    }

    /// Every pair of a package and one that it uses, by name.
    fn uses(&self) -> BTreeSet<(&str, &str)> {
        let names: BTreeMap<&str, &str> =
            self.packages.iter().map(|it| (&*it.id, &*it.name)).collect();
        let resolved = self.resolve.nodes.iter().flat_map(|node| {
            let names = &names;
            node.deps.iter().map(|link| (names[&*node.id], names[&*link.pkg]))
        });
        let declared = self
            .members()
            .flat_map(|member| member.dependencies.iter().map(|it| (&*member.name, &*it.name)));
        resolved.chain(declared).collect()
    }
}

/// What this machine would build; what is for other systems may not be downloaded.
fn metadata() -> Metadata {
    static SAID: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let output = Command::new(env!("CARGO"))
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .args(["metadata", "--format-version", "1", "--locked", "--offline"])
            .args(["--filter-platform", "host-tuple"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    });
    serde_json::from_slice(&SAID).unwrap()
}

fn deny() -> Deny {
    toml::from_str(include_str!("../.deny.toml")).unwrap()
}

/// Dependencies between crates of this project that are no arrow.
fn wrong_arrows(metadata: &Metadata) -> Vec<String> {
    let arrows = BTreeMap::from(ARROWS);
    let members: BTreeSet<&str> = metadata.members().map(|member| &*member.name).collect();
    let mut wrong = Vec::new();
    for (from, to) in metadata.uses() {
        let inside = members.contains(from) && members.contains(to);
        // A crate's tests may use it with another feature.
        if inside && from != to && !arrows.get(from).is_some_and(|allowed| allowed.contains(&to)) {
            wrong.push(format!("{from} -> {to}"));
        }
    }
    wrong
}

/// Uses of a library by a crate that `.deny.toml` does not name.
fn wrong_users(metadata: &Metadata, bans: &[Ban]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (user, library) in metadata.uses() {
        for ban in bans.iter().filter(|ban| ban.library == library) {
            if !ban.wrappers.contains(user) {
                wrong.push(format!("{user} -> {library}: {}", ban.reason));
            }
        }
    }
    wrong
}

/// Packages that no allowed licence covers.
fn unlicensed(packages: &[Package], allow: &[String]) -> Vec<String> {
    let allowed: Vec<Licensee> = allow.iter().map(|it| Licensee::parse(it).unwrap()).collect();
    let covers = |license: &str| {
        // Lax: `MIT/Apache-2.0` is how older packages write a choice.
        Expression::parse_mode(license, ParseMode::LAX).is_ok_and(|choice| {
            choice.evaluate(|wanted| allowed.iter().any(|licence| licence.satisfies(wanted)))
        })
    };
    let strange = packages.iter().filter(|it| !it.license.as_deref().is_some_and(covers));
    strange.map(|it| format!("{}: {:?}", it.name, it.license)).collect()
}

#[test]
fn nothing_points_back() {
    assert_eq!(wrong_arrows(&metadata()), Vec::<String>::new());
}

#[test]
fn every_crate_has_its_arrows() {
    let metadata = metadata();
    let members: BTreeSet<&str> = metadata.members().map(|member| &*member.name).collect();
    assert_eq!(members, ARROWS.map(|(name, _)| name).into());
}

#[test]
fn an_arrow_back_is_found() {
    for (from, allowed) in ARROWS {
        for (to, _) in ARROWS.iter().filter(|(to, _)| *to != from && !allowed.contains(to)) {
            let mut metadata = metadata();
            metadata.member(from).dependencies.push(Dependency { name: (*to).into() });
            assert!(wrong_arrows(&metadata).contains(&format!("{from} -> {to}")));
        }
    }
}

#[test]
fn a_library_is_used_only_by_the_crate_that_hides_it() {
    assert_eq!(wrong_users(&metadata(), &deny().bans.deny), Vec::<String>::new());
}

#[test]
fn a_hidden_library_in_another_crate_is_found() {
    let bans = deny().bans.deny;
    for (library, owner) in HIDDEN {
        for (user, _) in ARROWS.iter().filter(|(user, _)| *user != owner) {
            let mut metadata = metadata();
            metadata.member(user).dependencies.push(Dependency { name: library.into() });
            let wrong = wrong_users(&metadata, &bans);
            let expected = format!("{user} -> {library}: ");
            assert!(wrong.iter().any(|it| it.starts_with(&expected)), "{expected}{wrong:?}");
        }
    }
}

#[test]
fn every_package_has_an_allowed_licence() {
    let licences = deny().licenses.allow;
    assert_eq!(unlicensed(&metadata().packages, &licences), Vec::<String>::new());
}

#[test]
fn a_licence_counts_as_its_expression_says() {
    let package = |license: Option<&str>| Package {
        id: String::new(),
        name: "a".into(),
        license: license.map(String::from),
        dependencies: Vec::new(),
    };
    let is_allowed = |license| unlicensed(&[package(license)], &["MIT".into()]).is_empty();
    for good in ["MIT", "MIT OR GPL-3.0-only", "GPL-3.0-only/MIT", "MIT OR (MIT AND Zlib)"] {
        assert!(is_allowed(Some(good)), "{good}");
    }
    for bad in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "Zlib", "", "Unheard-Of"] {
        assert!(!is_allowed(Some(bad)), "{bad}");
    }
    assert!(!is_allowed(None));
}
