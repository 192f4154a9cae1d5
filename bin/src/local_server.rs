//! A broker's server on this machine for as long as it is needed: `ttg demo --start-broker`.

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use ttg_runtime::{Clock, Randomness, SystemClock, SystemRandomness};

use crate::cli::ServerKind;
use crate::error::CommandError;

/// How long it may take to start.
const READY_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A server with a folder, a port and a password of its own. It ends with the value.
pub(crate) struct LocalServer {
    process: Child,
    url: String,
    _folder: TempDir,
}

impl LocalServer {
    /// Starts one and waits until it can be reached.
    pub(crate) async fn start(kind: ServerKind) -> Result<Self, CommandError> {
        let mut server = match kind {
            ServerKind::Redis => Self::redis(),
        }
        .map_err(|cause| CommandError::NoServer { program: kind.program(), cause })?;
        server.ready(kind).await?;
        Ok(server)
    }

    /// With its secrets.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn redis() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let password = format!("{:016x}", SystemRandomness.next_u64());
        let mut command = Command::new(ServerKind::Redis.program());
        // It reads what it is to be from its standard input, so that no list of processes has the
        // password.
        command.arg("-").current_dir(folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn()?;
        let url = format!("redis://:{password}@127.0.0.1:{port}");
        let configured = process.stdin.take().map(|mut input| {
            write!(
                input,
                "bind 127.0.0.1\nport {port}\nrequirepass {password}\nappendonly yes\nsave \"\"\n"
            )
        });
        let server = Self { process, url, _folder: folder };
        configured.unwrap_or(Ok(()))?;
        Ok(server)
    }

    async fn ready(&mut self, kind: ServerKind) -> Result<(), CommandError> {
        let failed = |cause| CommandError::NoServer { program: kind.program(), cause };
        let until = SystemClock.now().after(READY_WITHIN);
        let address = self.url.rsplit_once('@').map_or("", |(_, address)| address).to_owned();
        while TcpStream::connect(&address).is_err() {
            if let Some(status) = self.process.try_wait().map_err(failed)? {
                return Err(failed(io::Error::other(format!("it ended: {status}"))));
            }
            if SystemClock.now() > until {
                let told = format!("it does not answer within {READY_WITHIN:?}");
                return Err(failed(io::Error::new(io::ErrorKind::TimedOut, told)));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        // Of what it holds nothing is wanted any more.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A port that nobody has now.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
