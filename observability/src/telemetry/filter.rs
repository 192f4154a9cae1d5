//! Which lines are written.

use std::fmt;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use super::TelemetryError;

/// Libraries whose errors we tell ourselves, with what becomes of them: on their own, each attempt to
/// reach a server that is away would be some lines of alarm. Who names them hears them.
const SILENT: &str = "lapin=off";

/// Levels (`error`, `warn`, `info`, `debug`, `trace`, `off`; also `warning`, `critical` and `fatal`,
/// as other systems call them) and directives such as `ttg=debug` in the syntax of [`EnvFilter`],
/// separated by commas. A target is a prefix: `ttg` means all crates of TTG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    pub(super) fn into_directives(self) -> EnvFilter {
        // Nothing is lost: every directive was parsed when this was made. Of two for one target the
        // later counts.
        EnvFilter::builder().parse_lossy(format!("{SILENT},{}", self.0))
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for LogFilter {
    type Err = TelemetryError;

    /// # Errors
    /// [`TelemetryError::Filter`]; also for a bare word that is no level, although it could name a
    /// target: a misspelt level would silence what it was meant to show.
    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let refuse = |reason: String| TelemetryError::Filter { filter: given.to_owned(), reason };
        let mut directives = Vec::new();
        for directive in given.split(',').map(str::trim) {
            directives.push(match directive.to_ascii_lowercase().as_str() {
                "warning" => "warn",
                "critical" | "fatal" => "error",
                _ if directive.contains(['=', '[']) => directive,
                level if !level.is_empty() && level.parse::<LevelFilter>().is_ok() => directive,
                _ => {
                    let levels = "error, warn, info, debug, trace or off";
                    return Err(refuse(format!("`{directive}` is none of {levels}")));
                }
            });
        }
        let filter = directives.join(",");
        EnvFilter::builder().parse(&filter).map_err(|error| refuse(error.to_string()))?;
        Ok(Self(filter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &str) -> Result<String, String> {
        given.parse().map(|filter: LogFilter| filter.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn levels_and_directives_are_accepted() {
        for valid in ["info", "OFF", "ttg=debug,warn", "ttg_actors[chunk{job=a}]=trace,info"] {
            assert_eq!(parse(valid), Ok(valid.to_owned()));
        }
        assert_eq!(parse(" ttg=debug , warn "), Ok("ttg=debug,warn".to_owned()));
    }

    #[test]
    fn level_names_of_other_systems_are_understood() {
        assert_eq!(parse("WARNING"), Ok("warn".to_owned()));
        assert_eq!(parse("CRITICAL"), Ok("error".to_owned()));
        assert_eq!(parse("fatal"), Ok("error".to_owned()));
    }

    #[test]
    fn a_word_that_is_no_level_is_refused_with_what_to_write_instead() {
        assert_eq!(
            parse("ttg=debug,wran"),
            Err("log filter `ttg=debug,wran` is not valid: \
                 `wran` is none of error, warn, info, debug, trace or off"
                .to_owned())
        );
        assert!(parse("verbose").is_err());
        assert!(parse("ttg_actors").is_err());
        assert!(parse("").is_err());
        assert!(parse("ttg=loud").is_err());
        assert!(parse("ttg=debug,[").is_err());
    }
}
