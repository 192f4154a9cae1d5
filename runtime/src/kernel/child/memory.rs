//! How much memory a child may take: what its control group has left. Beyond it a kernel's allocation
//! fails, which ends the child alone. Without the bound the group would run out, and what ends then
//! is the system's to choose: where Kubernetes sets `memory.oom.group` (it does under cgroup v2), that is the
//! whole container, the worker with its child.

use std::fs;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Of what is left, this part is for what the kernel of the system keeps for the group, such as page tables.
const KEPT_BACK: u64 = 16;

/// Limits from here on are none: cgroup v1 shows the largest number of pages there is.
const UNLIMITED: u64 = 1 << 60;

/// Bounds the writable memory of this process (`RLIMIT_DATA`, see getrlimit(2)) by what is left to its
/// group. `root` is `/`, but for tests. What cannot be told or set bounds nothing.
pub(super) fn bound(root: &Path) {
    let Some(left) = left(root) else { return };
    let of_system = getrlimit(Resource::Data);
    let current = of_system.current.map_or(left, |current| current.min(left));
    setrlimit(Resource::Data, Rlimit { current: Some(current), ..of_system }).ok();
}

/// What the names of one version of control groups are.
struct Names {
    /// Its mount, below the root.
    mount: &'static str,
    limit: &'static str,
    usage: &'static str,
    /// In `memory.stat`: pages of files that are there to be dropped, though they count as used.
    dropped: &'static str,
}

const V1: Names = Names {
    mount: "sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    dropped: "total_inactive_file",
};

const V2: Names = Names {
    mount: "sys/fs/cgroup",
    limit: "memory.max",
    usage: "memory.current",
    dropped: "inactive_file",
};

/// Bytes that every group which this process is in has left; `None` if none has a limit.
fn left(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let each = groups.lines().filter_map(|line| {
        // cgroups(7): a number, controllers by commas (none under version 2), and the path.
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let names = match controllers {
            "" => &V2,
            _ if controllers.split(',').any(|name| name == "memory") => &V1,
            _ => return None,
        };
        // A container often sees its own group as the mount's root, whatever the path says.
        let mount = root.join(names.mount);
        let path = Path::new(path.trim_start_matches('/'));
        path.ancestors().filter_map(|group| left_to(&mount.join(group), names)).min()
    });
    each.min()
}

fn left_to(group: &Path, names: &Names) -> Option<u64> {
    let number = |name| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    let limit = number(names.limit).filter(|limit| *limit < UNLIMITED)?;
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let dropped =
        stat.lines().find_map(|line| line.strip_prefix(names.dropped)?.trim().parse().ok());
    let used = number(names.usage)?.saturating_sub(dropped.unwrap_or(0));
    let left = limit.saturating_sub(used);
    Some(left - left / KEPT_BACK)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A root with these files.
    fn root(files: &[(&str, String)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
        }
        root
    }

    fn group(
        mount: &str,
        names: &Names,
        limit: &str,
        usage: u64,
        dropped: u64,
    ) -> [(String, String); 3] {
        let file = |name: &str| format!("{mount}/{name}");
        let stat = format!("anon 5\n{} {dropped}\nother 7", names.dropped);
        [
            (file(names.limit), limit.to_owned()),
            (file(names.usage), usage.to_string()),
            (file("memory.stat"), stat),
        ]
    }

    fn left_in(cgroup: &str, groups: &[[(String, String); 3]]) -> Option<u64> {
        let files = groups.iter().flatten().map(|(name, text)| (name.as_str(), text.clone()));
        let files: Vec<_> = files.chain([("proc/self/cgroup", cgroup.to_owned())]).collect();
        left(root(&files).path())
    }

    #[test]
    fn the_tightest_group_of_either_version_counts_without_what_files_hold() {
        let of = |limit: u64, usage, dropped, mount: &str, names| {
            group(mount, names, &limit.to_string(), usage, dropped)
        };
        let pod = of(512 * MIB, 100 * MIB, 0, "sys/fs/cgroup/pod", &V2);
        let container = of(256 * MIB, 96 * MIB, 0, "sys/fs/cgroup/pod/c", &V2);
        assert_eq!(left_in("0::/pod/c", &[pod.clone(), container]), Some(150 * MIB));
        let tight = of(116 * MIB, 100 * MIB, 0, "sys/fs/cgroup/pod", &V2);
        let container = of(256 * MIB, 96 * MIB, 0, "sys/fs/cgroup/pod/c", &V2);
        assert_eq!(left_in("0::/pod/c", &[tight, container]), Some(15 * MIB));
        // Files are dropped before memory runs out.
        let cached = of(256 * MIB, 250 * MIB, 90 * MIB, "sys/fs/cgroup", &V2);
        assert_eq!(left_in("0::/", &[cached]), Some(90 * MIB));
        // Version 1, where a container's path is that of its host.
        let v1 = of(64 * MIB, 32 * MIB, 0, "sys/fs/cgroup/memory", &V1);
        let cgroup = "7:cpu,cpuacct:/docker/1\n4:memory:/docker/1";
        assert_eq!(left_in(cgroup, &[v1]), Some(30 * MIB));
    }

    #[test]
    fn without_a_limit_there_is_no_bound() {
        let unlimited = group("sys/fs/cgroup", &V2, "max", 7, 0);
        assert_eq!(left_in("0::/", &[unlimited]), None);
        let unlimited = group("sys/fs/cgroup/memory", &V1, "9223372036854771712", 7, 0);
        assert_eq!(left_in("4:memory:/", &[unlimited]), None);
        assert_eq!(left_in("0::/gone", &[]), None);
        assert_eq!(left(Path::new("/nowhere")), None);
    }

    #[test]
    fn beyond_the_bound_an_allocation_fails() {
        let before = getrlimit(Resource::Data);
        let groups = group("sys/fs/cgroup", &V2, &(2048 * MIB).to_string(), 0, 0);
        let files: Vec<_> =
            groups.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
        let cgroup = [("proc/self/cgroup", "0::/".to_owned())];
        let root = root(&[files, cgroup.to_vec()].concat());
        let can_take = |bytes: u64| {
            Vec::<u8>::new().try_reserve_exact(usize::try_from(bytes).unwrap()).is_ok()
        };
        bound(root.path());
        let (more, less) = (can_take(2048 * MIB), can_take(256 * MIB));
        // Other tests may be in this process.
        setrlimit(Resource::Data, before).unwrap();
        assert!(!more && less, "{more} {less}");
        assert!(can_take(2048 * MIB), "it was the bound");
    }
}
