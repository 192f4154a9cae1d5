//! Kubernetes' own schemas.

use std::process::Command;

use crate::manifests::all;

/// The newest that `kubernetes-validate` of `tests/run` has.
const KUBERNETES: &str = "1.37";

/// Whose schemas no Kubernetes has.
const FOREIGN: &str = "keda.sh/v1alpha1";

#[test]
fn a_current_kubernetes_accepts_every_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("kubernetes-validate");
    command.args(["--kubernetes-version", KUBERNETES, "--strict"]);
    for manifest in all() {
        let path = folder.path().join(format!("{}.yaml", manifest.name.replace('/', "-")));
        std::fs::write(&path, &manifest.text).unwrap();
        command.arg(path);
    }
    let output = command.output().expect("there is kubernetes-validate: `tests/run` installs it");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{said}");
    let unknown = said.lines().filter(|line| line.starts_with("WARN"));
    let unknown: Vec<_> = unknown.filter(|line| !line.contains(FOREIGN)).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(said.matches("INFO").count() > 100, "{said}");
}
