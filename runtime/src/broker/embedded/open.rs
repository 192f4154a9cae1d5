//! Finding, making and opening the file. Another's file is looked at, read-only, and left alone.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::fault::Fault;
use super::presence::{self, Presence};
use super::{schema, sql};

/// How long a statement waits for another process that writes. Beyond it the call fails, and may
/// be made again: a process that was stopped inside a transaction holds up the others.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements that a connection keeps prepared; there are fewer.
const STATEMENTS: usize = 64;

/// With whom a connection shares the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// With all processes of this machine, by memory that they share.
    Shared,
    /// With nobody, as long as it lives: one lock on the file and no shared memory, so that the file
    /// may be on a network volume.
    Alone,
}

/// Where a store lives.
#[derive(Clone)]
pub(super) struct Place {
    folder: PathBuf,
    pub(super) hold: Hold,
    /// What errors call it.
    pub(super) broker: Arc<str>,
}

impl Place {
    pub(super) fn new(folder: &Path, hold: Hold) -> Self {
        let broker = format!("embedded:{}", folder.display()).into();
        // A later change of the working directory must not move the store.
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        Self { folder, hold, broker }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("ttg.db")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("ttg.db-wal")
    }

    /// The lock files of the consumers.
    pub(super) fn workers(&self) -> PathBuf {
        self.folder.join("workers")
    }

    /// Whether the store is still to be made: no file, or an empty one of our name.
    fn is_vacant(&self) -> Result<bool, Fault> {
        match fs::metadata(self.file()) {
            Ok(file) => Ok(file.len() == 0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Fails if there is no store, and makes none.
    pub(super) fn expect_store(&self) -> Result<(), Fault> {
        if self.is_vacant()? {
            let folder = self.folder.display();
            return Err(Fault::Refused(format!("there is no store in {folder}")));
        }
        Ok(())
    }

    /// Makes the store if there is none, and tells whether there was none. It appears under its name
    /// when it is whole, so that a crash leaves either none or all of it.
    pub(super) fn make_store(&self, boot: &str) -> Result<bool, Fault> {
        fs::create_dir_all(&self.folder)?;
        if !self.is_vacant()? {
            return Ok(false);
        }
        let _maker = lock_making(&self.folder.join("ttg.db.lock"))?;
        if !self.is_vacant()? {
            return Ok(false);
        }
        let draft = self.folder.join("ttg.db.new");
        remove_if_there(&draft)?;
        // The log of a store that is gone must not be replayed into this one.
        remove_if_there(&self.log())?;
        let connection = Connection::open(&draft)?;
        // Nobody shares the draft: no shared memory, which a network volume may not have.
        connection.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
             BEGIN",
        )?;
        connection.execute_batch(schema::TABLES)?;
        connection.execute("INSERT INTO machine (boot) VALUES (?1)", [boot])?;
        connection.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", schema::VERSION)?;
        connection.execute_batch("COMMIT; PRAGMA journal_mode = WAL")?;
        connection.close().map_err(|(_, error)| error)?;
        File::open(&draft)?.sync_all()?;
        fs::rename(&draft, self.file())?;
        Ok(true)
    }

    /// A connection that only reads, to a store that is ours. Nothing of the file is changed.
    pub(super) fn open_to_read(&self) -> Result<Opened, Fault> {
        let ours = Ours::look_at(&self.file())?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.file(), flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        check_version(&connection, Hold::Shared)?;
        connection.pragma_update(None, "cache_size", -2048)?;
        keep_plans(&connection)?;
        Ok(Opened { connection, _ours: ours })
    }

    /// A connection that writes, to a store that [`Self::open_to_read`] found to be ours.
    pub(super) fn open_to_write(&self) -> Result<Opened, Fault> {
        let ours = Ours::look_at(&self.file())?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.file(), flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch(sql::WRITER_PRAGMAS)?;
        keep_plans(&connection)?;
        Ok(Opened { connection, _ours: ours })
    }

    /// The one connection of a process that has the store for itself. From here on every other one,
    /// of whatever process, is refused, and this one is if there is another.
    pub(super) fn open_alone(&self) -> Result<Opened, Fault> {
        let ours = Ours::look_at(&self.file())?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.file(), flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Before the first look at the file, which then takes the lock and keeps it.
        connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
        check_version(&connection, Hold::Alone)?;
        connection.execute_batch(sql::WRITER_PRAGMAS)?;
        keep_plans(&connection)?;
        Ok(Opened { connection, _ours: ours })
    }

    /// Waits until the disk has what is in the log. It needs no lock, as a checkpoint would. (The file
    /// itself must not be opened here: closing it would drop the locks that `SQLite` holds on it in
    /// this process.)
    pub(super) fn sync_log(&self) -> Result<(), Fault> {
        match File::open(self.log()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            log => Ok(log?.sync_data()?),
        }
    }

    /// Waits until the disk has the names of the files.
    pub(super) fn sync_folder(&self) -> Result<(), Fault> {
        Ok(File::open(&self.folder)?.sync_all()?)
    }
}

/// The first look at the store. The log may know of a newer version than the file.
fn check_version(connection: &Connection, hold: Hold) -> Result<(), Fault> {
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0));
    let version = version.map_err(|error| match (error.sqlite_error_code(), hold) {
        (Some(ErrorCode::DatabaseBusy), Hold::Alone) => {
            Fault::Busy("another process uses this store, which is to be had alone".to_owned())
        }
        // Those who share it do not lock each other out of reading.
        (Some(ErrorCode::DatabaseBusy), Hold::Shared) => {
            Fault::Busy("another process has this store for itself until it ends".to_owned())
        }
        _ => error.into(),
    })?;
    schema::check_version(version)
}

/// A statement is planned once for a connection. (Without the guarantee of stable plans, one that
/// meets a partial index is planned again for every new value of a parameter.)
fn keep_plans(connection: &Connection) -> Result<(), Fault> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// A connection to a store of ours.
pub(super) struct Opened {
    // Closed before the file may be looked at again.
    connection: Connection,
    _ours: Ours,
}

impl Deref for Opened {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// Files that this process has connections to, by device and inode, and how many.
static OPENED: Mutex<BTreeMap<(u64, u64), usize>> = Mutex::new(BTreeMap::new());

/// A file whose header says that it is a store of ours.
///
/// `SQLite` is not asked, since it would put files beside another's database. But closing a file
/// drops the locks that `SQLite`'s connections in this process hold on it (POSIX wants it so): a
/// file that has some was looked at before, and is not looked at again.
struct Ours((u64, u64));

impl Ours {
    fn look_at(path: &Path) -> Result<Self, Fault> {
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        let metadata = fs::metadata(path)?;
        let id = (metadata.dev(), metadata.ino());
        if !opened.contains_key(&id) {
            let mut header = Vec::new();
            File::open(path)?.take(100).read_to_end(&mut header)?;
            schema::check_header(&header)?;
        }
        *opened.entry(id).or_default() += 1;
        Ok(Self(id))
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = opened.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                opened.remove(&self.0);
            }
        }
    }
}

fn remove_if_there(path: &Path) -> Result<(), Fault> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// One process at a time makes a store; the lock ends with what is returned, or with the process.
/// It is on a file of its own, opened to write: network file systems lock no folders.
fn lock_making(path: &Path) -> Result<Presence, Fault> {
    let pause = Duration::from_millis(5);
    for _ in 0..BUSY_TIMEOUT.as_millis() / pause.as_millis() {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        if let Some(lock) = presence::lock(options.open(path)?, path)? {
            return Ok(lock);
        }
        thread::sleep(pause);
    }
    Err(Fault::Busy("another process is making its store".into()))
}

/// Tells one run of the machine from the next: boot time starts anew with each.
pub(super) fn boot_id() -> Result<String, Fault> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(id.trim().to_owned())
}
