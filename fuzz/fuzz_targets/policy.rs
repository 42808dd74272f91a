//! policy.json: see `README.md`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_config::{Policy, Requirement};
use wharf_reference::Reference;

fuzz_target!(|input: (&str, &str)| {
    let (text, image) = input;
    let policy = match Policy::parse(text) {
        Ok(policy) => policy,
        Err(error) => {
            let lines = text.split('\n').count();
            assert!((1..=lines).contains(&error.line().unwrap()), "{error}");
            return;
        }
    };
    let rules = Reference::parse(image).ok().map(|image| policy.rule_for(&image));
    for rule in rules.into_iter().chain([policy.default_rule()]) {
        assert!(!rule.requirements().is_empty());
        let free = rule
            .requirements()
            .iter()
            .all(|requirement| *requirement == Requirement::InsecureAcceptAnything);
        assert_eq!(rule.check().is_ok(), free);
    }
});
