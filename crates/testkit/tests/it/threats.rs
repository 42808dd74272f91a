//! docs/threats.md names a test for every row of its tables.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::RangeInclusive,
    path::Path,
};

use crate::root;

/// The rows about signatures. There are none between T3 and the first of them.
const SIGNATURES: RangeInclusive<u32> = 160..=195;

/// The cells of the table's rows: identifier, and what stands under *tests*.
fn rows() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("docs/threats.md")).unwrap();
    let mut rows = Vec::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, row, _, tests, _] = cells.as_slice() else {
            continue;
        };
        let numbered = row.starts_with(['N', 'I', 'X', 'F', 'U', 'S', 'T', 'V'])
            && row.chars().skip(1).all(|c| c.is_ascii_digit());
        if numbered {
            rows.push(((*row).to_owned(), (*tests).to_owned()));
        }
    }
    rows
}

/// Adds the names of all functions in the Rust files of a directory.
fn functions(directory: &Path, found: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for line in text.lines().map(str::trim_start) {
                let line = ["pub ", "pub(crate) "]
                    .iter()
                    .find_map(|visibility| line.strip_prefix(visibility))
                    .unwrap_or(line);
                let rest = line.strip_prefix("async ").unwrap_or(line);
                let name = rest.strip_prefix("fn ").and_then(|rest| rest.split_once('('));
                found.extend(name.map(|(name, _)| name.to_owned()));
            }
        }
    }
}

/// The names of all functions in the sources and tests of each crate, and of the root package as `wharf`.
fn functions_by_crate() -> BTreeMap<String, BTreeSet<String>> {
    let mut crates = BTreeMap::new();
    for entry in fs::read_dir(root().join("crates")).unwrap().flatten() {
        let mut found = BTreeSet::new();
        functions(&entry.path().join("src"), &mut found);
        functions(&entry.path().join("tests"), &mut found);
        crates.insert(entry.file_name().into_string().unwrap(), found);
    }
    let mut found = BTreeSet::new();
    functions(&root().join("src"), &mut found);
    functions(&root().join("tests"), &mut found);
    crates.insert("wharf".to_owned(), found);
    crates
}

/// `n05_...` is about row N5.
fn row_of(test: &str) -> Option<String> {
    let (prefix, _) = test.split_once('_')?;
    let letter = prefix
        .chars()
        .next()
        .filter(|letter| "nixfustv".contains(*letter))?;
    let number: u32 = prefix
        .get(1..)
        .filter(|digits| matches!(digits.len(), 2 | 3))?
        .parse()
        .ok()?;
    Some(format!("{}{number}", letter.to_ascii_uppercase()))
}

#[test]
fn every_row_has_its_tests() {
    let rows = rows();
    let expected: Vec<String> = [
        ('N', 21),
        ('I', 12),
        ('X', 11),
        ('F', 20),
        ('U', 12),
        ('S', 9),
        ('T', 3),
    ]
    .into_iter()
    .flat_map(|(letter, count)| (1..=count).map(move |number| format!("{letter}{number}")))
    .chain(SIGNATURES.map(|number| format!("T{number}")))
    .chain((1..=22).map(|number| format!("V{number}")))
    .collect();
    let listed: Vec<&String> = rows.iter().map(|(row, _)| row).collect();
    assert_eq!(listed, expected.iter().collect::<Vec<_>>());

    let crates = functions_by_crate();
    let mut named = BTreeSet::new();
    for (row, tests) in &rows {
        if tests.starts_with("not applicable: ") {
            continue;
        }
        assert!(!tests.is_empty(), "{row} has no test");
        for test in tests.split_whitespace() {
            let (package, name) = test.trim_matches('`').split_once("::").unwrap();
            let exists = crates.get(package).is_some_and(|names| names.contains(name));
            assert!(exists, "{row} names {test}, which does not exist");
            assert!(
                row_of(name).is_none_or(|of| of == *row),
                "{test} stands under {row}"
            );
            named.insert((package.to_owned(), name.to_owned()));
        }
    }
    for (package, names) in &crates {
        for name in names.iter().filter(|name| row_of(name).is_some()) {
            let stands = named.contains(&(package.clone(), name.clone()));
            assert!(stands, "{package}::{name} is missing in docs/threats.md");
        }
    }
}
