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
