//! What the pages of the repository name is there: files, links, types.

use std::{collections::BTreeSet, fs, path::Path};

use crate::root;

const PAGES: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "RELEASING.md",
    "SECURITY.md",
    "benches/compare/README.md",
    "docs/limits.md",
    "docs/threats.md",
    "fuzz/README.md",
];

/// Types of other crates and names of other things that the pages mention.
const FOREIGN: &[&str] = &["Debug", "Display", "WWW", "Authenticate"];

pub(crate) fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What stands between backticks, outside blocks of code.
fn quoted(text: &str) -> Vec<&str> {
    let mut outside = true;
    let lines = text.lines().filter(|line| {
        if line.trim_start().starts_with("```") {
            outside = !outside;
            return false;
        }
        outside && !line.starts_with("    ")
    });
    lines
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect()
}

#[test]
fn every_path_on_a_page_exists() {
    let mut missing = Vec::new();
    let mut paths = 0;
    for name in PAGES {
        for path in quoted(&page(name)) {
            let first = path.split('/').next().unwrap_or_default();
            let is_path = [
                "crates", "src", "examples", "tests", "docs", "fuzz", "benches", ".ci", ".github",
            ]
            .contains(&first)
                && path.contains('/')
                && !path.contains([' ', '*', '<', '$']);
            // What runs make is not there before.
            if is_path && !path.starts_with("fuzz/scratch") {
                paths += 1;
                if !root().join(path).exists() {
                    missing.push(format!("{name}: `{path}`"));
                }
            }
        }
    }
    assert!(paths > 100, "{paths} paths were found: the scan is blind");
    assert!(missing.is_empty(), "these are not there:\n{}", missing.join("\n"));
}

#[test]
fn every_link_on_a_page_leads_somewhere() {
    let mut broken = Vec::new();
    for name in PAGES {
        let text = page(name);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.contains(' ') {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let directory = root().join(name).parent().unwrap().to_owned();
            let target = if path.is_empty() {
                root().join(name)
            } else {
                directory.join(path)
            };
            let has_anchor = || anchor.is_empty() || anchors(&target).contains(anchor);
            if !target.exists() || !has_anchor() {
                broken.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "these lead nowhere:\n{}", broken.join("\n"));
}

/// The headings of a page as a repository's host makes anchors of them.
fn anchors(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_type_in_the_architecture_is_in_the_code() {
    let mut known = BTreeSet::new();
    for entry in fs::read_dir(root().join("crates")).unwrap().flatten() {
        types(&entry.path().join("src"), &mut known);
    }
    types(&root().join("src"), &mut known);
    assert!(
        known.len() > 300,
        "{} types were found: the scan is blind",
        known.len()
    );
    let text = page("ARCHITECTURE.md");
    let mut missing: Vec<&str> = Vec::new();
    for quoted in quoted(&text) {
        for word in quoted.split(|c: char| !c.is_alphanumeric()) {
            let is_type = word.starts_with(|c: char| c.is_ascii_uppercase())
                && word.contains(|c: char| c.is_ascii_lowercase());
            if is_type && !quoted.contains(['.', ' ']) && !FOREIGN.contains(&word) && !known.contains(word) {
                missing.push(quoted);
            }
        }
    }
    assert!(missing.is_empty(), "no struct, enum or trait: {missing:?}");
}

/// Adds the names of structs, enums, traits and type aliases.
pub(crate) fn types(directory: &Path, known: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            types(&path, known);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            for line in fs::read_to_string(&path).unwrap().lines() {
                let line = line
                    .trim_start()
                    .trim_start_matches("pub(crate) ")
                    .trim_start_matches("pub(super) ");
                let line = line.trim_start_matches("pub ").trim_start_matches("async ");
                let rest = ["struct ", "enum ", "trait ", "type "]
                    .iter()
                    .find_map(|word| line.strip_prefix(word));
                let word = rest
                    .unwrap_or_default()
                    .split(|c: char| !c.is_alphanumeric())
                    .next()
                    .unwrap_or_default();
                if !word.is_empty() {
                    known.insert(word.to_owned());
                }
            }
        }
    }
}
