//! The options of every command.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

/// Where jobs are kept unless somebody names a place.
pub(crate) const UNNAMED: &str = "embedded:.ttg";

/// Where and how to speak.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct CommonArguments {
    // More than one reaches only the command that merges shards, see `precedence`.
    /// Where jobs are kept
    #[arg(
        long,
        help = "Where jobs are kept: embedded:DIR, redis://HOST, rediss://HOST (with TLS), \
                redis+sentinel://HOST,…/MASTER, amqp://HOST (RabbitMQ) or amqps://HOST (with TLS); \
                a server's URL may have user, password, port and database or virtual host: \
                redis://USER:PASSWORD@HOST:PORT/DATABASE, amqp://USER:PASSWORD@HOST:PORT/VHOST",
        value_name = "URL",
        env = "TTG_BROKER",
        hide_env_values = true,
        default_value = UNNAMED
    )]
    pub(crate) broker: Vec<String>,

    /// Short for --broker embedded:DIR; `TTG_DATA_DIR` wins over `TTG_BROKER`
    #[arg(long, value_name = "DIR", env = "TTG_DATA_DIR", conflicts_with = "broker")]
    pub(crate) data_dir: Vec<PathBuf>,

    /// What the name of everything on a server begins with; jobs of two namespaces know nothing of
    /// each other
    #[arg(long, value_name = "NAME", env = "TTG_NAMESPACE", default_value = "ttg")]
    pub(crate) namespace: String,

    /// A PEM file with the certificates that vouch for a server with TLS [default: the system's]
    #[arg(long, value_name = "FILE", env = "TTG_TLS_CA")]
    pub(crate) tls_ca: Option<PathBuf>,

    /// A PEM file with the certificate that this program shows to a RabbitMQ server which wants one
    #[arg(long, value_name = "FILE", env = "TTG_TLS_CERT", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// A PEM file with the key of that certificate
    #[arg(long, value_name = "FILE", env = "TTG_TLS_KEY", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Print one JSON object on standard output
    #[arg(long, env = "TTG_JSON", value_parser = BoolishValueParser::new())]
    pub(crate) json: bool,

    /// The form of log lines on standard error
    #[arg(long, value_name = "FORMAT", env = "TTG_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,

    /// What to log: error, warn, info, debug, trace, or directives such as `ttg_actors=debug,warn`
    /// [default: info; warn beside a progress bar]
    #[arg(long, value_name = "LEVEL", env = "TTG_LOG_LEVEL")]
    pub(crate) log_level: Option<String>,

    /// The pod that this process runs in, for its log lines; Kubernetes' downward API knows
    #[arg(long, value_name = "NAME", env = "TTG_POD_NAME", hide = true)]
    pub(crate) pod_name: Option<String>,

    /// The node that the pod runs on, likewise
    #[arg(long, value_name = "NAME", env = "TTG_NODE_NAME", hide = true)]
    pub(crate) node_name: Option<String>,
}

impl CommonArguments {
    /// Whether nobody names a place where jobs are kept.
    pub(crate) fn names_no_place(&self) -> bool {
        self.data_dir.is_empty() && self.broker == [UNNAMED]
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}
