//! What every option is set to.

use serde::Serialize;

use super::table::{self, Side};

/// All settings, in the order of the help.
#[derive(Debug, Serialize)]
pub(crate) struct ConfigReport {
    pub(crate) settings: Vec<ConfigLine>,
    /// Variables that Kubernetes made, not a person.
    pub(crate) ignored: Vec<&'static str>,
}

/// One setting.
#[derive(Debug, Serialize)]
pub(crate) struct ConfigLine {
    pub(crate) name: String,
    /// Null if it is not set.
    pub(crate) value: Option<String>,
    /// `flag`, `variable`, `alias` or `default`.
    pub(crate) source: &'static str,
    /// Those that it comes from.
    pub(crate) variables: Vec<String>,
}

impl ConfigReport {
    /// A table.
    pub(crate) fn text(&self) -> String {
        let row = |line: &ConfigLine| {
            let from = match line.variables.as_slice() {
                [] => line.source.to_owned(),
                variables => variables.join(", "),
            };
            [line.name.clone(), line.value.clone().unwrap_or("-".to_owned()), from]
        };
        let rows: Vec<_> = self.settings.iter().map(row).collect();
        let head = ["setting", "value", "from"];
        let mut lines = table::lines([Side::Left, Side::Left, Side::Left], head, &rows);
        for variable in &self.ignored {
            lines.push(format!("{variable} is ignored: Kubernetes made it for a service"));
        }
        lines.join("\n") + "\n"
    }
}
