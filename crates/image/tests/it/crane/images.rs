//! The images and layers that are given to crane and to this crate.

use std::{fs, path::Path, sync::Arc};

use serde_json::{Value, json};
use wharf_content::{Hasher, Manifest, Name, Target};
use wharf_copy::{Options as CopyOptions, Selection, copy};
use wharf_image::{Base, Codec, Level, NewLayer};
use wharf_layer::{
    Encoder, Profile,
    tar::{Kind, Member, Time, Writer},
};
use wharf_store::Layout;

use crate::support::{
    DOCKER_CONFIG, DOCKER_GZIP, DOCKER_MANIFEST, OCI_CONFIG, OCI_GZIP, OCI_MANIFEST, Store,
};

/// The names of the images: each has a twin of Docker's types, `docker-NAME`.
const NAMES: [&str; 3] = ["old", "new", "app"];
/// The name of the registry in what is compared.
pub(super) const REGISTRY: &str = "registry.example";

/// The images, in a store.
pub(super) struct Images {
    pub(super) store: Store,
    manifests: Vec<(String, Manifest)>,
}

impl Images {
    pub(super) async fn make() -> Self {
        let (store, mut manifests) = (Store::default(), Vec::new());
        for docker in [false, true] {
            for name in NAMES {
                let manifest = image(&store, name, docker).await;
                let prefix = if docker { "docker-" } else { "" };
                manifests.push((format!("{prefix}{name}"), manifest));
            }
        }
        Self { store, manifests }
    }

    pub(super) fn manifest(&self, name: &str) -> &Manifest {
        let found = self.manifests.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("no image {name}")).1
    }

    /// An image as the base of others, with the name by which crane is told of it.
    pub(super) fn base(&self, name: &str) -> Base {
        let target = Target::from(self.manifest(name).digest());
        Base::new(self.store.0.clone(), target).with_name(format!("{REGISTRY}/{name}:1"))
    }

    /// Writes each image to a layout in a directory, which crane pushes.
    pub(super) async fn write(&self, directory: &Path) -> Vec<(String, String)> {
        let mut written = Vec::new();
        for (name, manifest) in &self.manifests {
            let path = directory.join(name);
            let layout = Arc::new(Layout::create(&path).await.unwrap());
            let options = CopyOptions::from(Selection::All).with_name(Name::parse("v1").unwrap());
            let target = Target::from(manifest.digest());
            copy(self.store.0.clone(), layout, &target, options)
                .await
                .unwrap();
            written.push((name.clone(), path.display().to_string()));
        }
        written
    }
}

/// A layer that is added: `plain.tar`, `gzip.tar.gz` or `zstd.tar.zst`.
pub(super) fn new_layer(file: &str) -> NewLayer {
    NewLayer::from_bytes(layer_file(file))
}

/// Writes the layers that are added.
pub(super) fn write_layers(directory: &Path) {
    for file in ["plain.tar", "gzip.tar.gz", "zstd.tar.zst"] {
        fs::write(directory.join(file), layer_file(file)).unwrap();
    }
}

fn layer_file(file: &str) -> Vec<u8> {
    let (name, extension) = file.split_once('.').unwrap();
    let tar = tar(&[
        member("srv", Kind::Directory, b""),
        file_of(&format!("srv/{name}"), name.as_bytes()),
    ]);
    match extension {
        "tar" => tar,
        "tar.gz" => encode(&tar, Codec::Gzip),
        _ => encode(&tar, Codec::Zstd),
    }
}

fn encode(tar: &[u8], codec: Codec) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(Profile::V1, Level::default_of(codec), 1);
    encoder.encode(tar, &mut bytes).unwrap();
    encoder.finish(&mut bytes).unwrap();
    bytes
}

type Content = (Member, Vec<u8>);

fn member(name: &str, kind: Kind, content: &[u8]) -> Content {
    let member = Member::new(name, kind).unwrap();
    let member = member
        .with_modified(Time::new(1_700_000_000, 0))
        .with_owner(1000, 100);
    (member, content.to_vec())
}

fn file_of(name: &str, content: &[u8]) -> Content {
    let size = content.len() as u64;
    member(name, Kind::File { size }, content)
}

fn tar(members: &[Content]) -> Vec<u8> {
    let (mut writer, mut tar) = (Writer::new(), Vec::new());
    for (member, content) in members {
        tar.extend(writer.member(member).unwrap());
        writer.content(content.len()).unwrap();
        tar.extend_from_slice(content);
        tar.extend_from_slice(writer.end_member().unwrap());
    }
    tar.extend_from_slice(writer.finish().unwrap());
    tar
}

/// The members of the layers of the base `old`, of the base `new`, and of what is on a base.
fn layers(name: &str) -> Vec<Vec<Content>> {
    let directory = |name: &str| member(name, Kind::Directory, b"");
    let link = |name: &str, target: &str| {
        let target = target.as_bytes().to_vec();
        member(name, Kind::Symlink { target }, b"")
    };
    let other_name = |name: &str, target: &str| {
        let target = target.as_bytes().to_vec();
        member(name, Kind::HardLink { target }, b"")
    };
    match name {
        "old" => vec![vec![
            directory("etc"),
            file_of("etc/release", b"old\n"),
            file_of("etc/removed", b"by the next layer"),
            directory("var"),
            directory("var/cache"),
            file_of("var/cache/entry", b"hidden"),
            link("lib", "usr/lib"),
        ]],
        "new" => vec![
            vec![directory("etc"), file_of("etc/release", b"new\n")],
            vec![directory("usr"), directory("usr/lib"), link("lib", "usr/lib")],
        ],
        _ => vec![
            vec![
                directory("opt"),
                file_of("opt/app", b"#!/bin/sh\n"),
                other_name("opt/again", "opt/app"),
                file_of("etc/.wh.removed", b""),
            ],
            vec![
                directory("var"),
                directory("var/cache"),
                file_of("var/cache/.wh..wh..opq", b""),
                file_of("var/cache/fresh", b"visible"),
                link("opt/absolute", "/etc/release"),
            ],
        ],
    }
}

/// An image: `app` is on the base `old`.
async fn image(store: &Store, name: &str, docker: bool) -> Manifest {
    let (manifest_type, config_type, layer_type) = if docker {
        (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_GZIP)
    } else {
        (OCI_MANIFEST, OCI_CONFIG, OCI_GZIP)
    };
    let parts: &[&str] = if name == "app" { &["old", "app"] } else { &[name] };
    let created = "2024-02-29T23:59:59Z";
    let (mut blobs, mut diff_ids, mut history) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        for (number, members) in layers(part).iter().enumerate() {
            let tar = tar(members);
            diff_ids.push(Hasher::sha256(&tar));
            blobs.push(store.blob(layer_type, encode(&tar, Codec::Gzip)).await);
            history.push(json!({ "created": created, "created_by": format!("COPY {part} {number}") }));
        }
        history
            .push(json!({ "created": created, "created_by": format!("ENV {part}=1"), "empty_layer": true }));
    }
    let config = json!({
        "architecture": "amd64",
        "author": "<a & b>",
        "created": created,
        "os": "linux",
        "config": {
            "Cmd": ["/bin/sh"],
            "Entrypoint": ["/init"],
            "Env": ["PATH=/usr/bin", "A=b"],
            "ExposedPorts": { "80/tcp": {} },
            "Labels": { "kept": "1", "replaced": "old" },
            "User": name,
            "Volumes": { "/data": {} },
            "WorkingDir": "/",
        },
        "history": history,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let mut manifest = json!({ "schemaVersion": 2, "mediaType": manifest_type, "layers": blobs });
    manifest["config"] = store.blob(config_type, config.to_string()).await;
    if !docker {
        manifest["annotations"] = Value::from_iter([("kept", "1"), ("replaced", "old")]);
    }
    store.manifest(&manifest).await
}
