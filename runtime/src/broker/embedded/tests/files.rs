//! Whose file it is: another's is refused and left as it is, to the byte. And what is in it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;

use super::*;
use crate::broker::OutcomeCursor;
use crate::broker::conformance::{cut, outcome};
use crate::error::BrokerError;

/// Every file below `folder` and its bytes.
fn contents(folder: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.insert(path.clone(), Vec::new());
            files.extend(contents(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}

/// Opens the folder both ways; both must fail alike and leave it as it was.
async fn refused(folder: &Path) -> BrokerError {
    let before = contents(folder);
    let clock = Arc::new(ManualClock::new());
    let existing = EmbeddedBroker::open_existing(config(folder, "a", &clock)).await;
    let connected = EmbeddedBroker::connect(config(folder, "a", &clock)).await;
    let (existing, connected) = (existing.err().unwrap(), connected.err().unwrap());
    assert_eq!(existing.to_string(), connected.to_string());
    assert!(contents(folder) == before, "the folder was changed");
    connected
}

async fn made() -> (TempDir, std::path::PathBuf) {
    let machine = Machine::new();
    let broker = machine.connect("a").await;
    Machine::job(&broker, 3).await;
    drop(broker);
    let file = machine.folder.path().join("ttg.db");
    (machine.folder, file)
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    for bytes in [&b"x"[..], b"notes on ttg\n", &[0; 4096], &[7; 10_000]] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("ttg.db"), bytes).unwrap();
        let error = refused(folder.path()).await;
        assert!(matches!(error, BrokerError::Foreign { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_database_of_another_application_is_refused_and_left_alone() {
    for mode in ["DELETE", "WAL"] {
        let folder = TempDir::new().unwrap();
        let other = Connection::open(folder.path().join("ttg.db")).unwrap();
        other.pragma_update(None, "journal_mode", mode).unwrap();
        other.execute_batch("CREATE TABLE jobs (id); PRAGMA user_version = 1").unwrap();
        drop(other);
        let error = refused(folder.path()).await;
        assert!(matches!(error, BrokerError::Foreign { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let (folder, file) = made().await;
    let newer = Connection::open(&file).unwrap();
    newer.pragma_update(None, "user_version", 3).unwrap();
    drop(newer);
    let error = refused(folder.path()).await;
    assert!(matches!(error, BrokerError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("version 3"), "{error}");
}

#[tokio::test]
async fn a_damaged_store_is_refused_and_left_alone() {
    let (folder, file) = made().await;
    let mut bytes = fs::read(&file).unwrap();
    // All but the header, which says whose it is.
    bytes[100..].fill(0xa5);
    fs::write(&file, &bytes).unwrap();
    let clock = Arc::new(ManualClock::new());
    let connected = EmbeddedBroker::connect(config(folder.path(), "a", &clock)).await;
    let error = connected.err().unwrap();
    assert!(matches!(error, BrokerError::Corrupt { .. }), "{error}");
    assert!(fs::read(&file).unwrap() == bytes, "the file was changed");
}

#[tokio::test]
async fn an_empty_file_of_our_name_becomes_a_store() {
    let machine = Machine::new();
    let file = machine.folder.path().join("ttg.db");
    fs::write(&file, []).unwrap();
    let broker = machine.connect("a").await;
    let job = Machine::job(&broker, 1).await;
    assert_eq!(broker.jobs().await.unwrap(), [job]);
}

#[tokio::test]
async fn the_log_of_a_store_that_is_gone_is_not_replayed_into_a_new_one() {
    let (old, new) = (Machine::new(), Machine::new());
    let broker = old.connect("a").await;
    Machine::job(&broker, 1).await;
    let log = fs::read(old.folder.path().join("ttg.db-wal")).unwrap();
    assert!(!log.is_empty());
    fs::write(new.folder.path().join("ttg.db-wal"), log).unwrap();
    let broker = new.connect("a").await;
    assert_eq!(broker.jobs().await.unwrap(), []);
}

#[tokio::test]
async fn a_store_that_is_not_there_is_told_so_and_not_made() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing");
    let clock = Arc::new(ManualClock::new());
    for place in [folder.path(), &missing] {
        let error = EmbeddedBroker::open_existing(config(place, "a", &clock)).await;
        let error = error.err().unwrap();
        assert!(matches!(error, BrokerError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("no store"), "{error}");
    }
    assert_eq!(contents(folder.path()), BTreeMap::new());
}

#[tokio::test]
async fn looking_at_an_existing_store_leaves_no_lock_file() {
    let (folder, _) = made().await;
    let clock = Arc::new(ManualClock::new());
    let looker = EmbeddedBroker::open_existing(config(folder.path(), "b", &clock)).await;
    let looker = looker.unwrap();
    assert_eq!(looker.jobs().await.unwrap().len(), 1);
    assert!(!folder.path().join("workers/b.lock").exists());
    looker.flush().await.unwrap();
}

#[tokio::test]
async fn what_is_flushed_is_in_the_file_itself() {
    let machine = Machine::new();
    let broker = machine.connect("a").await;
    let job = Machine::job(&broker, 3).await;
    broker.publish(&cut(&job)).await.unwrap();
    let delivery = &receive(&broker, 1).await[0];
    let settled = outcome(&delivery.chunk, &worker("a"), &[]);
    broker.commit(&[(delivery.receipt, settled.clone())]).await.unwrap();
    broker.flush().await.unwrap();

    let copy = TempDir::new().unwrap();
    std::fs::copy(machine.folder.path().join("ttg.db"), copy.path().join("ttg.db")).unwrap();
    let clock = Arc::new(ManualClock::new());
    let looker = EmbeddedBroker::open_existing(config(copy.path(), "b", &clock)).await.unwrap();
    let page = looker.outcomes(job.uid, OutcomeCursor::START, 10).await.unwrap();
    assert_eq!(page.outcomes, [settled]);
}

#[tokio::test]
async fn many_that_come_at_once_make_one_store() {
    let machine = Arc::new(Machine::new());
    let mut comers = tokio::task::JoinSet::new();
    for n in 0..8 {
        let machine = Arc::clone(&machine);
        comers.spawn(async move { machine.connect(&format!("worker-{n}")).await });
    }
    let brokers = comers.join_all().await;
    let job = Machine::job(&brokers[0], 1).await;
    for broker in &brokers {
        assert_eq!(broker.jobs().await.unwrap(), std::slice::from_ref(&job));
    }
}

/// Runs `test` on a thread that may not do what only root may.
fn unprivileged(test: impl FnOnce() + Send + 'static) {
    let nobody = rustix::process::Uid::from_raw(65_534);
    let thread = std::thread::spawn(move || {
        if rustix::process::geteuid().is_root() {
            // Of this thread only, and of those that it starts.
            rustix::thread::set_thread_uid(nobody).unwrap();
        }
        test();
    });
    thread.join().unwrap();
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_for_good() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let empty = TempDir::new().unwrap();
    chmod(empty.path(), 0o555);
    let (full, file) = runtime().block_on(made());
    chmod(&file, 0o444);
    chmod(full.path(), 0o555);
    let folders = [empty.path().to_owned(), full.path().to_owned()];
    unprivileged(move || {
        for folder in folders {
            let clock = Arc::new(ManualClock::new());
            let config = config(&folder, "a", &clock);
            let connected = runtime().block_on(EmbeddedBroker::connect(config));
            let error = connected.err().unwrap();
            assert!(matches!(error, BrokerError::Refused { .. }), "{error}");
        }
    });
    chmod(full.path(), 0o755);
}
