//! short-name-aliases.conf: see `README.md`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_config::{Aliases, Registries};
use wharf_reference::ShortName;

fuzz_target!(|text: &str| {
    let parsed = Aliases::parse(text);
    if let Ok(registries) = Registries::parse(text) {
        // The same table means the same in either file, whose keys differ otherwise.
        let names = |aliases: &Aliases| {
            aliases
                .iter()
                .map(|(name, _)| name.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(registries.aliases()), names(parsed.as_ref().unwrap()));
    }
    if let Ok(aliases) = parsed {
        for (name, _) in aliases.iter() {
            assert_eq!(ShortName::parse(name).unwrap().name(), name);
        }
    }
});
