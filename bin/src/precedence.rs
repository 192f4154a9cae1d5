//! Which of several ways to set the same thing counts: a flag, then a variable.

use std::env;
use std::ffi::OsString;

use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches};

use crate::cli::Cli;

/// Flags that exclude each other. Where only their variables are set, the second one's counts.
const EXCLUSIVE: [[&str; 2]; 2] = [["parameters", "range"], ["broker", "data-dir"]];

/// The command line of this process.
///
/// # Errors
/// What is wrong with it, or the help that was asked for.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    let words: Vec<OsString> = env::args_os().collect();
    let out = outvoted(&words, |variable| env::var_os(variable).is_some());
    // To clap a variable is as good as a flag: it would call them a conflict.
    let mut command = Cli::command().mut_subcommands(|command| {
        command.mut_args(|argument| {
            let flag = argument.get_long().unwrap_or_default();
            if out.contains(&flag) { argument.env(Resettable::Reset) } else { argument }
        })
    });
    let mut matches = command.try_get_matches_from_mut(words)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
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

    #[test]
    fn a_flag_outvotes_the_variable_of_its_rival_and_of_two_variables_the_second_counts() {
        let out = |line: &str, variables: &[&str]| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            outvoted(&words, |variable| variables.contains(&variable))
        };
        assert_eq!(out("ttg run", &["TTG_PARAMETERS", "TTG_BROKER"]), [""; 0]);
        assert_eq!(out("ttg run --parameters 5", &["TTG_RANGE"]), ["range"]);
        assert_eq!(out("ttg run --range=1..5", &["TTG_PARAMETERS"]), ["parameters"]);
        assert_eq!(out("ttg run", &["TTG_PARAMETERS", "TTG_RANGE"]), ["parameters"]);
        assert_eq!(out("ttg run --broker=x --range-of 1", &["TTG_DATA_DIR"]), ["data-dir"]);
        assert_eq!(out("ttg run", &["TTG_DATA_DIR"]), ["broker"]);
    }
}
