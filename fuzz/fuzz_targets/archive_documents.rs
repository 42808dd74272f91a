//! The documents of archives and image directories: see `README.md`.
#![no_main]

use std::collections::HashSet;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use wharf_archive::{Archive, Dir, Form, load};
use wharf_content::{Descriptor, Error, MediaType, Source as _};
use wharf_fuzz::{Scratch, block_on};
use wharf_layer::tar::{Member, Writer};
use wharf_store::Memory;

const CONFIG: &[u8] = br#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"]}}"#;

/// The documents of an archive that lead to its images.
const NAMES: [&str; 2] = ["index.json", "manifest.json"];

/// An archive with this document in it, and a config and a layer for it.
fn archive(name: &str, document: &[u8]) -> Vec<u8> {
    let blob = |bytes: &'static [u8]| {
        let descriptor = Descriptor::of(MediaType::OCI_LAYER, bytes);
        format!("blobs/sha256/{}", descriptor.digest().encoded())
    };
    let layer: &[u8] = &[0; 1024];
    let manifest = manifest();
    let members: [(String, &[u8]); 7] = [
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#),
        (blob(CONFIG), CONFIG),
        ("config.json".to_owned(), CONFIG),
        ("layer.tar".to_owned(), layer),
        ("a/layer.tar".to_owned(), layer),
        (format!("blobs/sha256/{}", manifest.1), manifest.0.as_bytes()),
        (name.to_owned(), document),
    ];
    let mut writer = Writer::new();
    let mut bytes = Vec::new();
    for (name, content) in &members {
        let member = Member::file(name.as_str(), content.len() as u64).unwrap();
        bytes.extend_from_slice(&writer.member(&member).unwrap());
        writer.content(content.len()).unwrap();
        bytes.extend_from_slice(content);
        bytes.extend_from_slice(writer.end_member().unwrap());
    }
    bytes.extend_from_slice(writer.finish().unwrap());
    bytes
}

/// A manifest of the config, and its digest.
fn manifest() -> (String, String) {
    let config = Descriptor::of(MediaType::OCI_CONFIG, CONFIG);
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[]}}"#,
        config.digest(),
        config.size()
    );
    let digest = Descriptor::of(MediaType::OCI_MANIFEST, text.as_bytes());
    let digest = digest.digest().encoded().to_owned();
    (text, digest)
}

fn is_short(error: &Error) {
    let text = error.to_string();
    assert!(text.len() < 4096 && !text.contains(char::is_control), "{text}");
}

fuzz_target!(|document: &[u8]| {
    let scratch = Scratch::new();
    for name in NAMES {
        let bytes = archive(name, document);
        let path = scratch.path("archive.tar");
        std::fs::write(&path, &bytes).unwrap();
        let (opened, loaded) = block_on(async {
            let stream = Box::pin(futures_util::stream::iter([Ok(Bytes::from(bytes))]));
            (
                Archive::open(&path, Form::Detect).await,
                load(stream, &Memory::new()).await,
            )
        });
        opened.as_ref().err().into_iter().for_each(is_short);
        loaded.as_ref().err().into_iter().for_each(is_short);
        if let (Ok(opened), Ok(loaded)) = (&opened, &loaded) {
            // An image of several entries is one for the sink.
            let opened: HashSet<_> = opened
                .images()
                .iter()
                .map(|image| image.descriptor().digest())
                .collect();
            let loaded: HashSet<_> = loaded.iter().map(|image| image.descriptor.digest()).collect();
            assert_eq!(opened, loaded);
        }
    }
    // The type of a directory's manifest is found in it, and its bytes are kept.
    std::fs::write(scratch.path("manifest.json"), document).unwrap();
    match block_on(Dir::open(scratch.path(""))) {
        Ok(dir) => {
            assert_eq!(dir.root().bytes(), document);
            let root = dir.root().descriptor().clone();
            assert!(root.media_type().is_manifest());
            let again = block_on(dir.manifest(&root.digest().clone().into()));
            assert_eq!(again.unwrap().bytes(), document);
        }
        Err(error) => is_short(&error),
    }
});
