//! Layouts that other tools have written: read as they are, and left as they were.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use wharf_content::{ErrorKind, Name, Sink as _, Source, Target};
use wharf_store::{Collect, Layout, LayoutProblem, Options};
use wharf_testkit::Image;

use crate::support::{Scratch, blob, layer, name, push};

const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Writes a layout as other tools do, with these entries; the first image has the blobs of all.
pub(crate) fn write(path: &Path, images: &[&Image], entries: &[String]) {
    fs::create_dir_all(path.join("blobs/sha256")).unwrap();
    for image in images {
        let manifest = (
            image.manifest().descriptor().clone(),
            image.manifest().bytes().clone(),
        );
        for (descriptor, bytes) in image.blobs().iter().chain([&manifest]) {
            fs::write(
                path.join("blobs/sha256").join(descriptor.digest().encoded()),
                bytes,
            )
            .unwrap();
        }
    }
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
    fs::write(path.join("index.json"), index).unwrap();
    fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

pub(crate) fn entry(image: &Image, annotations: &str) -> String {
    let manifest = image.manifest();
    format!(
        r#"{{"mediaType":"{}","digest":"{}","size":{},"annotations":{{{annotations}}}}}"#,
        manifest.media_type(),
        manifest.digest(),
        manifest.bytes().len()
    )
}

pub(crate) fn named(image: &Image, name: &str) -> String {
    entry(image, &format!(r#""{REF_NAME}":"{name}""#))
}

pub(crate) async fn read_all(store: &Layout, image: &Image, as_name: &str) {
    let manifest = store.manifest(&name(as_name).into()).await.unwrap();
    assert_eq!(manifest, *image.manifest());
    for (descriptor, bytes) in image.blobs() {
        let blob = store.blob(descriptor).await.unwrap();
        assert_eq!(blob.read_to_end(u64::MAX).await.unwrap(), bytes);
    }
}

/// All files below a directory: their bytes, times and, where there are any, modes.
pub(crate) fn state(directory: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime, bool, u32)> {
    let mut state = BTreeMap::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        #[cfg(unix)]
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
        #[cfg(not(unix))]
        let mode = 0;
        let mut bytes = Vec::new();
        if metadata.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if metadata.is_file() {
            bytes = fs::read(&path).unwrap();
        }
        let seen = (
            bytes,
            metadata.modified().unwrap(),
            metadata.permissions().readonly(),
            mode,
        );
        state.insert(path, seen);
    }
    state
}

#[tokio::test]
async fn what_is_read_stays_as_it_was() {
    let scratch = Scratch::new();
    let [whole, corrupt] = ["whole", "corrupt"].map(Image::small);
    let path = scratch.path("theirs");
    write(
        &path,
        &[&whole, &corrupt],
        &[named(&whole, "v1"), named(&corrupt, "v2"), "null".to_owned()],
    );
    let config = corrupt.manifest().config().unwrap();
    let file = path.join("blobs/sha256").join(config.digest().encoded());
    fs::write(file, vec![0; usize::try_from(config.size()).unwrap()]).unwrap();
    let before = state(&path);

    let store = Layout::open(&path).await.unwrap();
    read_all(&store, &whole, "v1").await;
    let read = store.blob(config).await.unwrap().read_to_end(u64::MAX).await;
    let error = read.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(store.images().await.unwrap().len(), 2);
    store.image_at(1).await.unwrap();
    store
        .resolve(&Target::Digest(whole.manifest().digest().clone()))
        .await
        .unwrap();
    let referrers = store.referrers(whole.manifest().digest()).await;
    assert!(referrers.unwrap().is_empty()); // a corrupt blob is none
    store.check().await.unwrap();
    store.manifest(&name("v9").into()).await.unwrap_err();

    // A copy takes nothing from it but its bytes.
    let ours = scratch.store().await;
    for (descriptor, _) in whole.blobs() {
        if !ours.mount(descriptor, &Source::location(&store)).await.unwrap() {
            ours.push_blob(store.blob(descriptor).await.unwrap())
                .await
                .unwrap();
        }
    }
    ours.push_manifest(whole.manifest(), Some(&name("copied")))
        .await
        .unwrap();
    drop((store, ours));
    let after = state(&path);
    assert!(before == after, "{:?}", after.keys());
    // What was copied is a file of its own.
    let theirs = path
        .join("blobs/sha256")
        .join(whole.manifest().layers()[0].digest().encoded());
    fs::write(&theirs, "changed").unwrap();
    read_all(&scratch.store().await, &whole, "copied").await;
}

/// Blobs that have names elsewhere, as a build tool's outputs have, are written beside and not changed.
#[cfg(unix)]
#[tokio::test]
async fn files_with_names_elsewhere_keep_mode_and_time() {
    let scratch = Scratch::new();
    let image = Image::small("x");
    let path = scratch.path("store");
    write(&path, &[&image], &[named(&image, "v1")]);
    fs::create_dir(scratch.path("outputs")).unwrap();
    for file in scratch.files("blobs/sha256") {
        fs::hard_link(&file, scratch.path("outputs").join(file.file_name().unwrap())).unwrap();
    }
    let before = state(&scratch.path("outputs"));
    let store = scratch.store().await;
    assert!(store.contains(image.manifest().descriptor()).await.unwrap());
    store
        .tag(&name("v2"), image.manifest().descriptor())
        .await
        .unwrap();
    push(&Image::small("y"), &store, "v3").await;
    assert!(before == state(&scratch.path("outputs")));
    read_all(&store, &image, "v2").await;
}

#[tokio::test]
async fn one_odd_entry_hurts_itself_alone() {
    let image = Image::small("x");
    let digest = image.manifest().digest();
    let kept = layer("named by an odd entry");
    let odd_entries = [
        "null".to_owned(),
        "7".to_owned(),
        r#"[["nested"],{}]"#.to_owned(),
        r#"{"mediaType":"application/x","digest":"sha256:00","size":1}"#.to_owned(),
        r#"{"mediaType":"application/x","digest":null,"size":1,"annotations":{"x":null}}"#.to_owned(),
        format!(
            r#"{{"mediaType":"application/x","digest":"{}","size":null}}"#,
            kept.0.digest()
        ),
        format!(r#"{{"mediaType":{{"x":1}},"digest":"{digest}","size":1}}"#),
        format!(
            r#"{{"digest":"sha256:{}","size":2}}"#,
            kept.0.digest().encoded().to_uppercase()
        ),
        format!(r#"{{"manifests":[{{"digest":"{}"}}]}}"#, kept.0.digest()),
    ];
    for odd in odd_entries {
        let scratch = Scratch::new();
        write(
            &scratch.path("store"),
            &[&image],
            &[odd.clone(), named(&image, "v1")],
        );
        fs::write(scratch.blob_file(kept.0.digest()), &kept.1).unwrap();
        let store = scratch.store().await;
        read_all(&store, &image, "v1").await;
        assert_eq!(store.images().await.unwrap()[0].position(), 1, "{odd}");
        assert_eq!(
            store.image_at(0).await.unwrap_err().kind(),
            ErrorKind::Invalid,
            "{odd}"
        );
        push(&Image::small("y"), &store, "v2").await;
        assert!(store.untag(&name("v1")).await.unwrap());
        let index = fs::read_to_string(scratch.path("store/index.json")).unwrap();
        assert!(index.contains(&odd), "{odd}: {index}");
        let problems = store.check().await.unwrap().problems;
        assert!(
            matches!(&*problems, [LayoutProblem::Entry { position: 0, .. }]),
            "{odd}: {problems:?}"
        );
        drop(store);
        // A collection takes nothing that it names.
        let now = Collect::default().with_foreign_grace(std::time::Duration::ZERO);
        scratch.store().await.collect(&now).await.unwrap();
        let is_named = odd.to_lowercase().contains(kept.0.digest().encoded());
        assert_eq!(scratch.blob_file(kept.0.digest()).exists(), is_named, "{odd}");
    }
}

#[tokio::test]
async fn images_without_a_usable_name_are_found_by_number_and_digest() {
    let scratch = Scratch::new();
    let images = ["a", "b", "c", "d"].map(Image::small);
    let [a, b, c, d] = &images;
    let saved = |image: &Image, full: &str| {
        entry(
            image,
            &format!(r#""io.containerd.image.name":"{full}","{REF_NAME}":"latest""#),
        )
    };
    let entries = [
        saved(a, "docker.io/library/a:latest"),
        saved(b, "docker.io/library/b:latest"),
        entry(c, ""),
        named(d, "not a name: d\u{fc}"),
    ];
    write(&scratch.path("store"), &[a, b, c, d], &entries);
    let store = scratch.store().await;
    read_all(&store, a, "docker.io/library/a:latest").await;
    read_all(&store, b, "b").await;
    let error = store.resolve(&name("latest").into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous);
    let listed = store.images().await.unwrap();
    for (position, image) in images.iter().enumerate() {
        let found = store.image_at(position).await.unwrap();
        assert_eq!(found.descriptor().digest(), image.manifest().digest());
        assert_eq!(found, listed[position]);
        let by_digest = store
            .manifest(&Target::Digest(image.manifest().digest().clone()))
            .await;
        assert_eq!(by_digest.unwrap(), *image.manifest());
    }
    let names: Vec<Option<&str>> = listed
        .iter()
        .map(|image| image.name().map(Name::as_str))
        .collect();
    let [full_a, full_b] = ["docker.io/library/a:latest", "docker.io/library/b:latest"];
    assert_eq!(names, [Some(full_a), Some(full_b), None, None]);
    let error = store.image_at(4).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("4 entries"), "{error}");
    let error = store.resolve(&name("nothing").into()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(&format!("it has {full_a}, {full_b}, @2, not a name: d\u{fc}")),
        "{error}"
    );
}

/// Skopeo writes index.json in place: for a moment it is empty, then cut short.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_being_written_is_read_again() {
    let scratch = Scratch::new();
    let image = Image::small("x");
    let path = scratch.path("store");
    write(&path, &[&image], &[named(&image, "v1")]);
    let whole = fs::read(path.join("index.json")).unwrap();
    for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(path.join("index.json"), &whole[..cut]).unwrap();
        let reading = tokio::spawn({
            let path = path.clone();
            async move { Layout::open(path).await.map(drop) }
        });
        fs::write(path.join("index.json"), &whole).unwrap();
        reading.await.unwrap().unwrap();
    }
    // What stays cut short is corrupt.
    fs::write(path.join("index.json"), &whole[..20]).unwrap();
    assert_eq!(Layout::open(&path).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn the_limit_of_names_says_what_to_do() {
    let scratch = Scratch::new();
    let image = Image::small("x");
    let path = scratch.path("store");
    write(&path, &[&image], &[]);
    let index = fs::File::options()
        .write(true)
        .open(path.join("index.json"))
        .unwrap();
    index.set_len((128 << 20) + 1).unwrap();
    let error = Layout::open(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let text = error.to_string();
    assert!(
        text.contains("remove names") && text.contains("several layouts"),
        "{text}"
    );
}

#[tokio::test]
async fn a_directory_of_blobs_of_others_is_only_read() {
    let scratch = Scratch::new();
    let image = Image::small("x");
    write(&scratch.path("theirs"), &[&image], &[named(&image, "v1")]);
    fs::rename(scratch.path("theirs/blobs"), scratch.path("shared")).unwrap();
    let before = (state(&scratch.path("theirs")), state(&scratch.path("shared")));
    let options = Options::default().with_shared_blobs(scratch.path("shared"));
    let store = Layout::open_with(scratch.path("theirs"), options).await.unwrap();
    read_all(&store, &image, "v1").await;
    drop(store);
    assert!(before == (state(&scratch.path("theirs")), state(&scratch.path("shared"))));
}

#[tokio::test]
async fn a_layout_that_is_read_first_and_written_to_then_is_leased() {
    let scratch = Scratch::new();
    let image = Image::small("x");
    write(&scratch.path("store"), &[&image], &[named(&image, "v1")]);
    let reader = scratch.store().await;
    read_all(&reader, &image, "v1").await;
    // Now somebody writes, unnames and collects; the reader goes on, and relies on what it has read from
    // here on.
    push(&Image::small("y"), &scratch.store().await, "v2").await;
    reader.push_blob(blob(&layer("more"))).await.unwrap();
    let writer = scratch.store().await;
    assert!(writer.remove(&name("v1").into()).await.unwrap());
    let now = Collect::default().with_foreign_grace(std::time::Duration::ZERO);
    writer.collect(&now).await.unwrap();
    let by_digest = Target::Digest(image.manifest().digest().clone());
    assert_eq!(reader.manifest(&by_digest).await.unwrap(), *image.manifest());
}
