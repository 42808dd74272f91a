//! docs/limits.md lists the constants of the sources that are limits, and the limits that can be set.
//!
//! The page is made from the sources: from names, values and doc comments. `WHARF_UPDATE_GOLDEN=1` writes it anew.

mod constants;
mod page;
mod settings;

use std::fs;

use constants::Limit;

use crate::root;

/// What to do about a page that is not what the sources say.
const RENEW: &str = "WHARF_UPDATE_GOLDEN=1 cargo test -p wharf-testkit --test it limits";

/// Two constants that bound one thing from two crates or files, where one of them cannot name the other.
const PAIRS: &[[&str; 2]] = &[
    [
        "auth/src/exchange.rs MAX_ERROR_SIZE",
        "distribution/src/send/mod.rs MAX_ERROR",
    ],
    [
        "http/src/error_body.rs MAX_BODY",
        "distribution/src/send/mod.rs MAX_ERROR",
    ],
    [
        "copy/src/referrers.rs MAX_REFERRERS",
        "distribution/src/referrers.rs MAX_REFERRERS",
    ],
    [
        "registry/src/auth/jwt.rs MAX_TOKEN",
        "registry/src/auth/tokens.rs MAX_TOKEN",
    ],
];

#[test]
fn the_page_of_limits_is_what_the_sources_say() {
    let expected = page::render(&constants::all(), &settings::all());
    let path = root().join("docs/limits.md");
    if std::env::var_os("WHARF_UPDATE_GOLDEN").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap_or_default();
    for (number, (line, expected)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(
            line,
            expected,
            "docs/limits.md:{} is out of date; renew it with\n\n    {RENEW}\n",
            number + 1
        );
    }
    assert!(
        text == expected,
        "docs/limits.md is out of date; renew it with\n\n    {RENEW}\n"
    );
}

#[test]
fn every_limit_says_what_it_bounds() {
    let silent: Vec<String> = constants::all()
        .iter()
        .filter(|limit| limit.meaning.is_empty() || limit.meaning.starts_with("The same"))
        .map(|limit| format!("{}:{}: {}", limit.file, limit.line, limit.name))
        .collect();
    assert!(
        silent.is_empty(),
        "these constants need a doc comment that says what they bound, and in which unit:\n{}",
        silent.join("\n")
    );
}

#[test]
fn limits_of_one_thing_agree() {
    let limits = constants::all();
    let find = |wanted: &str| -> &Limit {
        let found = limits.iter().find(|limit| {
            wanted.strip_suffix(&limit.name) == Some(&format!("{} ", limit.file.replace("crates/", "")))
        });
        found.unwrap_or_else(|| panic!("no constant is {wanted}: mend the list of pairs"))
    };
    for [one, other] in PAIRS {
        assert_eq!(find(one).value, find(other).value, "{one} and {other}");
    }
}
