//! What a server tells of itself, and whether chunks are safe there.

/// What a server tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct RedisHealth {
    /// Its version; of Valkey, that of the Redis which it does the same as.
    pub version: String,
    /// Whether it is a replica, which cannot be written to.
    pub is_replica: bool,
    /// Whether it is a node of a cluster.
    pub is_cluster: bool,
    /// Bytes that it uses.
    pub memory_used: u64,
    /// Bytes that it may use; 0 is no limit of its own.
    pub memory_max: u64,
    /// What it removes when there is no room: `noeviction` removes nothing.
    pub eviction: String,
    /// Whether it keeps a log of every write.
    pub has_log: bool,
    /// Whether the last write to that log succeeded.
    pub log_is_well: bool,
}

impl RedisHealth {
    /// Reads the answer to `INFO`.
    pub(super) fn of(info: &str) -> Self {
        let field = |name: &str| {
            info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or("")
        };
        let number = |name: &str| field(name).parse().unwrap_or(0);
        Self {
            version: field("redis_version").to_owned(),
            is_replica: field("role") == "slave",
            is_cluster: field("cluster_enabled") == "1",
            memory_used: number("used_memory"),
            memory_max: number("maxmemory"),
            eviction: field("maxmemory_policy").to_owned(),
            has_log: field("aof_enabled") == "1",
            log_is_well: field("aof_last_write_status") != "err",
        }
    }

    /// Why no chunk is safe there, if so.
    pub(super) fn refusal(&self) -> Option<String> {
        let major: u32 = self.version.split('.').next()?.parse().unwrap_or(0);
        if major < 7 {
            return Some(format!("it is version {}, and 7.0 is needed", self.version));
        }
        if self.evicts() {
            let policy = &self.eviction;
            return Some(format!(
                "it removes keys when its memory is full (maxmemory-policy {policy}): set noeviction"
            ));
        }
        None
    }

    /// Whether it removes keys that are not to expire. Those of TTG are not.
    pub fn evicts(&self) -> bool {
        self.memory_max > 0 && self.eviction.starts_with("allkeys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_would_lose_chunks_is_refused() {
        let of = |version: &str, memory: u64, policy: &str| {
            let info = format!(
                "# Server\r\nredis_version:{version}\r\nmaxmemory:{memory}\r\nmaxmemory_policy:{policy}\r\n"
            );
            RedisHealth::of(&info).refusal().is_some()
        };
        assert!(of("6.2.14", 0, "noeviction"));
        assert!(of("7.0.15", 1_000, "allkeys-lru"));
        for policy in ["noeviction", "volatile-lru"] {
            assert!(!of("7.0.15", 1_000, policy));
        }
        assert!(!of("8.0.0", 0, "allkeys-lru"), "it never runs out of room");
    }
}
