//! `ttg config`: what every option is set to, and by what.

use crate::aliases;
use crate::broker::redacted;
use crate::cli::ConfigArguments;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::precedence::{Origin, Setting};
use crate::report::{self, ConfigLine, ConfigReport};
use crate::settings::granted_cpus;
use crate::variables::Variables;

/// What is in a key of a kernel's option that holds a secret.
const SECRETS: [&str; 4] = ["password", "secret", "token", "credential"];

pub(crate) fn config(
    arguments: &ConfigArguments,
    settings: Vec<Setting>,
) -> Result<Exit, CommandError> {
    let settings = settings.into_iter().filter_map(line).collect();
    let ignored = aliases::injected(&Variables::of_this_process());
    let report = ConfigReport { settings, ignored };
    if arguments.common.json {
        report::print_json(&report)?;
    } else {
        report::print_text(&report.text())?;
    }
    Ok(Exit::Success)
}

/// What is told of a setting; `None` for a source of `--set` that is not there.
fn line(Setting { name, value, origin }: Setting) -> Option<ConfigLine> {
    let is_source_of_set = matches!(name.as_str(), "set-defaults" | "set-reference");
    if is_source_of_set && value.is_none() {
        return None;
    }
    let value = match (name.as_str(), value) {
        ("broker", Some(url)) => Some(redacted(&url)),
        ("set" | "set-defaults" | "set-reference", Some(pairs)) => Some(without_secrets(&pairs)),
        ("concurrency", None) => Some(granted_cpus().to_string()),
        ("log-level", None) => Some("info".to_owned()),
        (_, value) => value,
    };
    let (source, variables) = match origin {
        Origin::Flag => ("flag", Vec::new()),
        Origin::Variable(own) => ("variable", vec![own]),
        Origin::Alias(variables) => ("alias", variables.into_iter().map(String::from).collect()),
        Origin::Default => ("default", Vec::new()),
    };
    let name = if is_source_of_set { "set".to_owned() } else { name };
    Some(ConfigLine { name, value, source, variables })
}

fn without_secrets(pairs: &str) -> String {
    let pair = |pair: &str| match pair.split_once('=') {
        Some((key, _)) if SECRETS.iter().any(|secret| key.to_lowercase().contains(secret)) => {
            format!("{key}=[hidden]")
        }
        _ => pair.to_owned(),
    };
    pairs.split_whitespace().map(pair).collect::<Vec<_>>().join(" ")
}
