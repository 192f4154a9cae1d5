//! Which of several ways to set the same thing counts: a flag, then its `TTG_…` variable, then an
//! alias, then the default.

use std::env;
use std::ffi::{OsStr, OsString};

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::aliases::ALIASES;
use crate::cli::Cli;
use crate::variables::Variables;

/// Flags that exclude each other. Where only their variables are set, the second one's counts.
const EXCLUSIVE: [[&str; 2]; 2] = [["parameters", "range"], ["broker", "data-dir"]];

/// A flag that has no variable, and those that it excludes.
const STARTS_BROKER: (&str, [&str; 2]) = ("start-broker", ["broker", "data-dir"]);

/// A flag of the command that was given, and what it is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The flag, without its dashes.
    pub(crate) name: String,
    /// As one writes it after the flag; several of a flag that may be repeated. `None` if it is
    /// not set and has no constant default.
    pub(crate) value: Option<String>,
    pub(crate) origin: Origin,
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag,
    /// Its own variable.
    Variable(String),
    /// Variables of the earlier system.
    Alias(Vec<&'static str>),
    Default,
}

/// The command line of this process, and where each of its settings comes from.
///
/// # Errors
/// What is wrong with it, or the help that was asked for.
pub(crate) fn parse() -> Result<(Cli, Vec<Setting>), clap::Error> {
    let words = env::args_os().collect();
    let (mut command, matches, settings) = resolve(words, &Variables::of_this_process())?;
    let cli = Cli::from_arg_matches_mut(&mut matches.clone());
    Ok((cli.map_err(|error| error.format(&mut command))?, settings))
}

/// The whole command line. Commands that look at the options of others need none of them.
pub(crate) fn command() -> Command {
    let optional = |command: Command| command.mut_group("space", |group| group.required(false));
    let command = with_one_store(Cli::command());
    command.mut_subcommand("check", optional).mut_subcommand("config", optional)
}

/// Only what merges shards takes several stores.
fn with_one_store(command: Command) -> Command {
    let one = |flag: Arg| match flag.get_long() {
        Some("broker" | "data-dir") => flag.action(ArgAction::Set),
        _ => flag,
    };
    let all = |below: Command| {
        if below.get_name() == "results" { below } else { with_one_store(below) }
    };
    command.mut_args(one).mut_subcommands(all)
}

fn resolve(
    mut words: Vec<OsString>,
    variables: &Variables,
) -> Result<(Command, ArgMatches, Vec<Setting>), clap::Error> {
    let command = command();
    let (path, wanted) = wanted(&command, &words);
    let place = words.len().min(1) + path.len();
    let given = words.clone();
    let out = outvoted(&given, |variable| variables.is_set(variable));
    let mut aliases: Vec<(&str, Vec<&'static str>)> = Vec::new();
    for alias in &ALIASES {
        let flag = wanted.get_arguments().find(|flag| flag.get_long() == Some(alias.flag));
        let is_free = |flag: &Arg| {
            let own = flag.get_env().map(OsStr::to_string_lossy);
            !own.is_some_and(|own| variables.is_set(&own))
                && !is_given(&given, alias.flag)
                && !out.contains(&alias.flag)
        };
        if let Some(value) = flag.filter(|flag| is_free(flag)).and(alias.value(variables)) {
            words.insert(place, format!("--{}={value}", alias.flag).into());
            aliases.push((alias.flag, alias.origin(variables)));
        }
    }
    // To clap a variable is as good as a flag: it would call them a conflict.
    let mut command = without_variables(command, &path, &|flag| {
        let name = flag.get_long().unwrap_or_default();
        let own = flag.get_env().map(OsStr::to_string_lossy);
        let is_empty = |own: &str| variables.is_there(own) && !variables.is_set(own);
        out.contains(&name) || own.is_some_and(|own| is_empty(&own))
    });
    let origin = |flag: &Arg, source: Option<ValueSource>| {
        let name = flag.get_long().unwrap_or_default();
        let alias = aliases.iter().filter(|(flag, _)| *flag == name);
        let alias: Vec<&'static str> =
            alias.flat_map(|(_, variables)| variables).copied().collect();
        match (flag.get_env(), source) {
            _ if !alias.is_empty() => Origin::Alias(alias),
            _ if is_given(&given, name) => Origin::Flag,
            (Some(own), Some(ValueSource::EnvVariable)) => {
                Origin::Variable(own.to_string_lossy().into_owned())
            }
            _ => Origin::Default,
        }
    };
    match command.try_get_matches_from_mut(words) {
        Ok(matches) => {
            let settings = settings(&wanted, innermost(&matches), origin);
            Ok((command, matches, settings))
        }
        Err(error) => Err(with_origin(error, &wanted, |flag| {
            let own = flag.get_env().map(OsStr::to_string_lossy);
            let counts = own.is_some_and(|own| variables.is_set(&own));
            origin(flag, counts.then_some(ValueSource::EnvVariable))
        })),
    }
}

/// The command that `words` name, and the names that lead to it.
fn wanted(command: &Command, words: &[OsString]) -> (Vec<String>, Command) {
    let (mut wanted, mut path) = (command, Vec::new());
    for word in words.iter().skip(1) {
        let Some(below) = wanted.find_subcommand(word) else { break };
        wanted = below;
        path.push(below.get_name().to_owned());
    }
    (path, wanted.clone())
}

fn innermost(mut matches: &ArgMatches) -> &ArgMatches {
    while let Some((_, below)) = matches.subcommand() {
        matches = below;
    }
    matches
}

/// `command`, and what `path` leads to, with the variables of no flag that `ignores` tells.
fn without_variables(
    command: Command,
    path: &[String],
    ignores: &impl Fn(&Arg) -> bool,
) -> Command {
    let reset = |flag: Arg| if ignores(&flag) { flag.env(Resettable::Reset) } else { flag };
    let command = command.mut_args(reset);
    let Some((next, rest)) = path.split_first() else { return command };
    command.mut_subcommand(next, |below| without_variables(below, rest, ignores))
}

fn settings(
    wanted: &Command,
    matches: &ArgMatches,
    origin: impl Fn(&Arg, Option<ValueSource>) -> Origin,
) -> Vec<Setting> {
    let flags = wanted.get_arguments().filter_map(|flag| Some((flag, flag.get_long()?)));
    let settings = flags.filter_map(|(flag, name)| {
        // Help and version hold no value.
        let source = matches.try_contains_id(flag.get_id().as_str()).ok()?;
        let values = matches.get_raw(flag.get_id().as_str()).filter(|_| source);
        let words = values.map(|values| values.map(OsStr::to_string_lossy).collect::<Vec<_>>());
        let source = matches.value_source(flag.get_id().as_str());
        let origin = origin(flag, source);
        Some(Setting { name: name.into(), value: words.map(|words| words.join(" ")), origin })
    });
    settings.collect()
}

/// `error` with where the wrong value comes from, if it is not on the command line.
fn with_origin(
    mut error: clap::Error,
    wanted: &Command,
    origin: impl Fn(&Arg) -> Origin,
) -> clap::Error {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let name = shown.trim_start_matches('-').split(' ').next().unwrap_or_default();
    let flag = wanted.get_arguments().find(|flag| flag.get_long() == Some(name));
    let from = match flag.map(origin) {
        Some(Origin::Variable(own)) => own,
        Some(Origin::Alias(variables)) => variables.join(", "),
        _ => return error,
    };
    let tip = format!("the value comes from the environment: {from}");
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    error
}

/// The flags whose variable does not count.
fn outvoted(words: &[OsString], is_set: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let mut out = Vec::new();
    for [first, second] in EXCLUSIVE {
        let variable = format!("TTG_{}", second.to_uppercase().replace('-', "_"));
        if is_given(words, first) {
            out.push(second);
        } else if is_given(words, second) || is_set(&variable) {
            out.push(first);
        }
    }
    let (flag, excluded) = STARTS_BROKER;
    if is_given(words, flag) {
        out.extend(excluded);
    }
    out
}

fn is_given(words: &[OsString], flag: &str) -> bool {
    words.iter().any(|word| {
        let name = word.as_encoded_bytes().strip_prefix(b"--");
        let rest = name.and_then(|name| name.strip_prefix(flag.as_bytes()));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"="))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_flag_outvotes_the_variable_of_its_rival_and_of_two_variables_the_second_counts() {
        let out = |line: &str, variables: &[&str]| {
            outvoted(&words(line), |variable| variables.contains(&variable))
        };
        assert_eq!(out("ttg run", &["TTG_PARAMETERS", "TTG_BROKER"]), [""; 0]);
        assert_eq!(out("ttg run --parameters 5", &["TTG_RANGE"]), ["range"]);
        assert_eq!(out("ttg run --range=1..5", &["TTG_PARAMETERS"]), ["parameters"]);
        assert_eq!(out("ttg run", &["TTG_PARAMETERS", "TTG_RANGE"]), ["parameters"]);
        assert_eq!(out("ttg run --broker=x --range-of 1", &["TTG_DATA_DIR"]), ["data-dir"]);
        assert_eq!(out("ttg run", &["TTG_DATA_DIR"]), ["broker"]);
    }

    /// What `name` is set to, by `line` and these. (To clap, this process has no `TTG_…` variable.)
    fn setting(line: &str, variables: &[(&str, &str)], name: &str) -> (Option<String>, Origin) {
        let (_, _, settings) = resolve(words(line), &Variables::of(variables)).unwrap();
        let setting = settings.into_iter().find(|setting| setting.name == name).unwrap();
        (setting.value, setting.origin)
    }

    #[test]
    fn an_alias_counts_where_neither_its_flag_nor_a_rival_is_set() {
        let total = [("TOTAL_PARAMETERS", "7")];
        let alias = (Some("7".to_owned()), Origin::Alias(vec!["TOTAL_PARAMETERS"]));
        assert_eq!(setting("ttg run", &total, "parameters"), alias);
        assert_eq!(setting("ttg run --kernel primes", &total, "parameters"), alias);
        let flag = (Some("9".to_owned()), Origin::Flag);
        assert_eq!(setting("ttg run --parameters 9", &total, "parameters"), flag);
        let none = (None, Origin::Default);
        assert_eq!(setting("ttg run --range 0..9", &total, "parameters"), none);
        let backend = [("QUEUE_BACKEND", "redis")];
        let embedded = setting("ttg status --data-dir x", &backend, "broker");
        assert_eq!(embedded, (Some("embedded:.ttg".to_owned()), Origin::Default));
        let redis = setting("ttg status x", &backend, "broker");
        assert_eq!(redis.1, Origin::Alias(vec!["QUEUE_BACKEND"]));
    }

    #[test]
    fn an_alias_of_a_flag_that_a_command_lacks_is_nothing_to_it() {
        let all = [("TOTAL_PARAMETERS", "x"), ("CHUNK_SIZE", "y"), ("BATCH_SIZE", "z")];
        assert!(resolve(words("ttg status"), &Variables::of(&all)).is_ok());
    }

    #[test]
    fn a_wrong_value_is_told_with_the_variable_that_it_comes_from() {
        let wrong = resolve(words("ttg run"), &Variables::of(&[("TOTAL_PARAMETERS", "many")]));
        let told = wrong.map(drop).unwrap_err().to_string();
        assert!(told.contains("the value comes from the environment: TOTAL_PARAMETERS"), "{told}");
        let wrong = resolve(words("ttg run --parameters many"), &Variables::of(&[]));
        assert!(!wrong.map(drop).unwrap_err().to_string().contains("environment"));
    }
}
