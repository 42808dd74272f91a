//! The registry's journal: see `README.md`.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use wharf_content::{ErrorKind, Hasher};
use wharf_fuzz::{Scratch, block_on};
use wharf_registry::{DiskBackend, Storage as _};

/// The length of a header.
const HEADER: usize = 83;

fn sum(parts: &[&[u8]]) -> String {
    Hasher::sha256(&parts.concat()).encoded()[..16].to_owned()
}

/// A journal with a group of these changes, in its sorted part or after it, and sums that are right.
fn journal(sorted: bool, changes: &[u8]) -> Vec<u8> {
    let id = "0123456789abcdef".repeat(2);
    let own = sum(&[id.as_bytes(), changes]);
    let head = format!("{HEADER:016x} {:08x} {own} ", changes.len());
    let own = sum(&[id.as_bytes(), head.as_bytes()]);
    let group = [head.as_bytes(), own.as_bytes(), b" ", changes, b"\n"].concat();
    let end = HEADER + if sorted { group.len() } else { 0 };
    let header = format!("wharf journal 3 {id} {end:016x}");
    let own = sum(&[header.as_bytes()]);
    [header.as_bytes(), b" ", own.as_bytes(), b"\n", &group].concat()
}

async fn records(backend: &DiskBackend) -> Vec<String> {
    let records = backend.storage().records().await.unwrap();
    let records = records.all().await.unwrap();
    records.into_iter().map(|record| format!("{record:?}")).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((form, rest)) = bytes.split_first() else {
        return;
    };
    let file = match form {
        b's' => journal(true, rest),
        b'a' => journal(false, rest),
        _ => rest.to_vec(),
    };
    let scratch = Scratch::new();
    let root = scratch.path("registry");
    let path = root.join("registry/journal");
    block_on(async {
        drop(DiskBackend::open(&root).await.unwrap());
        fs::write(&path, &file).unwrap();
        let backend = match DiskBackend::open(&root).await {
            Ok(backend) => backend,
            Err(error) => {
                assert!(
                    [ErrorKind::Corrupt, ErrorKind::Unsupported].contains(&error.kind()),
                    "{error}"
                );
                assert!(fs::read(&path).unwrap() == file, "it is left as it was");
                return;
            }
        };
        let before = records(&backend).await;
        drop(backend);
        let backend = DiskBackend::open(&root).await.unwrap();
        assert_eq!(records(&backend).await, before);
    });
});
