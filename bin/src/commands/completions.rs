//! `ttg completions`: what completes commands and options in a shell.

use clap::Command;

use crate::cli::CompletionsArguments;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::{precedence, report};

pub(crate) fn completions(arguments: &CompletionsArguments) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    let mut command = visible(&precedence::command());
    clap_complete::generate(arguments.shell, &mut command, "ttg", &mut script);
    report::print_text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}

/// `command` without what its help hides: the script for bash would offer it.
fn visible(command: &Command) -> Command {
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let below = command.get_subcommands().filter(|command| !command.is_hide_set());
    let about = command.get_about().cloned().unwrap_or_default();
    Command::new(command.get_name().to_owned())
        .about(about)
        .args(arguments.cloned())
        .subcommands(below.map(visible))
}
