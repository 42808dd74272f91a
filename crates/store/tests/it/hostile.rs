//! Directories that somebody has prepared (threat row F1), and modes (F7).
#![cfg(unix)]

use std::os::unix::fs::{FileTypeExt as _, symlink};

use wharf_content::{Blob, Descriptor, ErrorKind, Sink as _, Source as _};
use wharf_store::{Collect, Layout, Options};
use wharf_testkit::Image;

use crate::support::{Scratch, blob, layer, name, push};

#[tokio::test]
async fn symlinks_are_never_followed() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let secret = layer("a file of the host");
    let outside = scratch.path("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join(secret.0.digest().encoded()), &secret.1).unwrap();
    let inside = scratch.blob_file(secret.0.digest());

    symlink(outside.join(secret.0.digest().encoded()), &inside).unwrap();
    assert!(!store.contains(&secret.0).await.unwrap());
    let read = store.blob(&secret.0).await.map(drop).unwrap_err();
    assert_eq!(read.kind(), ErrorKind::Unsupported);
    assert!(read.to_string().contains("is a symbolic link"), "{read}");
    let checked = store.check().await.unwrap();
    assert_eq!(checked.foreign, std::slice::from_ref(&inside));
    // What is pushed takes the symlink's place; its target is untouched.
    store.push_blob(blob(&secret)).await.unwrap();
    assert!(inside.symlink_metadata().unwrap().is_file());
    let collect = Collect::default().with_foreign_grace(std::time::Duration::ZERO);
    drop(store);
    scratch.store().await.collect(&collect).await.unwrap();
    assert!(outside.join(secret.0.digest().encoded()).exists());

    for replaced in ["blobs/sha256", "blobs", ".wharf", "index.json", "oci-layout"] {
        let path = scratch.path("store").join(replaced);
        let kept = scratch.path("kept");
        std::fs::rename(&path, &kept).unwrap();
        symlink(&kept, &path).unwrap();
        let store = Layout::open(scratch.path("store")).await;
        let pushed = match &store {
            Ok(store) => store.push_blob(blob(&layer("x"))).await,
            Err(_) => Ok(()),
        };
        let error = store.err().or_else(|| pushed.err()).expect(replaced);
        let expected = format!("{} is a symbolic link", path.display());
        assert!(error.to_string().starts_with(&expected), "{replaced}: {error}");
        std::fs::remove_file(&path).unwrap();
        std::fs::rename(&kept, &path).unwrap();
    }
}

#[tokio::test]
async fn a_path_that_can_never_be_is_refused() {
    let scratch = Scratch::new();
    symlink("/nonexistent/disk", scratch.path("unmounted")).unwrap();
    for path in ["unmounted", "unmounted/store", "unmounted/a/b/store"] {
        let error = Layout::create(scratch.path(path)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{path}: {error}");
        assert!(error.to_string().contains("unmounted"), "{path}: {error}");
    }
}

#[tokio::test]
async fn pipes_and_directories_are_no_blobs() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let content = layer("content");
    let path = scratch.blob_file(content.0.digest());
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    assert!(path.symlink_metadata().unwrap().file_type().is_fifo());
    assert!(!store.contains(&content.0).await.unwrap());
    assert!(store.blob(&content.0).await.is_err());
    store.push_blob(blob(&content)).await.unwrap();
    assert!(store.contains(&content.0).await.unwrap());

    let other = layer("other");
    let path = scratch.blob_file(other.0.digest());
    std::fs::create_dir(&path).unwrap();
    assert!(!store.contains(&other.0).await.unwrap());
    let error = store.push_blob(blob(&other)).await.unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert_eq!(store.check().await.unwrap().foreign, std::slice::from_ref(&path));
    // What was received is kept until the way is free.
    std::fs::remove_dir(&path).unwrap();
    store.push_blob(blob(&other)).await.unwrap();
    assert!(scratch.files(".wharf/ingest").is_empty());
}

/// An image may describe another image's layer with a wrong size; the layer is none the worse for it.
#[tokio::test]
async fn a_descriptor_that_lies_about_a_size_harms_no_blob() {
    let scratch = Scratch::new();
    let image = Image::small("x");
    push(&image, &scratch.store().await, "x").await;
    let (good, bytes) = &image.blobs()[1];
    let lie = Descriptor::new(good.media_type().clone(), good.digest().clone(), good.size() + 1).unwrap();
    let marked = scratch.blob_file(good.digest());
    for foreign in [false, true] {
        if foreign {
            // As another tool writes it, which nobody here has hashed yet.
            std::fs::remove_file(&marked).unwrap();
            std::fs::write(&marked, bytes).unwrap();
        }
        let store = scratch.store().await;
        assert!(!store.contains(&lie).await.unwrap());
        let read = store.blob(&lie).await.unwrap().read_to_end(u64::MAX).await;
        let kind = if foreign {
            ErrorKind::Corrupt
        } else {
            ErrorKind::Mismatch
        };
        assert_eq!(read.unwrap_err().kind(), kind);
        store
            .push_blob(Blob::from_bytes(lie.clone(), bytes.clone()).unwrap())
            .await
            .unwrap_err();
        assert!(store.contains(image.manifest().descriptor()).await.unwrap());
        assert!(scratch.store().await.check().await.unwrap().is_clean());
    }
}

#[tokio::test]
async fn giant_files_are_refused_without_being_read() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let image = Image::small("x");
    push(&image, &store, "x").await;
    let sparse = |path: std::path::PathBuf| {
        std::fs::remove_file(&path).unwrap();
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap();
    };
    let (config, _) = &image.blobs()[0];
    sparse(scratch.blob_file(config.digest()));
    let error = store
        .blob(config)
        .await
        .unwrap()
        .read_to_end(u64::MAX)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    sparse(scratch.blob_file(image.manifest().digest()));
    let error = store.manifest(&name("x").into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(!store.contains(image.manifest().descriptor()).await.unwrap());
    sparse(scratch.path("store/index.json"));
    let error = Layout::open(scratch.path("store")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("index.json"), "{error}");
}

#[cfg(not(wharf_portable_fs))]
#[tokio::test]
async fn modes_are_narrow() {
    use std::os::unix::fs::PermissionsExt as _;

    const AGAIN: &str = "WHARF_TEST_UMASK";
    if std::env::var_os(AGAIN).is_none() {
        // Once more where nothing narrows them but the store itself; the mask is the whole process's.
        let output = std::process::Command::new("sh")
            .args(["-c", "umask 0; exec \"$0\" --exact hostile::modes_are_narrow"])
            .arg(std::env::current_exe().unwrap())
            .env(AGAIN, "1")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
    let scratch = Scratch::new();
    let store = scratch.store().await;
    push(&Image::small("x"), &store, "x").await;
    let mode = |path: &str| {
        let metadata = std::fs::metadata(scratch.path(path)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    for private in [
        "store",
        "store/.wharf",
        "store/.wharf/ingest",
        "store/.wharf/leases",
    ] {
        assert_eq!(mode(private), 0o700, "{private}");
    }
    for public in ["store/index.json", "store/oci-layout", "store/blobs"] {
        assert_eq!(mode(public) & 0o022, 0, "{public}");
    }
    for file in scratch.files("blobs/sha256") {
        assert_eq!(mode(file.to_str().unwrap()), 0o444);
    }
    let open = Options::default().with_access_for_all(true);
    Layout::create_with(scratch.path("open"), open).await.unwrap();
    assert_eq!(mode("open") & 0o077 & !0o022, 0o055);
}

#[tokio::test]
async fn locks_can_be_done_without() {
    let scratch = Scratch::new();
    let store = scratch
        .store_with(Options::default().dangerous().without_locks())
        .await;
    push(&Image::small("x"), &store, "x").await;
    assert!(store.check().await.unwrap().is_clean());
    store.collect(&Collect::default()).await.unwrap();
}

/// Somebody swaps the directory that blobs are received in for a link to another, again and again.
#[cfg(not(wharf_portable_fs))]
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_swapped_meanwhile_leads_nowhere() {
    use std::sync::atomic::{AtomicBool, Ordering};

    let scratch = Scratch::new();
    let store = scratch.store().await;
    store.push_blob(blob(&layer("first"))).await.unwrap();
    let outside = scratch.path("outside");
    std::fs::create_dir(&outside).unwrap();
    let (ingest, kept) = (scratch.path("store/.wharf/ingest"), scratch.path("kept"));
    let done = AtomicBool::new(false);
    let (mut stored, mut refused) = (0, 0);
    let runtime = tokio::runtime::Handle::current();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if std::fs::rename(&ingest, &kept).is_err() {
                    continue;
                }
                let _ = symlink(&outside, &ingest); // unless the store has made another meanwhile
                std::thread::yield_now();
                let _ = std::fs::remove_file(&ingest);
                if std::fs::rename(&kept, &ingest).is_err() {
                    std::fs::remove_dir_all(&kept).unwrap();
                }
                std::thread::yield_now();
            }
        });
        for number in 0..300_u32 {
            let content = layer(vec![0; 100 + usize::try_from(number).unwrap()]);
            match tokio::task::block_in_place(|| runtime.block_on(store.push_blob(blob(&content)))) {
                Ok(()) => stored += 1,
                Err(_) => refused += 1,
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(stored + refused, 300);
    assert!(stored > 0);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    assert!(store.check().await.unwrap().is_clean());
}

/// Read by somebody who may not write: it is read, and refuses with a reason to be written to.
#[tokio::test]
async fn a_store_that_may_only_be_read_is_read() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt};

    const PATH: &str = "WHARF_TEST_READ_ONLY";
    let image = Image::small("x");
    if let Some(path) = std::env::var_os(PATH) {
        let store = Layout::open(path).await.unwrap();
        let manifest = store.manifest(&name("x").into()).await.unwrap();
        assert_eq!(manifest, *image.manifest());
        for (descriptor, bytes) in image.blobs() {
            let read = store.blob(descriptor).await.unwrap().read_to_end(u64::MAX).await;
            assert_eq!(read.unwrap(), bytes);
        }
        assert!(store.check().await.unwrap().is_clean());
        for error in [
            store.push_blob(blob(&layer("more"))).await.unwrap_err(),
            store
                .tag(&name("y"), image.manifest().descriptor())
                .await
                .unwrap_err(),
            store.collect(&Collect::default()).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
            assert!(error.to_string().contains("check its owner and mode"), "{error}");
        }
        return;
    }
    let scratch = Scratch::new();
    let store = scratch
        .store_with(Options::default().with_access_for_all(true))
        .await;
    push(&image, &store, "x").await;
    drop(store);
    let program = scratch.path("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let allow = |path: &str, mode: u32| {
        std::fs::set_permissions(scratch.path(path), PermissionsExt::from_mode(mode)).unwrap();
    };
    allow("", 0o755);
    allow("program", 0o755);
    let private = [
        ("store", 0o555),
        ("store/.wharf", 0o000),
        ("store/blobs", 0o555),
        ("store/blobs/sha256", 0o555),
    ];
    for (path, mode) in private {
        allow(path, mode);
    }
    let mut command = if std::fs::metadata(scratch.path("store")).unwrap().uid() == 0 {
        // The modes do not bind root.
        let mut command = std::process::Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&program);
        command
    } else {
        std::process::Command::new(&program)
    };
    let output = command
        .args(["--exact", "hostile::a_store_that_may_only_be_read_is_read"])
        .env(PATH, scratch.path("store"))
        .output()
        .unwrap();
    for (path, _) in private {
        allow(path, 0o700);
    }
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
