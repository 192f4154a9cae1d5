//! A broker's server on this machine for as long as it is needed: `ttg demo --start-broker`.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use ttg_runtime::{Clock, Randomness, SystemClock, SystemRandomness};

use crate::cli::ServerKind;
use crate::error::CommandError;

/// How long it may take to start.
const READY_WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long what it started may take to end.
const MAPPER_ENDS_WITHIN: Duration = Duration::from_secs(5);

/// Where Debian and the project's own packages have the program itself: what is on the `PATH` there
/// is a script that changes the user.
const RABBITMQ: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A server with a folder, ports and a password of its own. It ends with the value.
pub(crate) struct LocalServer {
    process: Child,
    url: String,
    /// Of the mapper of Erlang's nodes to ports, which RabbitMQ starts and leaves behind.
    mapper: Option<u16>,
    _folder: TempDir,
}

impl LocalServer {
    /// Starts one and waits until it can be reached.
    pub(crate) async fn start(kind: ServerKind) -> Result<Self, CommandError> {
        let failed = |cause| CommandError::NoServer { program: kind.program(), cause };
        let mut server = match kind {
            ServerKind::Redis => Self::redis(),
            ServerKind::Rabbitmq => Self::rabbitmq(),
        }
        .map_err(failed)?;
        server.ready().await.map_err(failed)?;
        Ok(server)
    }

    /// With its secrets.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn redis() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let password = password();
        let mut command = Command::new(ServerKind::Redis.program());
        // It reads what it is to be from its standard input, so that no list of processes has the
        // password.
        command.arg("-").stdin(Stdio::piped());
        let mut process = spawn(&mut command, &folder)?;
        let configured = process.stdin.take().map(|mut input| {
            write!(
                input,
                "bind 127.0.0.1\nport {port}\nrequirepass {password}\nappendonly yes\nsave \"\"\n"
            )
        });
        let url = format!("redis://:{password}@127.0.0.1:{port}");
        let server = Self { process, url, mapper: None, _folder: folder };
        configured.unwrap_or(Ok(()))?;
        Ok(server)
    }

    fn rabbitmq() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let [port, distribution, mapper] = [free_port()?, free_port()?, free_port()?];
        let password = password();
        let path = |name: &str| folder.path().join(name);
        fs::write(
            path("rabbitmq.conf"),
            format!(
                "listeners.tcp.1 = 127.0.0.1:{port}\ndefault_user = ttg\n\
                 default_pass = {password}\ndisk_free_limit.absolute = 50MB\n"
            ),
        )?;
        fs::write(path("plugins"), "[].")?;
        let own = Path::new(RABBITMQ);
        let program = if own.exists() { own } else { Path::new(ServerKind::Rabbitmq.program()) };
        let mut command = Command::new(program);
        command
            .stdin(Stdio::null())
            .env("HOME", folder.path())
            .env("RABBITMQ_NODENAME", format!("ttg-{distribution}@localhost"))
            .env("RABBITMQ_DIST_PORT", distribution.to_string())
            .env("ERL_EPMD_PORT", mapper.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_MNESIA_BASE", path("mnesia"))
            .env("RABBITMQ_LOG_BASE", path("log"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path("plugins"))
            .env("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced.config"))
            .env("RABBITMQ_CONF_ENV_FILE", path("env.conf"))
            .env("RABBITMQ_PID_FILE", path("pid"));
        let process = spawn(&mut command, &folder)?;
        let url = format!("amqp://ttg:{password}@127.0.0.1:{port}");
        Ok(Self { process, url, mapper: Some(mapper), _folder: folder })
    }

    async fn ready(&mut self) -> io::Result<()> {
        let until = SystemClock.now().after(READY_WITHIN);
        let address = self.url.rsplit_once('@').map_or("", |(_, address)| address).to_owned();
        while TcpStream::connect(&address).is_err() {
            if let Some(status) = self.process.try_wait()? {
                return Err(io::Error::other(format!("it ended: {status}")));
            }
            if SystemClock.now() > until {
                let told = format!("it does not answer within {READY_WITHIN:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, told));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        // Of what it holds nothing is wanted any more. It may be a script and what that started.
        if let Some(group) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
            kill_process_group(group, Signal::KILL).ok();
        }
        self.process.wait().ok();
        if let Some(port) = self.mapper {
            end_mapper(port);
        }
    }
}

/// It refuses to end as long as it knows of a node, which it does for a moment after that was killed.
fn end_mapper(port: u16) {
    let until = SystemClock.now().after(MAPPER_ENDS_WITHIN);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() && SystemClock.now() < until {
        let mut end = Command::new("epmd");
        if end.args(["-port", &port.to_string(), "-kill"]).output().is_err() {
            return;
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// In a group of its own: a Ctrl-C at the terminal is for this process, which still needs it.
fn spawn(command: &mut Command, folder: &TempDir) -> io::Result<Child> {
    command.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
    command.process_group(0).spawn()
}

fn password() -> String {
    format!("{:016x}", SystemRandomness.next_u64())
}

/// A port that nobody has now.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
