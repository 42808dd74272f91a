//! The facade has every setting of the protocol's client.

use std::{collections::BTreeSet, fs, path::Path};

/// Settings that the facade makes from the host's configuration and its own settings.
const MADE_BY_THE_FACADE: [&str; 3] = ["with_credentials", "with_resolve", "with_certificates"];

/// The names of the public methods in these files that set something.
fn setters(files: &[&str]) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(root.join(file)).expect("the source is there");
        for line in text.lines() {
            let Some(rest) = line.trim_start().strip_prefix("pub ") else {
                continue;
            };
            let rest = rest.strip_prefix("const ").unwrap_or(rest);
            let Some(rest) = rest.strip_prefix("fn ") else {
                continue;
            };
            let name = rest.split(['(', '<']).next().unwrap_or_default();
            if name.starts_with("with_") || name.starts_with("allow_") {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

#[test]
fn the_facade_has_every_setting_of_the_protocols_client() {
    let below = setters(&["crates/distribution/src/builder.rs"]);
    for known in ["with_timeouts", "with_proxies", "allow_foreign_uploads"] {
        assert!(below.contains(known), "{known} is not found: {below:?}");
    }
    let facade = setters(&[
        "src/builder/mod.rs",
        "src/builder/network.rs",
        "src/builder/dangerous.rs",
    ]);
    let missing: Vec<&String> = below
        .iter()
        .filter(|name| !facade.contains(*name) && !MADE_BY_THE_FACADE.contains(&name.as_str()))
        .collect();
    assert!(missing.is_empty(), "wharf::ClientBuilder lacks {missing:?}");
}
