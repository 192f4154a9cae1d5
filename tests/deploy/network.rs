//! Network policies let through what TTG's parts have to say to each other.

use serde_json::Value;
use ttg_tests::stack;

use crate::manifests::{Manifest, Pod, all, items, parse};

/// Who opens a connection to the Service at an address.
struct Wish {
    from: &'static str,
    service: String,
    port: u64,
}

/// What Grafana asks of its data sources, and the others of theirs.
fn wishes() -> Vec<Wish> {
    let file = stack().join("grafana/provisioning/datasources/ttg.yml");
    let sources = parse(&std::fs::read_to_string(file).unwrap());
    let sources = items(&sources[0]["datasources"]).map(|source| {
        let url = source["url"].as_str().unwrap().strip_prefix("http://").unwrap();
        let (service, port) = url.split_once(':').unwrap();
        Wish { from: "grafana", service: service.to_owned(), port: port.parse().unwrap() }
    });
    let others = [
        ("ttg", "redis", 6379),
        ("ttg", "rabbitmq", 5672),
        ("ttg", "jaeger", 4317),
        ("redis-insight", "redis", 6379),
    ];
    let others =
        others.map(|(from, service, port)| Wish { from, service: service.to_owned(), port });
    sources.chain(others).collect()
}

/// Whether a rule of `way` for `pod` lets a peer at `side` use the port.
fn allows(manifest: &Manifest, way: [&str; 3], pod: &Pod<'_>, peer: &Pod<'_>, port: u64) -> bool {
    let [of, side, kind] = way;
    let is_peer = |rule: &Value| {
        let selects = |one: &Value| {
            one["namespaceSelector"].is_null()
                && peer.is_selected_by(&one["podSelector"]["matchLabels"])
        };
        items(&rule[side]).any(selects) && items(&rule["ports"]).any(|one| one["port"] == port)
    };
    manifest.of_kind("NetworkPolicy").any(|policy| {
        let spec = &policy["spec"];
        pod.is_selected_by(&spec["podSelector"]["matchLabels"])
            && items(&spec["policyTypes"]).any(|one| one == kind)
            && items(&spec[of]).any(is_peer)
    })
}

/// What is cut off, and how many connections there are at all.
fn cut_off(manifest: &Manifest) -> (Vec<String>, usize) {
    let (mut findings, mut seen) = (Vec::new(), 0);
    let pods = manifest.pods();
    for Wish { from, service, port } in wishes() {
        let mut services = manifest.of_kind("Service");
        let Some(found) = services.find(|one| one["metadata"]["name"] == *service) else {
            continue;
        };
        let mut ports = items(&found["spec"]["ports"]);
        let target = &ports.find(|one| one["port"] == port).unwrap()["targetPort"];
        let to = pods.iter().find(|pod| pod.is_selected_by(&found["spec"]["selector"])).unwrap();
        let mut ports = to.containers().flat_map(|container| items(&container["ports"]));
        let port = ports.find(|one| one["name"] == *target).unwrap()["containerPort"].as_u64();
        let senders = pods.iter().filter(|pod| pod.labels["app.kubernetes.io/name"] == from);
        for sender in senders {
            seen += 1;
            let out = allows(manifest, ["egress", "to", "Egress"], sender, to, port.unwrap());
            let into = allows(manifest, ["ingress", "from", "Ingress"], to, sender, port.unwrap());
            if !out || !into {
                let sender = &sender.of;
                findings.push(format!("{sender} to {service}: out {out}, into it {into}"));
            }
        }
    }
    (findings, seen)
}

/// Those with policies.
fn guarded() -> Vec<Manifest> {
    let mut manifests = all();
    manifests.retain(|manifest| manifest.of_kind("NetworkPolicy").count() > 0);
    assert!(manifests.len() >= 2);
    manifests
}

#[test]
fn what_asks_reaches_whom_it_asks() {
    for manifest in guarded() {
        let (findings, seen) = cut_off(&manifest);
        assert!(findings.is_empty(), "{}: {findings:#?}", manifest.name);
        assert!(seen >= 4, "{}: {seen}", manifest.name);
    }
}

#[test]
fn what_is_cut_off_is_found() {
    for manifest in guarded() {
        for name in ["ttg-grafana", "ttg-jaeger", "ttg-prometheus", "ttg-broker", "ttg-to-broker"] {
            assert!(manifest.has("NetworkPolicy", &Value::from(name)), "{name}");
            let mut objects = manifest.objects.clone();
            objects.retain(|object| {
                object["kind"] != "NetworkPolicy" || object["metadata"]["name"] != name
            });
            let broken = Manifest { name: manifest.name.clone(), text: String::new(), objects };
            assert_ne!(cut_off(&broken).0, Vec::<String>::new(), "{name}");
        }
    }
}

/// A policy that named a place would cut off a cluster whose names are elsewhere, such as in a cache on
/// each node.
#[test]
fn names_may_be_looked_up_wherever_the_cluster_has_them() {
    for manifest in guarded() {
        let mut policies = manifest.of_kind("NetworkPolicy");
        let names = policies.find(|policy| policy["metadata"]["name"] == "ttg-names").unwrap();
        let anywhere = items(&names["spec"]["egress"]).find(|rule| rule["to"].is_null()).unwrap();
        assert!(items(&anywhere["ports"]).all(|port| port["port"] == 53), "{anywhere}");
        assert_eq!(items(&anywhere["ports"]).count(), 2, "by UDP and TCP: {anywhere}");
    }
}
