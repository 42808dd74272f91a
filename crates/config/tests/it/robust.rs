//! No bytes make a reader panic, and every error says where it is.

use std::fs;

use wharf_config::{Aliases, Locations, Policy, Registries};

use crate::support::Host;

const CORPUS: &[&str] = &[
    include_str!("../../../../fuzz/corpus/registries/full"),
    include_str!("../../../../fuzz/corpus/registries/version1"),
    include_str!("../../../../fuzz/corpus/registries/odd"),
    include_str!("../../../../fuzz/corpus/registries/ipv6"),
    include_str!("../../../../fuzz/corpus/aliases/machine"),
    include_str!("../../../../fuzz/corpus/aliases/bad"),
    include_str!("../../../../fuzz/corpus/policy/all"),
    include_str!("../../../../fuzz/corpus/registries_d/full"),
];

fn read(text: &str) {
    let lines = text.split('\n').count();
    let errors = [
        Registries::parse(text).err(),
        Aliases::parse(text).err(),
        Policy::parse(text).err(),
        #[cfg(feature = "registries-d")]
        wharf_config::SignatureStores::parse(text).err(),
    ];
    for error in errors.into_iter().flatten() {
        let line = error.line().unwrap_or_default();
        assert!((1..=lines).contains(&line), "{error}\n{text}");
        assert!(!error.message().is_empty());
    }
}

#[test]
fn a_file_may_end_anywhere() {
    for text in CORPUS {
        for end in 0..text.len() {
            read(text.get(..end).unwrap());
        }
    }
}

#[test]
fn any_character_may_stand_anywhere() {
    for text in CORPUS {
        for position in 0..text.len() {
            for wrong in [
                "\"", "'", "[", "]", "=", "\n", ".", "*", "\\", "\0", "é", "{", "#", " ",
            ] {
                let mut changed = (*text).to_owned();
                changed.replace_range(position..=position, wrong);
                read(&changed);
            }
        }
    }
}

#[test]
fn any_byte_may_stand_anywhere() {
    let host = Host::new(&[]);
    let file = host.path("registries.conf");
    let locations = Locations::none()
        .with_registries_conf(&file)
        .with_alias_file(&file);
    let text = CORPUS[0].as_bytes();
    for position in (0..text.len()).step_by(7) {
        let mut changed = text.to_vec();
        changed[position] = 0xff;
        fs::write(&file, &changed).unwrap();
        let error = Registries::load(&locations).unwrap_err();
        assert_eq!(error.file(), Some(file.as_path()));
        assert!(error.line().is_some());
    }
}

#[test]
fn depth_is_bounded() {
    read(&format!("a = {}", "[".repeat(100_000)));
    read(&format!("a = {}", "{a=".repeat(100_000)));
    read(&format!("[{}a]", "a.".repeat(20_000)));
}
