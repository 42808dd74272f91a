//! ARCHITECTURE.md lists the public names that several crates have.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::{
    pages::{page, types},
    root,
};

#[test]
fn the_public_names_of_several_crates_are_listed() {
    let mut crates: Vec<(String, _)> = fs::read_dir(root().join("crates"))
        .unwrap()
        .flatten()
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .filter(|(name, _)| name != "testkit")
        .collect();
    crates.push(("wharf".to_owned(), root()));
    let mut owners: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, path) in &crates {
        for public in exported(&path.join("src")) {
            owners.entry(public).or_default().insert(name.clone());
        }
    }
    assert!(
        owners.len() > 200,
        "{} names were found: the scan is blind",
        owners.len()
    );
    owners.retain(|_, owners| owners.len() > 1);
    assert_eq!(listed(), owners);
}

/// The types that a crate defines and exports from its root.
fn exported(source: &Path) -> BTreeSet<String> {
    let mut defined = BTreeSet::new();
    types(source, &mut defined);
    let text = fs::read_to_string(source.join("lib.rs")).unwrap();
    let uses = text
        .split("pub use ")
        .skip(1)
        .filter_map(|rest| rest.split(';').next());
    uses.flat_map(|names| names.split(|c: char| !c.is_alphanumeric()))
        .filter(|word| defined.contains(*word))
        .map(str::to_owned)
        .collect()
}

/// The rows of the list: names, each in backticks, and before each colon the crate, in backticks too.
fn listed() -> BTreeMap<String, BTreeSet<String>> {
    let text = page("ARCHITECTURE.md");
    let (_, after) = text.split_once("| name | in |\n|---|---|\n").unwrap();
    let rows = after.lines().take_while(|line| line.starts_with('|'));
    let mut listed = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').collect();
        let [_, names, owners, _] = cells.as_slice() else {
            panic!("{row}");
        };
        let owners: BTreeSet<String> = owners
            .split("`:")
            .filter_map(|part| part.rsplit_once('`'))
            .map(|(_, owner)| owner.to_owned())
            .collect();
        for name in names.split('`').skip(1).step_by(2) {
            listed.insert(name.to_owned(), owners.clone());
        }
    }
    listed
}
