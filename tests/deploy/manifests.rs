//! The manifests as kustomize renders them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The folder `deploy`.
pub(crate) fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").canonicalize().unwrap()
}

/// What one folder renders to.
pub(crate) struct Manifest {
    /// The folder, below `deploy`.
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) objects: Vec<Value>,
}

/// A pod that an object is or makes.
pub(crate) struct Pod<'a> {
    /// Manifest, kind and name of that object.
    pub(crate) of: String,
    pub(crate) labels: &'a Value,
    pub(crate) spec: &'a Value,
}

impl Manifest {
    pub(crate) fn render(folder: &Path) -> Self {
        let output = Command::new("kubectl").arg("kustomize").arg(folder).output();
        let output = output.expect("there is a kubectl: `tests/run` installs it");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {errors}", folder.display());
        let text = String::from_utf8(output.stdout).unwrap();
        let name = folder.strip_prefix(deploy()).unwrap().display().to_string();
        let objects = parse(&text);
        Self { name, text, objects }
    }

    pub(crate) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(move |object| object["kind"] == kind)
    }

    pub(crate) fn has(&self, kind: &str, name: &Value) -> bool {
        self.of_kind(kind).any(|object| object["metadata"]["name"] == *name)
    }

    pub(crate) fn pods(&self) -> Vec<Pod<'_>> {
        let mut pods = Vec::new();
        for object in &self.objects {
            let pod = match object["kind"].as_str().unwrap() {
                "Deployment" | "StatefulSet" | "Job" => &object["spec"]["template"],
                "Pod" => object,
                _ => continue,
            };
            let (labels, spec) = (&pod["metadata"]["labels"], &pod["spec"]);
            pods.push(Pod { of: self.title(object), labels, spec });
        }
        pods
    }

    /// How a finding names `object`.
    pub(crate) fn title(&self, object: &Value) -> String {
        let of = |value: &Value| value.as_str().unwrap_or("?").to_owned();
        format!("{} {}/{}", self.name, of(&object["kind"]), of(&object["metadata"]["name"]))
    }
}

impl<'a> Pod<'a> {
    pub(crate) fn containers(&self) -> impl Iterator<Item = &'a Value> {
        let lists = [&self.spec["initContainers"], &self.spec["containers"]];
        lists.into_iter().flat_map(items)
    }

    /// Whether it is what `selector` asks for.
    pub(crate) fn is_selected_by(&self, selector: &Value) -> bool {
        let wanted = selector.as_object().unwrap();
        !wanted.is_empty() && wanted.iter().all(|(label, value)| self.labels[label] == *value)
    }
}

/// The documents of `text`.
pub(crate) fn parse(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}"))
}

/// The elements of a list; none of what is no list.
pub(crate) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The folders below `folder`, of `deploy`, that are kustomizations.
pub(crate) fn kustomizations(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(deploy().join(folder)).unwrap();
    let mut folders: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.join("kustomization.yaml").exists());
    folders.sort();
    folders
}

/// All that can be applied.
pub(crate) fn all() -> Vec<Manifest> {
    let mut folders = kustomizations("kubernetes/overlays");
    folders.extend(kustomizations("kubernetes/jobs"));
    folders.extend(kustomizations("aks"));
    assert!(folders.len() > 15, "{folders:?}");
    folders.iter().map(|folder| Manifest::render(folder)).collect()
}

#[test]
fn every_component_is_in_an_overlay() {
    let mut used = String::new();
    for folder in kustomizations("kubernetes/overlays").into_iter().chain(kustomizations("aks")) {
        used += &fs::read_to_string(folder.join("kustomization.yaml")).unwrap();
    }
    let components = kustomizations("kubernetes/components");
    assert!(components.len() > 8, "{components:?}");
    for component in components {
        let name = component.file_name().unwrap().to_str().unwrap();
        assert!(used.contains(&format!("/components/{name}\n")), "{name} is in no overlay");
    }
}

#[test]
fn no_secret_is_in_a_manifest() {
    for manifest in all() {
        assert_eq!(manifest.of_kind("Secret").count(), 0, "{}", manifest.name);
    }
}

#[test]
fn everything_carries_the_labels_by_which_it_is_found_and_removed() {
    for manifest in all() {
        for object in &manifest.objects {
            let title = manifest.title(object);
            let labels = &object["metadata"]["labels"];
            assert_eq!(labels["app.kubernetes.io/part-of"], "ttg", "{title}");
            let has_name = object["kind"] == "Namespace"
                || object["kind"] == "ConfigMap"
                || labels["app.kubernetes.io/name"].is_string();
            assert!(has_name, "{title}");
        }
        for pod in manifest.pods() {
            assert_eq!(pod.labels["app.kubernetes.io/part-of"], "ttg", "{}", pod.of);
            if pod.labels["app.kubernetes.io/name"] == "ttg" {
                assert!(pod.labels["ttg.io/role"].is_string(), "{}", pod.of);
            }
        }
    }
}
