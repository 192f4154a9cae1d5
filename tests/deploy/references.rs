//! What is named exists.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::manifests::{Manifest, Pod, all, items};
use crate::script::secrets;

/// The keys of each Secret that the script makes, for any backend.
type Secrets = BTreeMap<String, Vec<String>>;

/// Objects that one manifest names and another one brings.
struct Elsewhere {
    secrets: Secrets,
    claims: Vec<Value>,
    /// Those by their own name that a process does without.
    maps: Vec<Value>,
}

fn findings(manifest: &Manifest, elsewhere: &Elsewhere) -> Vec<String> {
    let pods = manifest.pods();
    let mut findings: Vec<_> =
        pods.iter().flat_map(|pod| of_pod(manifest, pod, elsewhere)).collect();
    for service in manifest.of_kind("Service") {
        let selected = pods.iter().filter(|pod| pod.is_selected_by(&service["spec"]["selector"]));
        let selected: Vec<_> = selected.collect();
        if selected.is_empty() {
            findings.push(format!("{} selects no pod", manifest.title(service)));
        }
        for port in items(&service["spec"]["ports"]) {
            let target = &port["targetPort"];
            if !selected.iter().all(|pod| pod.containers().any(|one| has_port(one, target))) {
                findings.push(format!("{} leads to no port {target}", manifest.title(service)));
            }
        }
    }
    for budget in manifest.of_kind("PodDisruptionBudget") {
        let selector = &budget["spec"]["selector"]["matchLabels"];
        if !pods.iter().any(|pod| pod.is_selected_by(selector)) {
            findings.push(format!("{} protects no pod", manifest.title(budget)));
        }
    }
    for kind in ["ScaledObject", "HorizontalPodAutoscaler"] {
        for scaler in manifest.of_kind(kind) {
            if !manifest.has("Deployment", &scaler["spec"]["scaleTargetRef"]["name"]) {
                findings.push(format!("{} scales nothing", manifest.title(scaler)));
            }
        }
    }
    for authentication in manifest.of_kind("TriggerAuthentication") {
        for parameter in items(&authentication["spec"]["secretTargetRef"]) {
            if !is_secret(&elsewhere.secrets, &parameter["name"], &parameter["key"]) {
                findings.push(format!("{}: {parameter}", manifest.title(authentication)));
            }
        }
    }
    findings
}

fn of_pod(manifest: &Manifest, pod: &Pod<'_>, elsewhere: &Elsewhere) -> Vec<String> {
    let mut findings = Vec::new();
    let mut missing = |what: &Value| findings.push(format!("{} names {what}", pod.of));
    let volumes: Vec<_> = items(&pod.spec["volumes"]).collect();
    for volume in &volumes {
        if let Some(map) = volume.get("configMap")
            && !manifest.has("ConfigMap", &map["name"])
        {
            missing(map);
        }
        if let Some(claim) = volume.get("persistentVolumeClaim") {
            let name = &claim["claimName"];
            if !manifest.has("PersistentVolumeClaim", name) && !elsewhere.claims.contains(name) {
                missing(claim);
            }
        }
        if let Some(secret) = volume.get("secret") {
            let has = |key: &Value| is_secret(&elsewhere.secrets, &secret["secretName"], key);
            let whole = elsewhere.secrets.contains_key(secret["secretName"].as_str().unwrap());
            if !whole || !items(&secret["items"]).all(|item| has(&item["key"])) {
                missing(secret);
            }
        }
    }
    if let Some(account) = pod.spec.get("serviceAccountName")
        && !manifest.has("ServiceAccount", account)
    {
        missing(account);
    }
    for container in pod.containers() {
        for mount in items(&container["volumeMounts"]) {
            let templates = items_of_claims(manifest);
            let mut known = volumes.iter().map(|volume| &volume["name"]).chain(templates);
            if !known.any(|name| *name == mount["name"]) {
                missing(mount);
            }
        }
        for from in items(&container["envFrom"]) {
            let map = &from["configMapRef"];
            let is_elsewhere = map["optional"] == true && elsewhere.maps.contains(&map["name"]);
            if !manifest.has("ConfigMap", &map["name"]) && !is_elsewhere {
                missing(from);
            }
        }
        for variable in items(&container["env"]) {
            let reference = &variable["valueFrom"]["secretKeyRef"];
            let is_known = reference.is_null()
                || is_secret(&elsewhere.secrets, &reference["name"], &reference["key"]);
            if !is_known {
                missing(variable);
            }
        }
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            for how in ["httpGet", "tcpSocket"] {
                let port = &container[probe][how]["port"];
                if !port.is_null() && !has_port(container, port) {
                    missing(&container[probe]);
                }
            }
        }
    }
    findings
}

/// The names of the volumes that a `StatefulSet` of the manifest makes.
fn items_of_claims(manifest: &Manifest) -> impl Iterator<Item = &Value> {
    let sets = manifest.of_kind("StatefulSet");
    let claims = sets.flat_map(|set| items(&set["spec"]["volumeClaimTemplates"]));
    claims.map(|claim| &claim["metadata"]["name"])
}

fn has_port(container: &Value, port: &Value) -> bool {
    items(&container["ports"]).any(|one| one["name"] == *port || one["containerPort"] == *port)
}

fn is_secret(secrets: &Secrets, name: &Value, key: &Value) -> bool {
    let keys = name.as_str().and_then(|name| secrets.get(name));
    keys.is_some_and(|keys| keys.iter().any(|one| key == one))
}

fn elsewhere(manifests: &[Manifest]) -> Elsewhere {
    let names = |kind| {
        let objects = manifests.iter().flat_map(move |manifest| manifest.of_kind(kind));
        objects.map(|object| object["metadata"]["name"].clone()).collect()
    };
    let mut secrets = secrets();
    // What only a person writes there.
    secrets.entry("ttg-broker".to_owned()).or_default().push("namespace".to_owned());
    Elsewhere { secrets, claims: names("PersistentVolumeClaim"), maps: names("ConfigMap") }
}

#[test]
fn every_service_selects_pods_and_all_that_is_named_exists() {
    let manifests = all();
    let elsewhere = elsewhere(&manifests);
    let findings: Vec<_> =
        manifests.iter().flat_map(|manifest| findings(manifest, &elsewhere)).collect();
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn what_is_missing_is_found() {
    let manifests = all();
    let elsewhere = elsewhere(&manifests);
    let whole = manifests.iter().find(|one| one.name.ends_with("/redis-full")).unwrap();
    for kind in
        ["ConfigMap", "Deployment", "StatefulSet", "ServiceAccount", "PersistentVolumeClaim"]
    {
        for index in 0..whole.of_kind(kind).count() {
            let lost = whole.of_kind(kind).nth(index).unwrap();
            let objects = whole.objects.iter().filter(|object| *object != lost).cloned().collect();
            let broken = Manifest { name: whole.name.clone(), text: String::new(), objects };
            let secrets = elsewhere.secrets.clone();
            let without = Elsewhere { secrets, claims: Vec::new(), maps: Vec::new() };
            assert_ne!(findings(&broken, &without), Vec::<String>::new(), "{lost}");
        }
    }
    for name in
        elsewhere.secrets.keys().filter(|name| !name.contains("rabbitmq") && !name.contains("tls"))
    {
        let mut secrets = elsewhere.secrets.clone();
        secrets.remove(name);
        let (claims, maps) = (elsewhere.claims.clone(), elsewhere.maps.clone());
        let without = Elsewhere { secrets, claims, maps };
        assert_ne!(findings(whole, &without), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn every_network_policy_is_about_pods_that_there_are() {
    let manifests = all();
    let pods: Vec<_> = manifests.iter().flat_map(super::manifests::Manifest::pods).collect();
    let selects = |selector: &Value| {
        let labels = &selector["matchLabels"];
        pods.iter().any(|pod| pod.is_selected_by(labels))
    };
    for manifest in &manifests {
        for policy in manifest.of_kind("NetworkPolicy") {
            let title = manifest.title(policy);
            assert!(selects(&policy["spec"]["podSelector"]), "{title}");
            let peers =
                [("ingress", "from"), ("egress", "to")].into_iter().flat_map(|(way, side)| {
                    items(&policy["spec"][way]).flat_map(move |rule| items(&rule[side]))
                });
            for peer in peers.filter(|peer| peer["namespaceSelector"].is_null()) {
                assert!(selects(&peer["podSelector"]), "{title}: {peer}");
            }
        }
    }
}

#[test]
fn slices_are_as_many_as_pods_and_no_index_is_left_out() {
    let manifests = all();
    let manifest = manifests.iter().find(|one| one.name.ends_with("jobs/static")).unwrap();
    let job = manifest.of_kind("Job").next().unwrap();
    let map = manifest.of_kind("ConfigMap").next().unwrap();
    let count = &job["spec"]["completions"];
    assert_eq!(job["spec"]["parallelism"], *count);
    assert_eq!(job["spec"]["completionMode"], "Indexed");
    assert_eq!(map["data"]["TOTAL_WORKERS"], count.to_string());
    let merging = manifests.iter().find(|one| one.name.ends_with("jobs/static-results")).unwrap();
    let job = merging.of_kind("Job").next().unwrap();
    let arguments = job["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
    let stores = arguments.iter().filter(|one| one.as_str().unwrap().contains("/shard-"));
    assert_eq!(stores.count().to_string(), count.to_string());
}
