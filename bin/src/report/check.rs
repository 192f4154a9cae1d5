//! What a look at this machine found.

use serde::Serialize;

use crate::exit::Exit;

/// All findings, in the order in which they were looked for.
#[derive(Debug, Serialize)]
pub(crate) struct CheckReport {
    status: Level,
    findings: Vec<Finding>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Ok,
    Warning,
    Error,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    check: &'static str,
    level: Level,
    found: String,
    remedy: Option<String>,
    /// What a command would end with that meets it.
    #[serde(skip)]
    exit: Exit,
}

impl Finding {
    pub(crate) fn ok(check: &'static str, found: String) -> Self {
        Self { check, level: Level::Ok, found, remedy: None, exit: Exit::Success }
    }

    pub(crate) fn warning(check: &'static str, found: String, remedy: &str) -> Self {
        let remedy = Some(remedy.to_owned());
        Self { check, level: Level::Warning, found, remedy, exit: Exit::Success }
    }

    pub(crate) fn error(
        check: &'static str,
        found: String,
        remedy: Option<String>,
        exit: Exit,
    ) -> Self {
        Self { check, level: Level::Error, found, remedy, exit }
    }
}

impl CheckReport {
    pub(crate) fn new(findings: Vec<Finding>) -> Self {
        let levels = findings.iter().map(|finding| finding.level);
        Self { status: levels.max().unwrap_or(Level::Ok), findings }
    }

    /// What is invalid comes before what is unavailable: a restart cannot help.
    pub(crate) fn exit(&self) -> Exit {
        let exits = || self.findings.iter().map(|finding| finding.exit);
        exits()
            .find(|exit| *exit == Exit::Configuration)
            .or_else(|| exits().find(|exit| *exit != Exit::Success))
            .unwrap_or(Exit::Success)
    }

    /// A line for each, with its remedy below it.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for Finding { check, level, found, remedy, .. } in &self.findings {
            let level = match level {
                Level::Ok => "ok",
                Level::Warning => "warning",
                Level::Error => "error",
            };
            text += &format!("{level:<8} {check:<12} {found}\n");
            if let Some(remedy) = remedy {
                text += &format!("{:<21} -> {remedy}\n", "");
            }
        }
        text
    }
}
