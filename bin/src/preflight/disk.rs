//! Whether the disk of the store has room, and is one that keeps a store.

use std::path::Path;

use rustix::fs::{statfs, statvfs};

use crate::exit::Exit;
use crate::report::Finding;

const MIB: u64 = 1 << 20;

/// Below it a small job does not fit: a store begins with its log of a few MiB.
const FREE_MIB_MIN: u64 = 32;

/// Below it a large job may not fit: an outcome takes some 300 bytes, and there may be 10^5 of auto
/// size, or more of a fixed one.
const FREE_MIB_LOW: u64 = 512;

/// File systems of the network by the number that `statfs` tells: `SQLite`'s log is memory that
/// processes share, which ends at the machine.
const NETWORK: [(u32, &str); 9] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x00C3_6400, "Ceph"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x5346_414F, "AFS"),
    (0x0102_1997, "9P"),
];

/// File systems that are gone sooner than one may think.
const FLEETING: [(u32, &str, &str); 3] = [
    (0x0102_1994, "memory (tmpfs)", "what is in it ends with the machine's run"),
    (0x8584_58F6, "memory (ramfs)", "what is in it ends with the machine's run"),
    (0x794C_7630, "a container's layer (overlayfs)", "what is in it ends with the container"),
];

const FUSE: u32 = 0x6573_5546;

/// Looks at the disk of `place`, which is there.
pub(crate) fn disk(place: &Path) -> [Finding; 2] {
    [room(place), file_system(place)]
}

fn room(place: &Path) -> Finding {
    const CHECK: &str = "disk";
    let shown = place.display();
    let free = match statvfs(place) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize) / MIB,
        Err(error) => {
            let found = format!("the disk of {shown} cannot be looked at: {error}");
            return Finding::warning(CHECK, found, "look at it with `df`");
        }
    };
    let found = format!("{free} MiB are free on the disk of {shown}");
    let remedy = "free some space, or choose another `--data-dir`";
    match free {
        0..FREE_MIB_MIN => Finding::error(CHECK, found, Some(remedy.to_owned()), Exit::Unavailable),
        FREE_MIB_MIN..FREE_MIB_LOW => Finding::warning(CHECK, found, remedy),
        _ => Finding::ok(CHECK, found),
    }
}

fn file_system(place: &Path) -> Finding {
    const CHECK: &str = "file system";
    let shown = place.display();
    match statfs(place) {
        // The number is one of 32 bits, whatever the type that it comes in.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
        Ok(system) => of_kind(system.f_type as u32, &shown.to_string()),
        Err(error) => {
            let found = format!("the file system of {shown} cannot be looked at: {error}");
            Finding::warning(CHECK, found, "make sure that it is a local disk")
        }
    }
}

fn of_kind(kind: u32, shown: &str) -> Finding {
    const CHECK: &str = "file system";
    if let Some((_, name)) = NETWORK.iter().find(|(number, _)| *number == kind) {
        let found = format!("{shown} is on a network file system ({name})");
        let remedy = "choose a `--data-dir` on a local disk".to_owned();
        return Finding::error(CHECK, found, Some(remedy), Exit::Configuration);
    }
    if let Some((_, name, why)) = FLEETING.iter().find(|(number, ..)| *number == kind) {
        let found = format!("{shown} is in {name}: {why}");
        let remedy = "choose a `--data-dir` on a disk, if jobs shall be resumed after that";
        return Finding::warning(CHECK, found, remedy);
    }
    if kind == FUSE {
        let found = format!("{shown} is on a file system of a user's process (FUSE)");
        return Finding::warning(CHECK, found, "make sure that it is not one of the network");
    }
    Finding::ok(CHECK, format!("{shown} is on this machine"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::CheckReport;

    #[test]
    fn a_network_file_system_is_an_error_and_memory_a_warning() {
        let exit = |kind| CheckReport::new(vec![of_kind(kind, "here")]).exit();
        let text = |kind| CheckReport::new(vec![of_kind(kind, "here")]).text();
        for (kind, _) in NETWORK {
            assert_eq!(exit(kind), Exit::Configuration);
        }
        assert!(text(0x0102_1994).starts_with("warning "));
        assert!(text(FUSE).starts_with("warning "));
        assert_eq!(exit(0x0102_1994), Exit::Success);
        assert!(text(0xEF53).starts_with("ok "), "ext4");
    }
}
