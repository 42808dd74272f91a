//! Members of layers kept, dropped and edited: M119.

use std::{num::NonZeroUsize, sync::Arc};

use serde_json::json;
use wharf_content::{ErrorKind, History, SourceExt as _, Target};
use wharf_copy::{Selection, copy};
use wharf_image::{
    LayerOutcome, Layers, Level, NewLayer, Options, Recipe, prepare,
    tar::{Kind, Member, MemberEdit, Time, of_files},
};
use wharf_layer::Codec;
use wharf_store::Memory;
use wharf_testkit::{Image, Index};

use crate::{
    layers::Counting,
    squashes::{stacked, tree},
    support::{DOCKER_GZIP, OCI_GZIP, Store, assert_valid, child, config_of, document},
};

fn drop_named(name: &'static str) -> Recipe {
    Recipe::new().members(move |member| {
        let is_it = member.name() == name.as_bytes();
        if is_it { MemberEdit::Drop } else { MemberEdit::Keep }
    })
}

#[tokio::test]
async fn a_dropped_file_is_in_no_layer_and_the_other_layers_keep_their_bytes() {
    let image = stacked();
    let store = Store::with_image(&image).await;
    let before = tree(&*store.0, image.manifest()).await;
    // What is dropped, the layers that change, and the differences of the trees.
    let rows: [(&str, &[usize], &[&str]); 5] = [
        ("etc/b", &[0, 1], &["etc/b"]),
        ("var/y", &[2], &["var/y"]),
        ("etc/.wh.a", &[1], &[]), // the third layer has a new one
        (".wh.opt", &[2], &["opt", "opt/o"]),
        ("absent", &[], &[]),
    ];
    for (name, changed, differences) in rows {
        let mut results = Vec::new();
        for (threads, takes) in [(1, true), (16, false)] {
            let options = Options::default().with_threads(NonZeroUsize::new(threads).unwrap());
            let target = Target::from(image.manifest().digest());
            let sink = Arc::new(Memory::new());
            let prepared = if takes {
                prepare(
                    store.0.clone(),
                    sink.clone(),
                    &target,
                    &drop_named(name),
                    &options,
                )
                .await
            } else {
                let counting = Arc::new(Counting::default());
                prepare(store.0.clone(), counting, &target, &drop_named(name), &options).await
            };
            let prepared = prepared.unwrap();
            assert_valid(&prepared).await;
            copy(
                Arc::new(prepared.clone()),
                sink.clone(),
                &prepared.target(),
                Selection::All.into(),
            )
            .await
            .unwrap();
            let (old, new) = (image.manifest().layers(), prepared.root().layers());
            for (number, (old, new)) in old.iter().zip(new).enumerate() {
                assert_eq!(old != new, changed.contains(&number), "{name}, layer {number}");
                assert_eq!(old.media_type(), new.media_type(), "{name}, layer {number}");
            }
            let edited = prepared.report().edited();
            let from: Vec<_> = edited.iter().map(|edited| &edited.from).collect();
            assert_eq!(
                from,
                changed.iter().map(|number| &old[*number]).collect::<Vec<_>>(),
                "{name}"
            );
            assert!(
                edited
                    .iter()
                    .all(|edited| (edited.dropped, edited.edited) == (1, 0))
            );
            assert!(prepared.report().added().is_empty() && prepared.report().layers().is_empty());
            let after = tree(&*sink, prepared.root()).await;
            let found: Vec<_> = after.differences_from(&before).collect();
            let names: Vec<_> = found
                .iter()
                .map(|found| String::from_utf8_lossy(&found.name).into_owned())
                .collect();
            let mut names: Vec<_> = names
                .iter()
                .map(String::as_str)
                .filter(|name| *name != "etc" && *name != "var" && *name != ".")
                .collect();
            names.sort_unstable();
            assert_eq!(names, differences, "{name}");
            results.push(prepared.root().bytes().clone());
        }
        assert_eq!(results[0], results[1], "{name}");
    }
    let unchanged = store
        .prepare(image.manifest(), &drop_named("absent"))
        .await
        .unwrap();
    assert_eq!(unchanged.root().bytes(), image.manifest().bytes());
    assert!(!unchanged.report().is_changed());
}

#[tokio::test]
async fn edited_members_have_other_metadata_and_the_same_content() {
    let image = stacked();
    let store = Store::with_image(&image).await;
    let before = tree(&*store.0, image.manifest()).await;
    let at = Time::new(1_700_000_000, 5);
    let recipe = Recipe::new().members(move |member| {
        let edited = member.clone().with_owner(70_000, 7).with_modified(at);
        edited.with_xattr("user.by", "wharf").into()
    });
    let prepared = store.prepare(image.manifest(), &recipe).await.unwrap();
    assert_valid(&prepared).await;
    let edited = prepared.report().edited();
    let members: u64 = edited.iter().map(|layer| layer.edited).sum();
    assert_eq!((edited.len(), members), (4, 13));
    let after = tree(&prepared, prepared.root()).await;
    let mut count = 0;
    for (new, old) in after.entries().zip(before.entries()) {
        assert_eq!(new.name(), old.name());
        if new.name() == b"." {
            continue; // no layer states it
        }
        assert_eq!(new.digest(), old.digest(), "{new:?}");
        let member = new.member().unwrap();
        assert_eq!((member.uid(), member.gid(), member.modified()), (70_000, 7, at));
        assert_eq!(member.kind(), old.member().unwrap().kind());
        count += 1;
    }
    assert_eq!(count, 5);
    let before = store.prepare(image.manifest(), &Recipe::new()).await.unwrap();
    let (before, after) = (config_of(&before).await, config_of(&prepared).await);
    assert_eq!(
        before["history"], after["history"],
        "nothing is added to the history"
    );
    assert_ne!(before["rootfs"], after["rootfs"]);
}

#[tokio::test]
async fn an_edited_layer_has_the_compression_that_it_had_or_the_one_of_the_recipe() {
    let image = stacked(); // its second layer is plain
    let store = Store::with_image(&image).await;
    let owned = || Recipe::new().members(|member| member.clone().with_owner(1, 1).into());
    let types = |prepared: &wharf_image::Prepared| -> Vec<String> {
        let layers = prepared.root().layers().iter();
        layers
            .map(|layer| {
                layer
                    .media_type()
                    .as_str()
                    .replace("application/vnd.oci.image.layer.v1.", "")
            })
            .collect()
    };
    let level = |codec, level| Layers::Exactly {
        level: Level::new(codec, level).unwrap(),
        force: false,
    };
    let rows = [
        (owned(), ["tar+gzip", "tar", "tar+gzip", "tar+gzip"]),
        (owned().layers(Layers::Compressed), ["tar+gzip"; 4]),
        (owned().layers(Layers::Plain), ["tar"; 4]),
        (owned().layers(level(Codec::Gzip, 9)), ["tar+gzip"; 4]),
        (drop_named("var/y").layers(level(Codec::Gzip, 1)), ["tar+gzip"; 4]),
        (drop_named("var/y").layers(Layers::Plain), ["tar"; 4]),
    ];
    for (recipe, expected) in rows {
        let prepared = store.prepare(image.manifest(), &recipe).await.unwrap();
        assert_eq!(types(&prepared), expected, "{recipe:?}");
        assert_valid(&prepared).await;
    }
    let docker = Image::builder().files(&[("a", b"1")]).docker().finish();
    store.add_image(&docker).await;
    let prepared = store.prepare(docker.manifest(), &owned()).await.unwrap();
    assert_eq!(prepared.root().layers()[0].media_type().as_str(), DOCKER_GZIP);
    assert_valid(&prepared).await;

    // Annotations of the layer stay, but for those that point into its bytes.
    let mut annotated = document(image.manifest());
    annotated["layers"][2]["annotations"] =
        json!({"a": "b", "io.github.containers.zstd-chunked.manifest-position": "1:2:3:4"});
    annotated["layers"][2]["urls"] = json!(["https://example.com/layer"]);
    let annotated = store.manifest(&annotated).await;
    let prepared = store.prepare(&annotated, &drop_named("var/y")).await.unwrap();
    let layer = &document(prepared.root())["layers"][2];
    assert_eq!(layer["annotations"], json!({"a": "b"}));
    assert_eq!(layer.get("urls"), None);
}

#[tokio::test]
async fn members_are_edited_among_other_steps_in_their_order() {
    let image = stacked();
    let store = Store::with_image(&image).await;
    let added = |name: &'static str| {
        Recipe::new().append(
            NewLayer::from_bytes(of_files([(name, "1"), ("kept", "2")]).unwrap()),
            History::default(),
        )
    };
    let drop = |recipe: Recipe, name: &'static str| {
        recipe.members(move |member| {
            if member.name() == name.as_bytes() {
                MemberEdit::Drop
            } else {
                MemberEdit::Keep
            }
        })
    };
    let has = async |recipe: Recipe, name: &str| {
        let prepared = store.prepare(image.manifest(), &recipe).await.unwrap();
        assert_valid(&prepared).await;
        let merged = tree(&prepared, prepared.root()).await;
        (
            merged.entries().any(|entry| entry.name() == name.as_bytes()),
            prepared,
        )
    };
    let (found, prepared) = has(drop(added("secret"), "secret"), "secret").await;
    assert!(!found);
    assert_eq!(
        (prepared.report().added().len(), prepared.report().edited().len()),
        (1, 0)
    );
    let (found, prepared) = has(drop(added("secret"), "secret").squash(..), "secret").await;
    assert!(!found);
    assert_eq!(prepared.root().layers().len(), 1);
    assert!(!has(drop(added("secret").squash(..), "secret"), "secret").await.0);
    let (found, prepared) = has(drop(drop(Recipe::new(), "var/y"), "var/x"), "var/y").await;
    assert!(!found);
    let totals: Vec<_> = prepared
        .report()
        .edited()
        .iter()
        .map(|edited| edited.dropped)
        .collect();
    assert_eq!(totals, [1, 1]);
    let late = NewLayer::from_bytes(of_files([("secret", "1")]).unwrap());
    assert!(
        has(
            drop(Recipe::new(), "secret").append(late, History::default()),
            "secret"
        )
        .await
        .0
    );
    // The name of the first member begins as gzip does, and the tar is plain all the same.
    let odd = of_files([(&b"\x1f\x8b\x08"[..], "1"), (b"kept", "2")]).unwrap();
    let recipe = Recipe::new().append(
        NewLayer::from_bytes(of_files([("first", "1")]).unwrap()),
        History::default(),
    );
    let recipe = recipe.append(
        NewLayer::from_writer(move |out| {
            out.write_all(&odd)
                .map_err(|error| wharf_content::Error::wrap(ErrorKind::Storage, error))
        }),
        History::default(),
    );
    assert!(
        store.prepare(image.manifest(), &recipe).await.is_err(),
        "its first bytes tell the compression"
    );
    let named = Image::builder()
        .plain_files(&[("\u{1f}x", b"1"), ("a", b"2")])
        .finish();
    store.add_image(&named).await;
    assert_valid(&store.prepare(named.manifest(), &drop_named("a")).await.unwrap()).await;
}

#[tokio::test]
async fn a_layer_that_is_read_once_is_edited_as_it_comes() {
    let image = stacked();
    let store = Store::with_image(&image).await;
    let tar = of_files([("secret", "1"), ("kept", "2")]).unwrap();
    let recipe = || {
        let layer = NewLayer::from_reader(std::io::Cursor::new(tar.clone()));
        Recipe::new()
            .append(layer, History::default())
            .members(|member| match member.name() {
                b"secret" => MemberEdit::Drop,
                _ => MemberEdit::Keep,
            })
    };
    let prepared = store.prepare(image.manifest(), &recipe()).await.unwrap();
    let layer = &prepared.root().layers()[4];
    assert_eq!(layer.media_type().as_str(), OCI_GZIP);
    let expected = of_files([("kept", "2")]).unwrap();
    assert_eq!(
        prepared.report().added()[0].diff_id.as_str(),
        crate::support::digest_of(&expected)
    );
    assert_eq!(prepared.report().added()[0].outcome, LayerOutcome::Ingested);
    let target = Target::from(image.manifest().digest());
    let nowhere = Arc::new(Counting::default());
    let refused = prepare(store.0.clone(), nowhere, &target, &recipe(), &Options::default()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn the_images_of_an_index_share_the_layers_that_are_edited() {
    let image = |architecture: &str| {
        let own = format!("etc/{architecture}");
        Image::builder()
            .files(&[("etc/", b""), ("etc/secret", b"1")])
            .files(&[(own.as_str(), b"2")])
            .platform(wharf_content::Platform::new("linux", architecture))
            .finish()
    };
    let index = Index::of(vec![image("amd64"), image("arm64")]);
    let store = Store::with_index(&index).await;
    let prepared = store
        .prepare(index.manifest(), &drop_named("etc/secret"))
        .await
        .unwrap();
    assert_eq!(prepared.report().edited().len(), 1, "the layer is made once");
    let mut layers = Vec::new();
    for entry in prepared.root().manifests() {
        let image = child(&prepared, entry).await;
        layers.push(image.layers()[0].clone());
        let config = prepared.config(&image).await.unwrap();
        assert_eq!(
            config.diff_ids().unwrap()[0],
            prepared.report().edited()[0].diff_id
        );
    }
    assert_eq!(layers[0], layers[1]);
    assert_ne!(&layers[0], &index.images()[0].manifest().layers()[0]);
    assert_valid(&prepared).await;
}

#[tokio::test]
async fn what_cannot_be_edited_is_refused_with_the_layer() {
    let store = Store::default();
    let mut writer = wharf_image::tar::Writer::new();
    let mut linked = Vec::new();
    for member in [
        Member::file("a", 0).unwrap(),
        Member::hard_link("b", "a").unwrap(),
    ] {
        linked.extend(writer.member(&member).unwrap());
        linked.extend_from_slice(writer.end_member().unwrap());
    }
    linked.extend_from_slice(writer.finish().unwrap());
    let base = Image::builder().files(&[("x", b"1")]).finish();
    store.add_image(&base).await;
    let on = |tar: Vec<u8>| Recipe::new().append(NewLayer::from_bytes(tar), History::default());
    let rows: [(Recipe, ErrorKind, &str); 4] = [
        (
            on(linked.clone()).members(|member| {
                if member.name() == b"a" {
                    MemberEdit::Drop
                } else {
                    MemberEdit::Keep
                }
            }),
            ErrorKind::Conflict,
            "hard link to a member that is dropped",
        ),
        (
            Recipe::new().members(|_| Member::file("other", 1).unwrap().into()),
            ErrorKind::Invalid,
            "changes the name",
        ),
        (
            Recipe::new().members(|member| Member::directory(member.name()).unwrap().into()),
            ErrorKind::Invalid,
            "changes the kind",
        ),
        (
            Recipe::new()
                .members(|member| Member::new(member.name(), Kind::File { size: 9 }).unwrap().into()),
            ErrorKind::Invalid,
            "changes the size",
        ),
    ];
    for (recipe, kind, part) in rows {
        let error = store.prepare(base.manifest(), &recipe).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let text = error.to_string();
        assert!(text.contains(part) && text.contains("layer "), "{text}");
    }
    let foreign = store
        .image(
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.oci.image.layer.nondistributable.v1.tar",
        )
        .await;
    let error = store.prepare(&foreign, &drop_named("a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let broken = store
        .image(
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.oci.image.layer.v1.tar",
        )
        .await;
    let error = store.prepare(&broken, &drop_named("a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let small = Options::default().with_max_unpacked(100);
    let error = store
        .prepare_with(base.manifest(), &drop_named("a"), &small)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
}
