//! What the scripts do with what a cluster, or a cloud, answers. Stand-ins of the commands that reach
//! one note how they are called, and answer from a table: what would be removed must not be there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::manifests::deploy;

struct StandIns(TempDir);

impl StandIns {
    /// Of each command: the cases of a shell over its arguments.
    fn new(commands: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Nobody has to wait for what the table knows.
        for (name, cases) in commands.iter().chain(&[("sleep", "")]) {
            let path = folder.path().join(name);
            let note = format!("echo \"{name} $*\" >>'{}/calls'", folder.path().display());
            fs::write(&path, format!("#!/bin/sh\n{note}\ncase \"$*\" in\n{cases}\nesac\n"))
                .unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(folder)
    }

    /// Runs a script of `deploy` among them.
    fn run(&self, line: &str) -> Output {
        let (script, arguments) = line.split_once(' ').unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", r#"REAL_PATH=$PATH PATH=$0:$PATH exec "$@""#]).arg(self.0.path());
        command.arg(deploy().join(script)).args(arguments.split_whitespace());
        command.stdin(Stdio::null()).env("KUBECONFIG", "/dev/null");
        command.env("TTG_AKS_REGISTRY", "ttgofatest").output().unwrap()
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.0.path().join("calls")).unwrap_or_default()
    }

    /// Whether one was called with these words.
    fn saw(&self, words: &str) -> bool {
        self.calls().contains(words)
    }
}

/// A cluster in which namespace `lab` is marked as made by `mark`, and holds `left` besides TTG's objects.
fn cluster(mark: &str, left: &str) -> StandIns {
    let kubectl = format!(
        r#"*"get namespace "*) printf '{mark}' ;;
        *"config current-context"*) printf kind-ttg ;;
        *"api-resources --verbs=list"*) printf 'events\npods\ncronjobs.batch\nevents.events.k8s.io\n' ;;
        *"get pods,cronjobs.batch -l app.kubernetes.io/part-of!=ttg"*)
            printf 'configmap/kube-root-ca.crt\nserviceaccount/default\n{left}' ;;"#
    );
    StandIns::new(&[("kubectl", &kubectl), ("kind", "\"get clusters\") echo ttg ;;")])
}

#[test]
fn clean_removes_a_namespace_only_if_deploy_made_it_and_nothing_else_is_in_it() {
    let clean = "ttg-cluster --namespace lab clean --yes --keep-cluster";
    for (mark, left, is_removed) in [
        ("ttg-cluster", "", true),
        ("ttg-cluster", "cronjob.batch/nightly\\n", false),
        ("", "", false),
        ("somebody", "", false),
    ] {
        let cluster = cluster(mark, left);
        let output = cluster.run(clean);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(cluster.saw("-l app.kubernetes.io/part-of=ttg --ignore-not-found"), "TTG's go");
        assert_eq!(cluster.saw("delete namespace lab"), is_removed, "{mark} {left}: {said}");
        assert!(is_removed || said.contains("is not removed"), "{said}");
        assert!(left.is_empty() || said.contains("cronjob.batch/nightly"), "{said}");
    }
}

#[test]
fn clean_removes_a_cluster_only_if_up_made_it_and_it_is_the_one_that_is_spoken_with() {
    for (mark, context, is_removed) in [
        ("ttg-cluster", "", true),
        ("ttg-cluster", "--context kind-ttg", true),
        ("ttg-cluster", "--context elsewhere", false),
        ("", "", false),
    ] {
        let cluster = cluster(mark, "");
        let output = cluster.run(&format!("ttg-cluster {context} clean --yes"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(cluster.saw("kind delete cluster"), is_removed, "{mark} {context}");
        assert_ne!(cluster.saw("-l app.kubernetes.io/part-of=ttg"), is_removed, "{mark} {context}");
    }
}

#[test]
fn clean_tells_why_a_namespace_stays_rather_than_wait_for_ever() {
    let kubectl = r#"*"wait --for=delete namespace/lab"*) exit 1 ;;
        *status.conditions*) printf 'Discovery failed: metrics.k8s.io/v1beta1' ;;
        *"get namespace "*) printf ttg-cluster ;;
        *"api-resources --verbs=list"*) echo pods ;;"#;
    let cluster = StandIns::new(&[("kubectl", kubectl)]);
    let output = cluster.run("ttg-cluster --namespace lab clean --yes --keep-cluster");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(cluster.saw("delete namespace lab --wait=false"));
    assert!(said.contains("Discovery failed: metrics.k8s.io/v1beta1"), "{said}");
    assert!(said.contains("kubectl get apiservices"), "{said}");
}

#[test]
fn up_speaks_with_a_cluster_that_is_there() {
    let machine = StandIns::new(&[
        ("kind", "\"get clusters\") echo ttg ;;"),
        ("kubectl", ""),
        ("docker", ""),
    ]);
    assert!(machine.run("ttg-cluster --image ttg:1 up").status.success());
    assert!(machine.saw("kind export kubeconfig --name ttg"));
    assert!(!machine.saw("made-by"), "it is somebody's: no mark says that it may be removed");
    assert!(machine.saw("--context kind-ttg"), "and what was built is noted there");
}

#[test]
fn what_is_found_is_found_however_much_is_said_after_it() {
    let much = "yes another | head -n 100000";
    let machine = StandIns::new(&[
        ("kind", &format!("\"get clusters\") echo ttg; {much} ;;")),
        ("kubectl", &format!("*api-group=keda.sh*) echo scaledobjects.keda.sh; {much} ;;")),
        ("docker", ""),
    ]);
    assert!(machine.run("ttg-cluster --image ttg:1 up").status.success());
    assert!(machine.saw("kind export kubeconfig") && !machine.saw("kind create"));
    assert!(machine.run("ttg-cluster clean --yes --keep-cluster").status.success());
    assert!(machine.saw("triggerauthentications.keda.sh -l app.kubernetes.io/part-of=ttg"));
}

#[test]
fn recover_does_not_take_the_word_of_before_a_node_was_started() {
    let docker = r"ps*) echo 1a2b ;; inspect*) echo '/ttg-worker 2026-01-01T00:00:10.5Z' ;;";
    // Of before that; then not ready; then ready.
    let kubectl = r#"*"config current-context"*) printf kind-ttg ;;
        *"get pods -l "*startedAt*) echo >>"$0.asked"
            case $(wc -l <"$0.asked") in
            1) echo 'ttg-worker|True|2026-01-01T00:00:05Z' ;;
            2) echo 'ttg-worker|False|2026-01-01T00:00:12Z' ;;
            *) echo 'ttg-worker|True|2026-01-01T00:00:12Z' ;;
            esac ;;"#;
    let cluster = StandIns::new(&[("kubectl", kubectl), ("docker", docker)]);
    let output = cluster.run("ttg-cluster recover");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(cluster.saw("docker ps --all --quiet --filter label=io.x-k8s.kind.cluster=ttg"));
    assert!(cluster.saw("docker start 1a2b"));
    assert_eq!(cluster.calls().matches("running.startedAt").count(), 3);
}

#[test]
fn what_does_not_come_up_is_told_with_its_reason_while_it_is_waited_for() {
    let kubectl = r#"*"get statefulsets,deployments"*) echo deployment/ttg-worker ;;
        *"rollout status deployment/ttg-worker"*) echo >>"$0.asked"
            [ $(wc -l <"$0.asked") -gt 2 ] || { echo 'timed out waiting for it' >&2; exit 1; } ;;
        *"get pods -l app.kubernetes.io/part-of=ttg "*waiting*) echo 'w-1 ImagePullBackOff' ;;"#;
    let cluster = StandIns::new(&[("kubectl", kubectl)]);
    let output = cluster.run("ttg-cluster recover");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("w-1 waits: ImagePullBackOff").count(), 1, "{said}");
    assert!(!said.contains("timed out"), "{said}");
}

#[test]
fn a_job_that_is_being_submitted_is_watched_when_it_is_known() {
    let cluster = |state: &str| {
        StandIns::new(&[(
            "kubectl",
            &format!(
                r#"*data.backend*) printf redis ;;
                *"status a --json") [ -e "$0.asked" ] || {{ : >"$0.asked"; exit 2; }} ;;
                *"get job ttg-submit-a"*) printf '{state}' ;;"#
            ),
        )])
    };
    for (state, times) in [("Running ", 2), ("Running Failed", 1), ("", 1)] {
        let cluster = cluster(state);
        assert!(cluster.run("ttg-cluster watch a").status.success());
        assert!(cluster.saw("exec deployment/ttg-worker -- ttg status a --watch"), "{state}");
        assert_eq!(cluster.calls().matches("status a --json").count(), times, "{state}");
    }
}

#[test]
fn a_job_ends_with_the_worst_exit_code_of_its_slices_and_tells_how_its_pods_fare() {
    let log = |second: u32, level: &str, rest: &str| {
        format!(
            r#"{{"timestamp":"2026-01-01T00:00:0{second}.000Z","level":"{level}","target":"t","message":{rest},"worker":null}}"#
        )
    };
    let logged = [
        log(1, "INFO", r#""process starts","event":"starting""#),
        log(2, "WARN", r#""no worker has the \"kernel\"","kernel":"c""#),
        log(3, "INFO", r#""1/9 parameters","event":"progress","done":1"#),
        log(4, "INFO", r#""1/9 parameters","event":"progress","done":1"#),
    ];
    let kubectl = r#"kustomize*) PATH=$REAL_PATH exec kubectl "$@" ;;
        *data.backend*) printf static ;;
        *data.workers*) printf 3 ;;
        *data.image*) printf ttg:1 ;;
        *"get job ttg-static-a"*) printf 'Running Failed' ;;
        *"get pods "*waiting*) printf 'a-0-x \na-1-x ImagePullBackOff\n' ;;
        *"get pods "*) printf 'pod/a-0-x\npod/a-1-x\npod/a-1-y\npod/a-2-x\n' ;;
        *"get pod/a-0-x"*) printf '0:143' ;;
        *"get pod/a-1-x"*) printf '1:137' ;;
        *"get pod/a-1-y"*) printf '1:3' ;;
        *"get pod/a-2-x"*) printf '2:0' ;;
        *logs*) cat <<'END'
LOGGED
{"job":"a"}
error: words
END
        ;;"#;
    let kubectl = kubectl.replace("LOGGED", &logged.join("\n"));
    let cluster = StandIns::new(&[("kubectl", &kubectl)]);
    let output = cluster.run("ttg-cluster submit --job a");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "{\"job\":\"a\"}\n".repeat(4),
        "reports only"
    );
    assert_eq!(said.matches("a-1-x waits: ImagePullBackOff").count(), 1, "{said}");
    assert!(!said.contains("a-0-x waits"), "{said}");
    // Each pod's words once, however often they are asked for.
    for told in ["a-2-x: no worker has the \"kernel\",kernel:c", "a-2-x: 1/9 parameters"] {
        assert_eq!(said.matches(told).count(), 1, "{told}: {said}");
    }
    assert!(!said.contains("process starts"), "{said}");
}

#[test]
fn what_nobody_would_scale_is_refused_before_anything_is_applied() {
    let known = |group: &str| {
        let apply = r#"*" apply "*) cat >/dev/null ;;"#;
        format!("kustomize*) PATH=$REAL_PATH exec kubectl \"$@\" ;;\n{apply}\n{group}")
    };
    // It tells what it has, and fails as a whole, when an API of others does not answer.
    let keda = "*--api-group=keda.sh*) echo scaledobjects.keda.sh; exit 1 ;;";
    for (with, group, is_applied, told) in [
        ("autoscaling", "", false, "there is no KEDA"),
        ("autoscaling", keda, true, "redis, workers by autoscaling of ttg:1"),
        ("autoscaling-cpu", "", true, "no metrics-server answers"),
    ] {
        let cluster = StandIns::new(&[("kubectl", &known(group))]);
        let output = cluster.run(&format!("ttg-cluster --image ttg:1 deploy --with {with}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), is_applied, "{said}");
        assert_eq!(cluster.saw(" apply "), is_applied, "{with} {group}");
        assert!(said.contains(told), "{with}: {said}");
    }
}

#[test]
fn the_number_of_workers_that_an_autoscaler_decides_is_not_set_by_hand() {
    for (scaler, hint) in [
        ("keda-hpa-ttg-worker", "autoscaling.keda.sh/paused-replicas=7"),
        ("ttg-worker", "edit horizontalpodautoscaler/ttg-worker"),
        ("", ""),
    ] {
        let kubectl = format!(
            "*data.backend*) printf redis ;;\n\
             *\"get horizontalpodautoscalers \"*) printf '{scaler}' ;;"
        );
        let cluster = StandIns::new(&[("kubectl", &kubectl)]);
        let output = cluster.run("ttg-cluster scale 7");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), scaler.is_empty(), "{said}");
        assert_eq!(cluster.saw("--replicas=7"), scaler.is_empty());
        assert!(said.contains(scaler) && said.contains(hint), "{said}");
    }
}

#[test]
fn on_azure_a_resource_group_of_others_is_left_alone() {
    for (tag, hint) in [("ttg-aks", "a person must say yes"), ("", "did not make")] {
        let az = format!(
            "\"group exists\"*) echo true ;;\n\"group show\"*) echo '{tag}' ;;\n\
             \"resource list\"*) echo a-cluster ;;"
        );
        for command in ["up", "down"] {
            let cloud = StandIns::new(&[("az", &az)]);
            let output = cloud.run(&format!("aks/ttg-aks {command}"));
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains(hint), "{command}: {said}");
            assert!(!cloud.saw("group create") && !cloud.saw("group delete"), "{command}");
            let listed = String::from_utf8_lossy(&output.stdout).contains("a-cluster");
            assert_eq!(listed, command == "down" && !tag.is_empty(), "what would go is told");
        }
    }
}

#[test]
fn on_azure_nothing_is_asked_for_before_it_is_known_who_pays_and_what_is_there() {
    let cases = [
        ("account show", "az login", vec!["up", "image", "deploy", "down"]),
        ("group exists", "does not say", vec!["up", "down"]),
    ];
    for (fails, hint, commands) in cases {
        for command in commands {
            let cloud = StandIns::new(&[("az", &format!("\"{fails}\"*) exit 1 ;;"))]);
            let output = cloud.run(&format!("aks/ttg-aks {command}"));
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{command}: {said}");
            assert!(said.contains(hint), "{command}: {said}");
            let asked = String::from_utf8_lossy(&output.stdout);
            assert!(!asked.contains("# Cost"), "{command}: {asked}");
        }
    }
}

#[test]
fn on_azure_workers_are_on_spot_nodes_whatever_else_is_asked_for() {
    let deploy = |line: &str| {
        let output = StandIns::new(&[]).run(&format!("aks/ttg-aks --dry-run deploy {line}"));
        String::from_utf8(output.stdout).unwrap()
    };
    let said = deploy("--with tracing");
    assert!(said.contains("'deploy' '--with' 'aks-spot' '--with' 'tracing'"), "{said}");
    // A static job has no workers.
    let said = deploy("--backend static");
    assert!(said.contains("'deploy' '--backend' 'static'"), "{said}");
}
