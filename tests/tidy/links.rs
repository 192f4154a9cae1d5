//! Links between pages.

use std::path::{Component, Path};

use pulldown_cmark::{Event, Parser, Tag};

use crate::tree::{Tree, is_markdown};

pub(crate) fn dead_links(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for (page, text) in tree.iter().filter(|(path, _)| is_markdown(path)) {
        for event in Parser::new(text) {
            let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) = event
            else {
                continue;
            };
            if !dest_url.contains(':') && !leads_to_a_file(tree, page, &dest_url) {
                findings.push(format!("{page}: {dest_url}"));
            }
        }
    }
    findings
}

/// `link`, written on `page`, is a file or a folder of `tree`.
fn leads_to_a_file(tree: &Tree, page: &str, link: &str) -> bool {
    let link = link.split('#').next().unwrap_or_default();
    if link.is_empty() {
        return true;
    }
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for component in Path::new(link).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if parts.pop().is_some() => {}
            Component::Normal(part) => parts.extend(part.to_str()),
            _ => return false,
        }
    }
    let target = parts.join("/");
    let inside = format!("{target}/");
    target.is_empty() || tree.keys().any(|path| *path == target || path.starts_with(&inside))
}
