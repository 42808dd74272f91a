//! The parts of an image, or of an exported tar, that are compared.

use std::io::Read;

use serde_json::{Value, json};
use wharf_content::{Manifest, Source, SourceExt as _};
use wharf_layer::{
    Codec, Decoder, Limits, Merged, MergedEntry,
    tar::{Kind, Member},
};

use crate::support::document;

/// An image: its types, the digests of its layers, its annotations, its config and the files of all layers.
pub(super) async fn of_image(source: &dyn Source, manifest: &Manifest) -> Value {
    let bytes = source.config_bytes(manifest).await.unwrap();
    let config: Value = serde_json::from_slice(&bytes).unwrap();
    let mut merged = Merged::new().with_digests(true);
    let mut layers = Vec::new();
    for layer in manifest.layers() {
        let bytes = source.fetch(layer, 1 << 24).await.unwrap();
        layers.push(json!({ "type": layer.media_type(), "digest": layer.digest() }));
        let codec = Codec::of_type(layer.media_type()).unwrap();
        merged
            .add(Decoder::new(codec, Limits::default()).reader(&bytes[..]))
            .unwrap();
    }
    json!({
        "type": manifest.media_type(),
        "config_type": manifest.config().unwrap().media_type(),
        "layers": layers,
        "annotations": document(manifest)["annotations"],
        "config": config,
        "files": files(&merged),
    })
}

/// An exported tar: its files.
pub(super) fn of_tar(tar: impl Read) -> Value {
    let mut merged = Merged::new().with_digests(true);
    merged.add(tar).unwrap();
    json!({ "files": files(&merged) })
}

fn files(merged: &Merged) -> Vec<String> {
    merged.entries().map(|entry| line(&entry)).collect()
}

/// One file: name, kind, permissions, owner, time, and its content, target or first name.
fn line(entry: &MergedEntry<'_>) -> String {
    let name = String::from_utf8_lossy(entry.name()).into_owned();
    if let Some(first) = entry.linked_to() {
        return format!("{name} is {}", String::from_utf8_lossy(first));
    }
    let member: Member = entry.member().unwrap();
    let content = match member.kind() {
        Kind::File { size } => format!("file {size} {}", entry.digest().unwrap()),
        Kind::Symlink { target } => format!("link {}", String::from_utf8_lossy(target)),
        Kind::Directory => "directory".to_owned(),
        other => format!("{other:?}"),
    };
    format!(
        "{name} {:o} {}:{} {} {content}",
        member.mode(),
        member.uid(),
        member.gid(),
        member.modified().seconds(),
    )
}
