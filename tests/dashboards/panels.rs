//! What the dashboards ask for.

use std::fs;

use serde_json::Value;
use ttg_tests::stack;

/// A panel's title, in its dashboard, and a query of it.
pub(crate) struct Query {
    pub(crate) panel: String,
    pub(crate) expression: String,
}

/// Every query of every panel, with the dashboards' variables filled in.
pub(crate) fn queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for entry in fs::read_dir(stack().join("grafana/dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            for target in panel["targets"].as_array().unwrap() {
                let expression = target["expr"].as_str().unwrap();
                let filled = [("$__rate_interval", "1m"), ("$__range", "1h")];
                let filled = filled.into_iter().chain([("$job", ".*"), ("$instance", ".*")]);
                let expression =
                    filled.fold(expression.to_owned(), |text, (name, to)| text.replace(name, to));
                let panel = format!("{} › {title}", dashboard["title"].as_str().unwrap());
                queries.push(Query { panel, expression });
            }
        }
    }
    assert!(queries.len() > 20, "{} queries", queries.len());
    queries
}
