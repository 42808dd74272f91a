//! docs/operating.md says what the program has.

use std::collections::BTreeSet;

use wharf_testkit::Sandbox;

use crate::program::start_in_vain;

/// The flags in a text.
fn flags(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '-'));
    let flags = words.filter(|word| word.starts_with("--") && !word.starts_with("---"));
    flags.map(str::to_owned).collect()
}

/// The settings of distribution's storage and HTTP that an operator brings along.
#[test]
fn the_page_on_operating_has_every_setting_of_a_shared_storage() {
    let page = std::fs::read_to_string("docs/operating.md").expect("the page");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let known: Vec<&str> = rows.filter_map(|row| row.split(" | ").next()).collect();
    for setting in [
        "region",
        "regionendpoint",
        "forcepathstyle",
        "bucket",
        "rootdirectory",
        "accesskey",
        "secretkey",
        "encrypt",
        "keyid",
        "storageclass",
        "secure",
        "skipverify",
        "chunksize",
        "redirect.disable",
        "delete.enabled",
        "maintenance.readonly",
        "maintenance.uploadpurging",
        "http.secret",
        "http.draintimeout",
        "redis",
        "notifications",
        "storage.cache",
    ] {
        let is_known = |row: &&str| row.contains(&format!("{setting}`"));
        assert!(known.iter().any(is_known), "{setting} has no row");
    }
}

#[test]
fn the_page_on_operating_has_every_flag_and_no_other() {
    let help = start_in_vain(&Sandbox::new(), "serve", &["--help"]).ok();
    let page = std::fs::read_to_string("docs/operating.md").expect("the page");
    let table = page.split("## Flags of `serve`").nth(1).expect("its table");
    let mut expected = flags(&help);
    for flag in ["--help", "--version"] {
        expected.remove(flag);
    }
    assert_eq!(flags(table), expected);
    assert!(
        flags(&page).is_subset(&expected),
        "{:?}",
        flags(&page).difference(&expected)
    );
}
