//! Two connections to the server: one for scripts, one on which a consumer waits. Either is made
//! anew when it is needed, at growing intervals while the server is away.

use std::sync::OnceLock;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisError, Script, ScriptInvocation};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::fault::{ends_connection, is_no_group, moved_to, of_redis};
use super::health::RedisHealth;
use super::scripts;
use super::target::Target;
use crate::error::BrokerError;
use crate::randomness::{Randomness, SystemRandomness};

/// The pause after the first attempt to connect that fails, and the longest one, before jitter.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How often a call makes the group that it misses. Who removes it again and again is told.
const GROUPS_MADE_MAX: u32 = 3;

/// What a wait may take longer than it should before its connection is given up.
const WAIT_GRACE: Duration = Duration::from_secs(2);

/// How long a flush waits for the disk.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

pub(super) struct Link {
    target: Target,
    namespace: String,
    worker: String,
    answer_within: Duration,
    /// The key of the stream, known since the first connection: on a cluster all keys of the
    /// namespace are in one slot.
    tasks: OnceLock<String>,
    scripts: Mutex<Scripts>,
    waiting: Mutex<Option<MultiplexedConnection>>,
}

#[derive(Default)]
struct Scripts {
    connection: Option<MultiplexedConnection>,
    /// Counts connections, so that one that failed is dropped once.
    number: u64,
    /// Attempts to connect since the last that succeeded.
    failed: u32,
    not_before: Option<Instant>,
    /// The node of a cluster that has the namespace's slot.
    node: Option<(String, u16)>,
}

impl Link {
    pub(super) fn new(
        target: Target,
        namespace: String,
        worker: String,
        answer_within: Duration,
    ) -> Self {
        Self {
            target,
            namespace,
            worker,
            answer_within,
            tasks: OnceLock::new(),
            scripts: Mutex::default(),
            waiting: Mutex::default(),
        }
    }

    pub(super) fn shown(&self) -> &str {
        &self.target.shown
    }

    pub(super) fn of(&self, error: RedisError) -> BrokerError {
        of_redis(error, self.shown())
    }

    /// A key of the namespace; the link was connected before.
    pub(super) fn key(&self, kind: &str) -> String {
        let tasks = self.tasks();
        format!("{}{kind}", tasks.strip_suffix("tasks").unwrap_or(tasks))
    }

    /// What the connections of a consumer are called.
    pub(super) fn client_name_of(&self, worker: &str) -> String {
        format!("{}:{worker}", self.namespace)
    }

    fn tasks(&self) -> &str {
        self.tasks.get().map_or("", String::as_str)
    }

    /// A call of `script`, for its arguments and [`Self::run`].
    pub(super) fn call<'s>(&self, script: &'s Script) -> ScriptInvocation<'s> {
        let mut call = script.prepare_invoke();
        call.key(self.tasks());
        call
    }

    /// Runs a script. One that misses the group makes it.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        call: &ScriptInvocation<'_>,
    ) -> Result<T, BrokerError> {
        let mut groups_made = 0;
        loop {
            match self.attempt(call).await? {
                Err(error) if is_no_group(&error) && groups_made < GROUPS_MADE_MAX => {
                    groups_made += 1;
                    pause(PAUSE_MIN / 4, groups_made).await;
                    let made: Result<i64, _> = self.attempt(&self.call(&scripts::OPEN)).await?;
                    made.map_err(|error| self.of(error))?;
                }
                Err(error) => return Err(self.of(error)),
                Ok(answer) => return Ok(answer),
            }
        }
    }

    /// One attempt; the outer error is of connecting.
    async fn attempt<T: FromRedisValue>(
        &self,
        call: &ScriptInvocation<'_>,
    ) -> Result<Result<T, RedisError>, BrokerError> {
        let (mut connection, number) = self.connection().await?;
        let answer = call.invoke_async(&mut connection).await;
        if let Err(error) = &answer
            && ends_connection(error)
        {
            self.give_up(number, error).await;
        }
        Ok(answer)
    }

    async fn give_up(&self, number: u64, error: &RedisError) {
        let mut scripts = self.scripts.lock().await;
        if scripts.number == number {
            scripts.connection = None;
            scripts.node = moved_to(error);
        }
    }

    /// Whatever is asked outside of scripts.
    pub(super) async fn query<T: FromRedisValue>(
        &self,
        command: &redis::Cmd,
    ) -> Result<T, BrokerError> {
        let (mut connection, number) = self.connection().await?;
        let answer = command.query_async(&mut connection).await;
        if let Err(error) = &answer
            && ends_connection(error)
        {
            self.give_up(number, error).await;
        }
        answer.map_err(|error| self.of(error))
    }

    pub(super) async fn connection(&self) -> Result<(MultiplexedConnection, u64), BrokerError> {
        let mut scripts = self.scripts.lock().await;
        if let Some(connection) = &scripts.connection {
            return Ok((connection.clone(), scripts.number));
        }
        // Callers queue here, so that a server that is away is not asked by all of them at once.
        if let Some(not_before) = scripts.not_before {
            tokio::time::sleep_until(not_before).await;
        }
        match self.connect(scripts.node.as_ref()).await {
            Ok(connection) => {
                scripts.connection = Some(connection.clone());
                scripts.number += 1;
                (scripts.failed, scripts.not_before) = (0, None);
                Ok((connection, scripts.number))
            }
            Err(error) => {
                scripts.node = None;
                scripts.failed = scripts.failed.saturating_add(1);
                scripts.not_before = Some(Instant::now() + jittered(PAUSE_MIN, scripts.failed));
                Err(error)
            }
        }
    }

    async fn connect(
        &self,
        node: Option<&(String, u16)>,
    ) -> Result<MultiplexedConnection, BrokerError> {
        let connected = async {
            let mut connection = self.target.connect(node, self.answer_within).await?;
            self.name(&mut connection).await?;
            let info: String = redis::cmd("INFO").query_async(&mut connection).await?;
            Ok((connection, RedisHealth::of(&info)))
        };
        let (connection, server) = connected.await.map_err(|error| self.of(error))?;
        let first = self.tasks.get().is_none();
        let refused = |detail: &str| BrokerError::Refused {
            broker: self.shown().to_owned(),
            detail: detail.to_owned(),
        };
        if let Some(why) = server.refusal().filter(|_| first) {
            return Err(refused(&why));
        }
        match (server.is_replica, first) {
            (true, true) => return Err(refused("it is a replica, which cannot be written to")),
            // Until the failover is over.
            (true, false) => {
                let (broker, cause) = (self.shown().to_owned(), "it is a replica".into());
                return Err(BrokerError::Unavailable { broker, cause });
            }
            (false, _) => {}
        }
        self.tasks.get_or_init(|| {
            if server.is_cluster {
                format!("{{{}}}:tasks", self.namespace)
            } else {
                format!("{}:tasks", self.namespace)
            }
        });
        Ok(connection)
    }

    /// Names a connection, so that others see whether this consumer has one.
    async fn name(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let mut name = redis::cmd("CLIENT");
        name.arg("SETNAME").arg(self.client_name_of(&self.worker)).query_async(connection).await
    }

    /// Waits until somebody rings, or `wait` is over. If this is dropped the connection goes with
    /// it, so that no ring is taken for nobody.
    pub(super) async fn await_bell(&self, wait: Duration) -> Result<(), BrokerError> {
        let Ok(mut kept) = self.waiting.try_lock() else {
            // Another receive of this consumer waits; this one looks now and then.
            tokio::time::sleep(wait.min(PAUSE_MIN)).await;
            return Ok(());
        };
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.connect_to_wait().await?,
        };
        connection.set_response_timeout(wait + WAIT_GRACE);
        let mut command = redis::cmd("BLPOP");
        command.arg(self.key("bell")).arg(wait.as_secs_f64().max(0.001));
        let rung: Result<redis::Value, RedisError> = command.query_async(&mut connection).await;
        match rung {
            Ok(_) => *kept = Some(connection),
            Err(error) if !ends_connection(&error) => {
                *kept = Some(connection);
                return Err(self.of(error));
            }
            // The server waits by a clock that may have been stepped back. Whether it is there shows
            // when the caller looks.
            Err(error) if error.is_timeout() => {}
            Err(error) => return Err(self.of(error)),
        }
        Ok(())
    }

    /// Waits until what this connection wrote is in the server's log on its disk, where the server
    /// can tell: from 7.2 on, with a log. Others write theirs every second, or have none.
    pub(super) async fn flush(&self) -> Result<(), BrokerError> {
        let mut wait = redis::cmd("WAITAOF");
        wait.arg(1).arg(0).arg(u64::try_from(FLUSH_WITHIN.as_millis()).unwrap_or(u64::MAX));
        match self.query::<redis::Value>(&wait).await {
            Err(error) if error.is_transient() => Err(error),
            _ => Ok(()),
        }
    }

    async fn connect_to_wait(&self) -> Result<MultiplexedConnection, BrokerError> {
        // The one for scripts first: it knows whether the server is there, and which one it is.
        self.connection().await?;
        let node = self.scripts.lock().await.node.clone();
        let connected = async {
            let mut connection = self.target.connect(node.as_ref(), self.answer_within).await?;
            self.name(&mut connection).await?;
            Ok(connection)
        };
        connected.await.map_err(|error| self.of(error))
    }
}

/// `base`, doubled for every failure after the first up to a limit, less up to a half of it.
fn jittered(base: Duration, failures: u32) -> Duration {
    let doubled = base.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(PAUSE_MAX);
    doubled.mul_f64(1.0 - SystemRandomness.fraction() / 2.0)
}

async fn pause(base: Duration, failures: u32) {
    tokio::time::sleep(jittered(base, failures)).await;
}
