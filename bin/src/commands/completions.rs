//! `ttg completions`: what completes commands and options in a shell.

use crate::cli::CompletionsArguments;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::{precedence, report};

pub(crate) fn completions(arguments: &CompletionsArguments) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    let mut command = precedence::command();
    clap_complete::generate(arguments.shell, &mut command, "ttg", &mut script);
    report::print_text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}
