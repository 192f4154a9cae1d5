//! Whether the store can be opened and written, or made.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ttg_runtime::{JobUid, SystemRandomness, WorkerId};

use crate::broker::BrokerUrl;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::{Finding, causes};
use crate::settings::LEASE_UNUSED;

const CHECK: &str = "store";

pub(crate) async fn store(dir: &Path) -> Finding {
    let url = &BrokerUrl::Embedded(dir.to_owned());
    if dir.join("ttg.db").exists() {
        return match open(url).await {
            Ok(()) => Finding::ok(CHECK, format!("{url} can be opened and written")),
            Err(error) => failed(CHECK, &error),
        };
    }
    let place = nearest(dir);
    match try_to_write(&place) {
        Ok(()) => Finding::ok(CHECK, format!("{url} is not there yet and can be made")),
        Err(error) => refused(format!("{} cannot be written: {error}", place.display())),
    }
}

/// Writes a file there and removes it. Permissions alone do not tell: the disk may be full, or of a
/// kind that holds no files.
fn try_to_write(folder: &Path) -> io::Result<()> {
    let name = WorkerId::fresh(".ttg-check", &SystemRandomness).to_string();
    let probe = folder.join(name);
    let mut file = File::create_new(&probe)?;
    let written = file.write_all(&[0; 4_096]).and_then(|()| file.sync_all());
    fs::remove_file(&probe)?;
    written
}

/// Opens it as a worker does, and takes its lock for writing.
async fn open(url: &BrokerUrl) -> Result<(), CommandError> {
    let checker = WorkerId::fresh("check", &SystemRandomness);
    let broker = url.connect(checker, LEASE_UNUSED).await?;
    // There is no such job, so that nothing is changed.
    let nobody = JobUid::fresh(&SystemRandomness);
    let written = broker.cancel(nobody).await;
    written.map_err(CommandError::broker("the store could not be written"))?;
    broker.flush().await.map_err(CommandError::broker("the store could not be flushed"))
}

/// The folder, or the nearest above it that is there.
pub(crate) fn nearest(dir: &Path) -> PathBuf {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let there = dir.ancestors().find(|path| path.exists());
    there.unwrap_or(Path::new("/")).to_owned()
}

fn refused(found: String) -> Finding {
    let remedy = "choose a `--data-dir` that is a folder which you may write to";
    Finding::error(CHECK, found, Some(remedy.to_owned()), Exit::Configuration)
}

pub(super) fn failed(check: &'static str, error: &CommandError) -> Finding {
    let mut found = error.to_string();
    for cause in causes(error) {
        found += &format!(": {cause}");
    }
    Finding::error(check, found, error.hint(), error.exit())
}
