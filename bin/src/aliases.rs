//! Variables of the earlier system that set a flag here, where neither the flag nor its `TTG_…`
//! variable does.

use crate::cli::UNNAMED;
use crate::variables::Variables;

/// One flag, and the variables that it may come from.
pub(crate) struct Alias {
    /// Without its dashes.
    pub(crate) flag: &'static str,
    pub(crate) variables: &'static [&'static str],
    /// What they say together, as one writes it after the flag. Called with a look-up.
    read: fn(&LookUp) -> Option<String>,
}

/// What a variable is set to, if it counts.
type LookUp<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// All of them. Those of one flag follow each other in its help.
pub(crate) const ALIASES: [Alias; 12] = [
    Alias {
        flag: "broker",
        variables: &[
            "QUEUE_BACKEND",
            "REDIS_HOST",
            "REDIS_PORT",
            "RABBITMQ_HOST",
            "RABBITMQ_PORT",
            "RABBITMQ_USER",
            "RABBITMQ_PASSWORD",
            "RABBITMQ_VHOST",
        ],
        read: |get| get("QUEUE_BACKEND").map(|backend| broker(&backend, get)),
    },
    Alias {
        flag: "parameters",
        variables: &["TOTAL_PARAMETERS"],
        read: |get| get("TOTAL_PARAMETERS"),
    },
    Alias { flag: "chunk-size", variables: &["CHUNK_SIZE"], read: |get| get("CHUNK_SIZE") },
    Alias { flag: "progress-every", variables: &["BATCH_SIZE"], read: |get| get("BATCH_SIZE") },
    Alias {
        flag: "set-reference",
        variables: &["SIMULATE_WORK_MS"],
        read: |get| get("SIMULATE_WORK_MS").map(|value| format!("simulate-work-ms={value}")),
    },
    Alias {
        flag: "set-reference",
        variables: &["SIMULATE_FAULT_RATE"],
        read: |get| get("SIMULATE_FAULT_RATE").map(|value| format!("simulate-fault-rate={value}")),
    },
    Alias {
        flag: "idle-timeout",
        variables: &["IDLE_TIMEOUT_SECONDS"],
        read: |get| get("IDLE_TIMEOUT_SECONDS"),
    },
    Alias {
        flag: "shard",
        variables: &["JOB_COMPLETION_INDEX", "WORKER_ID", "TOTAL_WORKERS"],
        read: shard,
    },
    Alias { flag: "log-level", variables: &["LOG_LEVEL"], read: |get| get("LOG_LEVEL") },
    Alias {
        flag: "log-format",
        variables: &["LOG_FORMAT"],
        read: |get| get("LOG_FORMAT").map(|format| format.to_lowercase()),
    },
    Alias { flag: "pod-name", variables: &["POD_NAME"], read: |get| get("POD_NAME") },
    Alias { flag: "node-name", variables: &["NODE_NAME"], read: |get| get("NODE_NAME") },
];

impl Alias {
    /// What the flag is set to, if it is.
    pub(crate) fn value(&self, variables: &Variables) -> Option<String> {
        (self.read)(&|name| variables.get(name).filter(|value| !is_injected(value)))
    }

    /// Those of its variables that count.
    pub(crate) fn origin(&self, variables: &Variables) -> Vec<&'static str> {
        let counts = |name: &&&str| variables.get(name).is_some_and(|value| !is_injected(&value));
        self.variables.iter().filter(counts).copied().collect()
    }
}

/// Variables that are ignored, since Kubernetes made them: a service called `redis` gives every
/// container `REDIS_PORT=tcp://10.0.0.1:6379`.
pub(crate) fn injected(variables: &Variables) -> Vec<&'static str> {
    let all = ALIASES.iter().flat_map(|alias| alias.variables);
    let injected = |name: &&&str| variables.get(name).is_some_and(|value| is_injected(&value));
    all.filter(injected).copied().collect()
}

fn is_injected(value: &str) -> bool {
    ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme))
}

/// A worker of the earlier system is a shard if it knows how many there are. Kubernetes numbers the
/// pods of an indexed job itself.
fn shard(get: &LookUp) -> Option<String> {
    let count = get("TOTAL_WORKERS")?;
    let index = get("JOB_COMPLETION_INDEX").or_else(|| get("WORKER_ID"))?;
    Some(format!("{index}/{count}"))
}

/// `QUEUE_BACKEND` and the variables of that backend as a URL. A backend of another name is left
/// as it is, for the error to show.
fn broker(backend: &str, get: &LookUp) -> String {
    let or = |name: &str, default: &str| get(name).unwrap_or_else(|| default.to_owned());
    match backend.to_lowercase().as_str() {
        "redis" => {
            format!("redis://{}:{}", or("REDIS_HOST", "localhost"), or("REDIS_PORT", "6379"))
        }
        "rabbitmq" => format!(
            "amqp://{}:{}@{}:{}/{}",
            escaped(&or("RABBITMQ_USER", "guest")),
            escaped(&or("RABBITMQ_PASSWORD", "guest")),
            or("RABBITMQ_HOST", "localhost"),
            or("RABBITMQ_PORT", "5672"),
            escaped(&or("RABBITMQ_VHOST", "/")),
        ),
        "embedded" => UNNAMED.to_owned(),
        _ => backend.to_owned(),
    }
}

/// As a part of a URL: what could end the part is written as `%XX`.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker_of(variables: &[(&str, &str)]) -> Option<String> {
        ALIASES[0].value(&Variables::of(variables))
    }

    #[test]
    fn one_variable_chooses_the_backend_and_its_own_say_where_it_is() {
        assert_eq!(broker_of(&[("REDIS_HOST", "redis"), ("RABBITMQ_HOST", "rabbit")]), None);
        let redis = [("QUEUE_BACKEND", "redis"), ("REDIS_HOST", "r"), ("RABBITMQ_HOST", "b")];
        assert_eq!(broker_of(&redis).unwrap(), "redis://r:6379");
        let rabbit = [("QUEUE_BACKEND", "RabbitMQ"), ("RABBITMQ_PORT", "1")];
        assert_eq!(broker_of(&rabbit).unwrap(), "amqp://guest:guest@localhost:1/%2F");
        let secret = [
            ("QUEUE_BACKEND", "rabbitmq"),
            ("RABBITMQ_USER", "me"),
            ("RABBITMQ_PASSWORD", "a/b@c"),
            ("RABBITMQ_VHOST", "jobs"),
        ];
        assert_eq!(broker_of(&secret).unwrap(), "amqp://me:a%2Fb%40c@localhost:5672/jobs");
        assert_eq!(broker_of(&[("QUEUE_BACKEND", "kafka")]).unwrap(), "kafka");
    }

    #[test]
    fn a_number_and_how_many_there_are_make_a_shard() {
        let shard = ALIASES.iter().find(|alias| alias.flag == "shard").unwrap();
        let of = |variables: &[(&str, &str)]| shard.value(&Variables::of(variables));
        let (index, id) = (("JOB_COMPLETION_INDEX", "1"), ("WORKER_ID", "2"));
        assert_eq!(of(&[index, id]), None);
        assert_eq!(of(&[("TOTAL_WORKERS", "3")]), None);
        assert_eq!(of(&[id, ("TOTAL_WORKERS", "3")]).unwrap(), "2/3");
        assert_eq!(of(&[index, id, ("TOTAL_WORKERS", "3")]).unwrap(), "1/3");
    }

    #[test]
    fn what_kubernetes_injects_is_ignored_and_known() {
        let redis = [("QUEUE_BACKEND", "redis"), ("REDIS_PORT", "tcp://10.0.0.1:6379")];
        assert_eq!(broker_of(&redis).unwrap(), "redis://localhost:6379");
        let variables = Variables::of(&redis);
        assert_eq!(injected(&variables), ["REDIS_PORT"]);
        assert_eq!(ALIASES[0].origin(&variables), ["QUEUE_BACKEND"]);
    }
}
