//! Standard output for answers, standard error for all else.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::job::JobReport;
use super::text;
use crate::error::CommandError;
use crate::exit::Exit;

/// Whether somebody still reads standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    Reads,
    /// It has seen enough, as `head` does.
    Gone,
}

/// Prints a report: one object for programs, a summary for people.
pub(crate) fn print(report: &JobReport, json: bool) -> Result<(), CommandError> {
    print_either(report, json, || text::summary(report))
}

/// Writes a report in the form in which it is printed.
pub(crate) fn write(
    report: &JobReport,
    json: bool,
    mut out: impl Write,
) -> Result<(), CommandError> {
    let text = if json { line(report)? } else { text::summary(report) };
    out.write_all(text.as_bytes()).map_err(CommandError::Output)
}

/// Prints `answer` for programs, or what `for_people` makes of it.
pub(crate) fn print_either(
    answer: &impl Serialize,
    json: bool,
    for_people: impl FnOnce() -> String,
) -> Result<(), CommandError> {
    if json {
        print_json(answer)?
    } else {
        print_text(&for_people())?
    };
    Ok(())
}

/// Prints one object on one line.
pub(crate) fn print_json(report: &impl Serialize) -> Result<Reader, CommandError> {
    print_text(&line(report)?)
}

fn line(report: &impl Serialize) -> Result<String, CommandError> {
    let line = serde_json::to_string(report);
    Ok(line.map_err(|error| CommandError::Output(error.into()))? + "\n")
}

/// Prints what people read. A reader that is gone is no error.
pub(crate) fn print_text(text: &str) -> Result<Reader, CommandError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(Reader::Reads),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(CommandError::Output(error)),
    }
}

/// What each error below `error` adds: libraries wrap errors that have nothing to add, and repeat
/// those that they wrap.
pub(crate) fn causes(error: &CommandError) -> Vec<String> {
    let mut said = error.to_string();
    let mut causes = Vec::new();
    let mut below = std::error::Error::source(error);
    while let Some(cause) = below {
        let words = cause.to_string();
        if !said.ends_with(&words) {
            causes.push(words.clone());
            said = words;
        }
        below = cause.source();
    }
    causes
}

/// Says what failed, why, and what to do.
pub(crate) fn failure(error: &CommandError) -> ExitCode {
    let mut text = format!("error: {error}\n");
    for cause in causes(error) {
        text += &format!("  caused by: {cause}\n");
    }
    if let Some(hint) = error.hint() {
        text += &format!("hint: {hint}\n");
    }
    to_stderr(&text);
    error.exit().into()
}

/// Says what is wrong with the command line, or shows the help that was asked for.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell if this fails.
    error.print().ok();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Success.into() }
}

/// A line for people.
pub(crate) fn note(text: &str) {
    to_stderr(&format!("{text}\n"));
}

fn to_stderr(text: &str) {
    // Nobody is left to tell if this fails.
    io::stderr().lock().write_all(text.as_bytes()).ok();
}

#[cfg(test)]
mod tests {
    use ttg_runtime::BrokerError;

    use super::*;

    #[test]
    fn a_cause_that_the_words_above_it_end_with_is_not_told_again() {
        #[derive(Debug, thiserror::Error)]
        #[error("IO error: {0}")]
        struct Wrapped(#[source] io::Error);

        let refused = io::Error::other("connection refused");
        let cause = BrokerError::Unavailable {
            broker: "amqp://h".to_owned(),
            cause: Wrapped(refused).into(),
        };
        let error = CommandError::Broker { doing: "it could not be reached", cause };
        let expected = ["broker `amqp://h` is unavailable", "IO error: connection refused"];
        assert_eq!(causes(&error), expected);
    }
}
