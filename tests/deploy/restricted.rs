//! Pods that may do no more than they need.

use serde_json::{Value, json};

use crate::manifests::{Pod, all, items};

/// Who asks the API server which pods there are.
const WITH_TOKEN: &str = "prometheus";

fn findings(pod: &Pod<'_>) -> Vec<String> {
    let mut findings = Vec::new();
    let mut expect = |what: &str, found: &Value, wanted: Value| {
        if *found != wanted {
            findings.push(format!("{}: {what} is {found}", pod.of));
        }
    };
    let (spec, context) = (pod.spec, &pod.spec["securityContext"]);
    expect("enableServiceLinks", &spec["enableServiceLinks"], json!(false));
    let has_token = pod.labels["app.kubernetes.io/name"] == WITH_TOKEN;
    expect("the token", &spec["automountServiceAccountToken"], json!(has_token));
    expect("runAsNonRoot", &context["runAsNonRoot"], json!(true));
    expect("seccompProfile", &context["seccompProfile"]["type"], json!("RuntimeDefault"));
    let is_root = context["runAsUser"].as_u64().is_none_or(|user| user == 0);
    expect("runAsUser of root", &json!(is_root), json!(false));
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        expect(host, &spec[host], Value::Null);
    }
    let on_host = items(&spec["volumes"]).any(|volume| !volume["hostPath"].is_null());
    expect("hostPath", &json!(on_host), json!(false));
    for container in pod.containers() {
        let context = &container["securityContext"];
        expect("privilege", &context["allowPrivilegeEscalation"], json!(false));
        expect("the root file system", &context["readOnlyRootFilesystem"], json!(true));
        expect("capabilities", &context["capabilities"], json!({"drop": ["ALL"]}));
        expect("privileged", &context["privileged"], Value::Null);
        for amount in ["requests", "limits"] {
            for resource in ["cpu", "memory"] {
                let is_there = container["resources"][amount][resource].is_string();
                expect(&format!("{amount} of {resource}"), &json!(is_there), json!(true));
            }
        }
        let image = container["image"].as_str().unwrap_or_default();
        let is_pinned = image.split_once(':').is_some_and(|(_, tag)| tag != "latest");
        expect("a pinned image", &json!(is_pinned), json!(true));
    }
    findings
}

#[test]
fn every_container_is_restricted() {
    let manifests = all();
    let pods: Vec<_> = manifests.iter().flat_map(super::manifests::Manifest::pods).collect();
    assert!(pods.len() > 40, "{}", pods.len());
    let findings: Vec<_> = pods.iter().flat_map(findings).collect();
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn what_is_not_restricted_is_found() {
    let manifests = all();
    let pods: Vec<_> = manifests.iter().flat_map(super::manifests::Manifest::pods).collect();
    let pod = pods.iter().find(|pod| pod.of.ends_with("/ttg-worker")).unwrap();
    let broken: [(&str, Value); 9] = [
        ("/automountServiceAccountToken", json!(true)),
        ("/enableServiceLinks", json!(true)),
        ("/securityContext/runAsUser", json!(0)),
        ("/securityContext/seccompProfile/type", json!("Unconfined")),
        ("/volumes/0", json!({"name": "broker", "hostPath": {"path": "/"}})),
        ("/containers/0/securityContext/readOnlyRootFilesystem", json!(false)),
        ("/containers/0/securityContext/capabilities/drop", json!(["NET_RAW"])),
        ("/containers/0/resources/limits/memory", Value::Null),
        ("/containers/0/image", json!("ttg")),
    ];
    for (path, value) in broken {
        let mut spec = pod.spec.clone();
        *spec.pointer_mut(path).unwrap_or_else(|| panic!("there is no {path}")) = value;
        let broken = Pod { of: pod.of.clone(), labels: pod.labels, spec: &spec };
        assert_eq!(findings(&broken).len(), 1, "{path}: {:?}", findings(&broken));
    }
}

#[test]
fn workers_drain_in_the_time_that_they_are_given() {
    // Two children of the worker's tree that take up to 20 s each, and what lies between.
    let manifests = all();
    let pods: Vec<_> = manifests.iter().flat_map(super::manifests::Manifest::pods).collect();
    for pod in pods.iter().filter(|pod| pod.labels["app.kubernetes.io/name"] == "ttg") {
        let grace = pod.spec["terminationGracePeriodSeconds"].as_u64();
        assert!(grace >= Some(45), "{}: {grace:?}", pod.of);
    }
}
