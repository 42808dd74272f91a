//! The archives and layouts of go-containerregistry's tests.

use std::{fs, io::Read as _, path::Path};

use wharf_archive::{Archive, Form, load, read_stream};
use wharf_content::{Error, ErrorKind, Manifest, Source, SourceExt as _, Target};
use wharf_reference::Digest;
use wharf_store::{Layout, Memory};
use wharf_testkit::{corpora, sha256};

use crate::{
    support::Scratch,
    tarball::{self, M},
};

/// An image of an archive: its config, by the first digits of its digest, its names, and its layers, stored as they
/// are or compressed.
type Row = (&'static str, &'static [&'static str], usize, Stored);

enum Stored {
    Plain,
    Gzip,
}

use Stored::{Gzip, Plain};

/// Each archive with its images, or the reason why it is none.
const ARCHIVES: &[(&str, Result<&[Row], &str>)] = &[
    ("tarball/content.tar", Err("neither index.json nor manifest.json")),
    // Docker 25 lists an image without names in manifest.json alone.
    ("tarball/hello-world-v25.tar", Ok(&[("ee301c92", &[], 1, Plain)])),
    (
        "tarball/no_manifest.tar",
        Err("neither index.json nor manifest.json"),
    ),
    ("tarball/null_manifest.tar", Ok(&[])),
    (
        "tarball/test_bundle.tar",
        Ok(&[
            ("930705ce", &["test_image_2"], 1, Plain),
            ("6e0b0504", &["test_image_1"], 1, Plain),
        ]),
    ),
    (
        "tarball/test_image_1.tar",
        Ok(&[("6e0b0504", &["bazel/v1/tarball:test_image_1"], 1, Plain)]),
    ),
    (
        "tarball/test_image_2.tar",
        Ok(&[("930705ce", &["bazel/v1/tarball:test_image_2"], 1, Plain)]),
    ),
    // A layer is a link to that of another image.
    (
        "tarball/test_link.tar",
        Ok(&[
            ("6e0b0504", &["bazel/v1/tarball:test_image_1"], 1, Plain),
            ("d4c9adac", &["bazel/v1/tarball:test_image_3"], 2, Plain),
        ]),
    ),
    (
        "tarball/test_load_manifest.tar",
        Ok(&[("6e0b0504", &["bazel/v1/tarball:test_image_1"], 1, Plain)]),
    ),
    (
        "mutate/overwritten_file.tar",
        Ok(&[("68f6eb74", &["bazel/pkg/v1/mutate:overwritten_file"], 3, Plain)]),
    ),
    (
        "mutate/source_image.tar",
        Ok(&[("6e0b0504", &["bazel/pkg/v1/mutate:source_image"], 1, Plain)]),
    ),
    (
        "mutate/source_image_with_empty_layer_history.tar",
        Ok(&[("05b5ec12", &["bazel/pkg/v1/mutate:source_image"], 1, Plain)]),
    ),
    // crane's: a colon in the config's name, layers compressed, manifest.json last.
    (
        "mutate/whiteout_dir.tar",
        Ok(&[("92f1e3d5", &["localhost:5000/whiteout:latest"], 4, Gzip)]),
    ),
    (
        "mutate/whiteout_image.tar",
        Ok(&[("decb6306", &["bazel/pkg/v1/mutate:whiteout_image"], 3, Plain)]),
    ),
];

/// The tars of the layers have the digests that the config states.
async fn is_whole(source: &(impl Source + ?Sized), manifest: &Manifest, stored: &Stored, file: &str) {
    let diff_ids = source.config(manifest).await.unwrap().diff_ids().unwrap();
    for (layer, diff_id) in manifest.layers().iter().zip(&diff_ids) {
        let blob = source.blob(layer).await.unwrap();
        let bytes = blob.read_to_end(u64::MAX).await.unwrap();
        let tar = match stored {
            Plain => bytes.to_vec(),
            Gzip => {
                let mut tar = Vec::new();
                flate2::read::MultiGzDecoder::new(&*bytes)
                    .read_to_end(&mut tar)
                    .unwrap();
                tar
            }
        };
        assert_eq!(sha256(&tar), *diff_id, "{file}");
        assert_eq!(
            layer.media_type().as_str().ends_with("gzip"),
            matches!(stored, Gzip),
            "{file}"
        );
    }
}

#[tokio::test]
async fn archives_of_go_containerregistry_are_read_in_place_and_as_streams() {
    let Some(folder) = corpora::folder("tarballs") else {
        return;
    };
    for (file, expected) in ARCHIVES {
        let path = folder.join(file);
        let opened = Archive::open(&path, Form::Detect).await;
        let store = Memory::new();
        let loaded = load(read_stream(fs::File::open(&path).unwrap()), &store).await;
        let rows = match expected {
            Ok(rows) => rows,
            Err(reason) => {
                for failure in [opened.err(), loaded.err()] {
                    let failure: Error = failure.unwrap_or_else(|| panic!("{file} is no image archive"));
                    assert_eq!(failure.kind(), ErrorKind::Invalid, "{file}: {failure}");
                    assert!(failure.to_string().contains(reason), "{file}: {failure}");
                }
                continue;
            }
        };
        let archive = opened.unwrap_or_else(|error| panic!("{error}"));
        let loaded = loaded.unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(
            (archive.images().len(), loaded.len()),
            (rows.len(), rows.len()),
            "{file}"
        );
        for ((image, loaded), (id, names, layers, stored)) in archive.images().iter().zip(&loaded).zip(*rows)
        {
            let config = image.image_id().unwrap();
            assert!(config.encoded().starts_with(id), "{file}: {config}");
            assert_eq!(image.names().collect::<Vec<_>>(), *names, "{file}");
            let manifest = archive.manifest(&image.target()).await.unwrap();
            assert_eq!(manifest.layers().len(), *layers, "{file}");
            is_whole(&archive, &manifest, stored, file).await;

            assert_eq!(loaded.descriptor.digest(), manifest.digest(), "{file}");
            assert_eq!(loaded.image_id.as_ref(), Some(config), "{file}");
            assert!(
                loaded
                    .names
                    .iter()
                    .map(wharf_content::Name::as_str)
                    .eq(names.iter().copied()),
                "{file}"
            );
            is_whole(&store, &manifest, stored, file).await;
        }
    }
    let listed = fs::read_dir(folder.join("tarball"))
        .unwrap()
        .chain(fs::read_dir(folder.join("mutate")).unwrap());
    let tars = listed
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|ending| ending == "tar"));
    assert_eq!(tars.count(), ARCHIVES.len(), "every archive has its row");
}

/// `docker save` of Docker 25, of an image without names: its OCI half lists nothing, and has the manifest.
#[tokio::test]
async fn both_halves_of_docker_25_have_one_config() {
    let Some(folder) = corpora::folder("tarballs") else {
        return;
    };
    let path = folder.join("tarball/hello-world-v25.tar");
    let docker = Archive::open(&path, Form::Docker).await.unwrap();
    let saved = docker.manifest(&docker.only().unwrap().target()).await.unwrap();
    let oci = Archive::open(&path, Form::Oci).await.unwrap();
    assert!(oci.images().is_empty());
    let digest = "sha256:411caf340c828657e915a83ed561a79d2b8150dabad4dc079d881cbfe6f86afe";
    let manifest = oci
        .manifest(&Digest::parse(digest).unwrap().into())
        .await
        .unwrap();
    let config = |manifest: &Manifest| manifest.config().unwrap().digest().clone();
    assert_eq!(config(&manifest), config(&saved));
    let layers = |manifest: &Manifest| -> Vec<Digest> {
        manifest
            .layers()
            .iter()
            .map(|layer| layer.digest().clone())
            .collect()
    };
    assert_eq!(layers(&manifest), layers(&saved));
    is_whole(&oci, &manifest, &Plain, "hello-world-v25.tar").await;
}

/// The members of a directory, as an archive has them.
fn members(directory: &Path, prefix: &str, found: &mut Vec<(String, M)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            members(&entry.path(), &format!("{name}/"), found);
        } else {
            found.push((name, M::File(fs::read(entry.path()).unwrap())));
        }
    }
}

/// Copies a layout, for a store writes its lock.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::write(&target, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

/// A layout by its name, with the first digits of the digests and the names of its entries.
type LayoutRow = (&'static str, &'static [(&'static str, Option<&'static str>)]);

/// The layouts with their entries that are manifests; others are passed over.
const LAYOUTS: &[LayoutRow] = &[
    ("test_gc_image_unknown_mediatype", &[]),
    (
        "test_gc_index",
        &[
            ("eebff607", Some("1")),
            ("05f95b26", Some("3")),
            ("2b29a2b8", Some("4")),
        ],
    ),
    (
        "test_index",
        &[
            ("eebff607", Some("1")),
            ("05f95b26", Some("3")),
            ("2b29a2b8", Some("4")),
        ],
    ),
    ("test_index_media_type", &[("b544f71e", None)]),
    ("test_index_one_image", &[("98ceaf93", None)]),
];

#[tokio::test]
async fn layouts_of_go_containerregistry_are_the_same_in_an_archive_and_in_a_directory() {
    let Some(folder) = corpora::folder("tarballs") else {
        return;
    };
    let scratch = Scratch::new();
    for (name, expected) in LAYOUTS {
        let directory = folder.join("layout").join(name);
        let path = scratch.path(&format!("{name}.tar"));
        let mut found = Vec::new();
        members(&directory, "", &mut found);
        tarball::write(
            &path,
            found.iter().map(|(name, member)| {
                let M::File(content) = member else {
                    panic!("files alone")
                };
                (name.as_str(), M::File(content.clone()))
            }),
        );
        let archive = Archive::open(&path, Form::Detect).await.unwrap();
        let listed: Vec<_> = archive
            .images()
            .iter()
            .map(|image| {
                (
                    image.descriptor().digest().clone(),
                    image.names().next().map(str::to_owned),
                )
            })
            .collect();
        assert_eq!(listed.len(), expected.len(), "{name}: {listed:?}");
        for ((digest, named), (id, expected)) in listed.iter().zip(*expected) {
            assert!(digest.encoded().starts_with(id), "{name}: {digest}");
            assert_eq!(named.as_deref(), *expected, "{name}");
        }

        let directory_copy = scratch.path(name);
        copy(&directory, &directory_copy);
        let layout = Layout::open(&directory_copy).await.unwrap();
        let images = layout.images().await.unwrap();
        let manifests = images
            .iter()
            .map(wharf_store::Image::descriptor)
            .filter(|descriptor| descriptor.media_type().is_manifest()); // the store keeps others, too
        let stored: Vec<_> = manifests.map(|descriptor| descriptor.digest().clone()).collect();
        let digests: Vec<_> = listed.iter().map(|(digest, _)| digest.clone()).collect();
        assert_eq!(stored, digests, "{name}");
        for digest in digests {
            let id = digest.encoded().to_owned();
            let target = Target::Digest(digest);
            let read = archive.manifest(&target).await;
            let same = layout.manifest(&target).await;
            match (read, same) {
                (Ok(read), Ok(same)) => assert_eq!(read.bytes(), same.bytes(), "{name}"),
                // The entry says OCI's type, and the manifest Docker's.
                (Err(read), Err(same)) => {
                    assert!(id.starts_with("eebff607"), "{name}: {read}");
                    assert_eq!(
                        (read.kind(), same.kind()),
                        (ErrorKind::Ambiguous, ErrorKind::Ambiguous),
                        "{name}: {read}"
                    );
                }
                (read, same) => panic!("{name}: {read:?}, {same:?}"),
            }
        }
    }
}
