//! Damage is found, set aside, healed by the next pull, and never served.

use wharf_content::{ErrorKind, Sink as _, Source as _, Target};
use wharf_reference::Digest;
use wharf_store::{Durability, LayoutProblem, Options, Verify};
use wharf_testkit::Image;

use crate::support::{Scratch, blob, layer, name, push};

/// Ways in which a file goes bad.
fn spoil(scratch: &Scratch, digest: &Digest, how: &str) {
    let path = scratch.blob_file(digest);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    match how {
        "flipped" => {
            std::fs::write(&path, &bytes).unwrap();
            scratch.damage(digest);
        }
        "empty" => std::fs::write(&path, "").unwrap(),
        "short" => std::fs::write(&path, bytes.split_last().unwrap().1).unwrap(),
        "long" => std::fs::write(&path, [&bytes[..], b"x"].concat()).unwrap(),
        "zeros" => std::fs::write(&path, vec![0; bytes.len()]).unwrap(),
        "gone" => {}
        _ => unreachable!("{how}"),
    }
}

#[tokio::test]
async fn a_corrupt_manifest_hides_no_referrer_but_itself() {
    for how in ["flipped", "empty", "short", "long", "zeros", "gone"] {
        let scratch = Scratch::new();
        let store = scratch.store().await;
        let subject = Image::small("subject");
        let refer = |text: &str| {
            let image = Image::builder().annotation("is", text);
            image.subject(subject.manifest().descriptor()).finish()
        };
        let [whole, spoiled] = ["whole", "spoiled"].map(refer);
        for image in [&subject, &whole, &spoiled] {
            push(image, &store, "x").await;
        }
        let config = subject.manifest().config().unwrap().digest();
        for digest in [spoiled.manifest().digest(), config] {
            spoil(&scratch, digest, how);
        }
        let found = scratch.store().await.referrers(subject.manifest().digest()).await;
        let found = found.unwrap_or_else(|error| panic!("{how}: {error}"));
        let digests = found.iter().map(wharf_content::Descriptor::digest);
        assert_eq!(digests.collect::<Vec<_>>(), [whole.manifest().digest()], "{how}");
    }
}

#[tokio::test]
async fn every_kind_of_corruption_of_every_file_is_found_and_healed() {
    let image = Image::small("x");
    let mut files: Vec<Digest> = image
        .blobs()
        .iter()
        .map(|(descriptor, _)| descriptor.digest().clone())
        .collect();
    files.push(image.manifest().digest().clone());
    let mut tried = 0;
    for how in ["flipped", "empty", "short", "long", "zeros", "gone"] {
        for digest in &files {
            for reopened in [true, false] {
                let scratch = Scratch::new();
                let mut store = scratch.store().await;
                push(&image, &store, "x").await;
                spoil(&scratch, digest, how);
                if reopened {
                    store = scratch.store().await;
                }
                let found = store.check().await.unwrap();
                assert!(!found.is_clean(), "{how}");
                assert!(
                    !store.contains(image.manifest().descriptor()).await.unwrap(),
                    "{how}"
                );
                let served = read_all(&store, &image).await;
                assert!(served.is_err(), "{how}: {digest}");
                // The next pull asks what is there, and sends the rest.
                push(&image, &store, "x").await;
                assert!(store.check().await.unwrap().is_clean(), "{how}");
                read_all(&store, &image).await.unwrap();
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 48);
}

async fn read_all(store: &wharf_store::Layout, image: &Image) -> Result<(), wharf_content::Error> {
    let manifest = store.manifest(&name("x").into()).await?;
    assert_eq!(manifest, *image.manifest());
    for (descriptor, expected) in image.blobs() {
        let bytes = store.blob(descriptor).await?.read_to_end(u64::MAX).await?;
        assert_eq!(bytes, expected);
    }
    Ok(())
}

#[tokio::test]
async fn a_reader_sets_corrupt_content_aside() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let content = layer(vec![5; 700_000]);
    store.push_blob(blob(&content)).await.unwrap();
    let read = || async { store.blob(&content.0).await?.read_to_end(u64::MAX).await };
    read().await.unwrap();
    scratch.damage(content.0.digest());
    let error = read().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("pull the image again"), "{error}");
    assert_eq!(read().await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(scratch.files(".wharf/corrupt").len(), 1);
}

#[tokio::test]
async fn repair_takes_corrupt_content_out() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let image = Image::small("x");
    push(&image, &store, "x").await;
    let layer = image.manifest().layers()[0].digest().clone();
    scratch.damage(&layer);
    let corrupt = |removed| LayoutProblem::Corrupt {
        digest: layer.clone(),
        removed,
    };
    assert_eq!(store.check().await.unwrap().problems, [corrupt(false)]);
    assert_eq!(store.repair().await.unwrap().problems, [corrupt(true)]);
    let missing = LayoutProblem::Missing {
        digest: layer.clone(),
        needed_by: image.manifest().digest().clone(),
    };
    assert_eq!(store.check().await.unwrap().problems, [missing]);
}

#[tokio::test]
async fn every_read_is_hashed_on_request() {
    let scratch = Scratch::new();
    let store = scratch
        .store_with(Options::default().with_verify(Verify::Always))
        .await;
    let content = layer(vec![9; 300_000]);
    store.push_blob(blob(&content)).await.unwrap();
    for _ in 0..2 {
        store
            .blob(&content.0)
            .await
            .unwrap()
            .read_to_end(u64::MAX)
            .await
            .unwrap();
    }
}

/// For a receiver that verifies them, unless every read is to be hashed. What the receiver then refuses is found here.
#[tokio::test]
async fn bytes_are_read_without_hashing_for_a_receiver_that_verifies_them() {
    let scratch = Scratch::new();
    let content = layer(vec![9; 300_000]);
    scratch.store().await.push_blob(blob(&content)).await.unwrap();
    spoil(&scratch, content.0.digest(), "flipped");
    let always = Options::default().with_verify(Verify::Always);
    let store = scratch.store_with(always).await;
    assert!(store.blob(&content.0).await.unwrap().unverified().is_none());
    let store = scratch.store().await;
    let stored = store.blob(&content.0).await.unwrap();
    for _ in 0..2 {
        let mut unverified = stored.unverified().unwrap();
        let mut length = 0;
        while let Some(chunk) = unverified.next().await {
            length += chunk.unwrap().len();
        }
        assert_eq!(length, 300_000);
    }
    let error = stored.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[tokio::test]
async fn what_was_not_synced_is_hashed_before_it_counts() {
    let scratch = Scratch::new();
    let fast = Options::default().with_durability(Durability::Fast);
    let image = Image::small("x");
    push(&image, &scratch.store_with(fast.clone()).await, "x").await;
    // What a power failure makes of a file that was not synced: it has its time and size, but no bytes.
    let digest = image.manifest().layers()[0].digest();
    let path = scratch.blob_file(digest);
    let metadata = std::fs::metadata(&path).unwrap();
    let file = std::fs::File::options().write(true).open(&path);
    let file = file.or_else(|_| {
        let bytes = std::fs::read(&path)?;
        std::fs::remove_file(&path)?;
        std::fs::write(&path, bytes)?;
        std::fs::File::options().write(true).open(&path)
    });
    let file = file.unwrap();
    file.set_len(0).unwrap();
    file.set_len(metadata.len()).unwrap();
    file.set_modified(metadata.modified().unwrap()).unwrap();
    drop(file);
    let target = Target::Digest(image.manifest().digest().clone());
    for options in [fast.clone(), Options::default()] {
        let store = scratch.store_with(options).await;
        assert!(!store.contains(image.manifest().descriptor()).await.unwrap());
    }
    // Or it has its time alone.
    push(&image, &scratch.store_with(fast.clone()).await, "x").await;
    let marked = std::fs::metadata(&path).unwrap().modified().unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::File::create(&path)
        .unwrap()
        .set_modified(marked)
        .unwrap();
    let store = scratch.store_with(fast).await;
    let read = store.blob(&image.manifest().layers()[0]).await.unwrap();
    assert_eq!(
        read.read_to_end(u64::MAX).await.unwrap_err().kind(),
        ErrorKind::Corrupt
    );
    assert!(scratch.store().await.manifest(&target).await.is_ok());
}

#[tokio::test]
async fn parts_are_verified_too() {
    let scratch = Scratch::new();
    let content = layer(wharf_testkit::noise(1, 900_000));
    scratch.store().await.push_blob(blob(&content)).await.unwrap();
    let part = |store: wharf_store::Layout| {
        let (descriptor, bytes) = content.clone();
        async move {
            let mut hasher = wharf_content::Hasher::new(descriptor.digest().algorithm()).unwrap();
            hasher.update(&bytes.slice(..500_000));
            let mut rest = store.blob(&descriptor).await?.resume(hasher).unwrap();
            let chunk = rest.next().await.unwrap()?;
            assert_eq!(chunk, bytes.slice(500_000..500_000 + chunk.len()));
            Ok::<(), wharf_content::Error>(())
        }
    };
    let store = scratch.store().await;
    part(store.clone()).await.unwrap();
    part(store.clone()).await.unwrap();
    // The damage is far from the part that is asked for.
    scratch.damage(content.0.digest());
    assert_eq!(part(store).await.unwrap_err().kind(), ErrorKind::Corrupt);
    let gone = part(scratch.store().await).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}
