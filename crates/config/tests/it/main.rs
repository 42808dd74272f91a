//! What the files of the containers ecosystem mean, through the public API.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod acceptance;
mod certificates;
mod credentials;
mod discovery;
mod errors;
mod golden;
mod host;
mod matching;
mod order;
mod policy;
mod rewriting;
mod robust;
mod short_names;
#[cfg(feature = "registries-d")]
mod signature_stores;
mod support;
mod warnings;

/// The tables below are the specification, line by line; they must not quietly shrink.
#[test]
fn there_are_at_least_three_hundred_cases() {
    let tables = [
        matching::CASES.len(),
        rewriting::CASES.len(),
        errors::count(),
        warnings::CASES.len(),
        discovery::CASES.len(),
        host::CASES.len(),
        short_names::CASES.len(),
        short_names::LOCAL_CASES.len(),
        short_names::ALIAS_CASES.len(),
        certificates::CASES.len(),
    ];
    assert!(tables.iter().sum::<usize>() >= 300, "{tables:?}");
}

#[test]
fn values_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + Unpin + std::fmt::Debug>() {}

    shared::<wharf_config::Locations>();
    shared::<wharf_config::Registries>();
    shared::<wharf_config::ShortNames>();
    shared::<wharf_config::Certificates>();
    shared::<wharf_config::ConfigError>();
    shared::<wharf_config::ShortNameError>();
    shared::<wharf_config::ResolveError>();
}
