//! registries.conf: see `README.md`.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wharf_config::{ConfigError, Intent, Registries, Resolve, ResolveError, ShortNames};
use wharf_reference::{Reference, Repository, Written};

const NAMES: [&str; 6] = [
    "alpine",
    "a.lan/x",
    "a.lan/ns/x",
    "b.a.lan:5000/ns/x",
    "[::1]/x",
    "localhost:5000/x",
];

fuzz_target!(|text: &str| {
    let lines = text.split('\n').count();
    match Registries::parse(text) {
        Ok(registries) => accepted(text, lines, &registries),
        Err(error) => refused(lines, &error),
    }
});

fn refused(lines: usize, error: &ConfigError) {
    assert!(
        error.line().is_some_and(|line| (1..=lines).contains(&line)),
        "{error}"
    );
    assert!(!error.to_string().contains(['\n', '\r', '\u{1b}']), "{error}");
    error.others().iter().for_each(|other| refused(lines, other));
}

fn accepted(text: &str, lines: usize, registries: &Registries) {
    for warning in registries.warnings() {
        assert!(
            warning.line().is_some_and(|line| (1..=lines).contains(&line)),
            "{warning}"
        );
        assert!(!warning.to_string().contains(['\n', '\r', '\u{1b}']), "{warning}");
    }
    let own = registries
        .tables()
        .filter_map(|table| Repository::parse(&format!("{}/x", table.prefix())).ok());
    let fixed = NAMES.into_iter().map(|name| Repository::parse(name).unwrap());
    for repository in own.chain(fixed).collect::<Vec<_>>() {
        for intent in [Intent::PullTag, Intent::PullDigest, Intent::Push, Intent::Other] {
            resolved(registries, &repository, intent);
        }
    }
    let names = ShortNames::new(registries);
    for (name, alias) in registries.aliases().iter() {
        let resolved = names.resolve(&Written::parse(name).unwrap(), None);
        if let Some(repository) = alias.repository() {
            assert_eq!(
                &resolved.unwrap().possible_names()[0].reference().repository(),
                repository
            );
        }
    }
    // Read once more, it changes nothing, unless it is in version 1, which no drop-in may be.
    let mut again = registries.clone();
    if again.merge_drop_in(Path::new("again.conf"), text).is_ok() {
        assert_eq!(again.search_registries(), registries.search_registries());
        assert_eq!(again.tables().count(), registries.tables().count());
    }
}

fn resolved(registries: &Registries, repository: &Repository, intent: Intent) {
    match registries.resolve(repository, intent) {
        Ok(candidates) => {
            assert!(candidates.iter().any(|candidate| candidate.blocked.is_none()));
            for candidate in candidates {
                let name = candidate.repository.as_str();
                assert_eq!(Reference::parse_canonical(name).unwrap().as_str(), name);
            }
        }
        Err(ResolveError::Blocked(_)) => {
            assert!(registries.tables().any(|table| table.blocked()));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
