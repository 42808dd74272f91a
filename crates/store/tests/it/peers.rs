//! Other tools read what is written here, and theirs is read and left as it was.

use wharf_content::{Sink as _, Source as _, Target};
use wharf_store::Layout;
use wharf_testkit::{Image, Sandbox, require_peers};

use crate::{
    foreign::{entry, state, write},
    support::{name, push},
};

#[tokio::test]
async fn skopeo_umoci_and_podman_read_a_layout() {
    require_peers!("skopeo", "umoci", "podman");
    let sandbox = Sandbox::new();
    let path = |name: &str| sandbox.path(name).to_str().unwrap().to_owned();
    let store = Layout::create(path("store")).await.unwrap();
    let image = Image::small("peers");
    push(&image, &store, "example.com/app:1").await;
    store
        .tag(&name("second"), image.manifest().descriptor())
        .await
        .unwrap();
    let digest = image.manifest().digest().as_str();
    let reference = |name: &str| format!("oci:{}:{name}", path("store"));

    for image_name in ["example.com/app:1", "second"] {
        let inspected = sandbox.skopeo().run(&["inspect", &reference(image_name)]).json();
        assert_eq!(inspected["Digest"], digest);
    }
    let copy = format!("oci:{}:x", path("copied"));
    sandbox
        .skopeo()
        .run(&["copy", "--preserve-digests", &reference("second"), &copy])
        .ok();
    let copied = Layout::open(path("copied")).await.unwrap();
    for (descriptor, _) in image.blobs() {
        assert!(copied.contains(descriptor).await.unwrap());
    }

    let listed = sandbox.umoci().run(&["ls", "--layout", &path("store")]).ok();
    assert!(listed.contains("second"), "{listed}");
    let stat = format!("{}:second", path("store"));
    sandbox.umoci().run(&["stat", "--image", &stat, "--json"]).json();

    // podman makes an image name of the path, and names are lowercase.
    let lower = format!("/tmp/wharf-peers-{}", std::process::id());
    std::fs::rename(path("store"), &lower).unwrap();
    let pulled = sandbox
        .podman()
        .run(&["pull", "--quiet", &format!("oci:{lower}:second")]);
    std::fs::rename(&lower, path("store")).unwrap();
    pulled.ok();
    let images = sandbox.podman().run(&["images", "--digests"]).ok();
    assert!(images.contains(digest), "{images}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_tools_read_while_the_store_is_written() {
    require_peers!("skopeo", "umoci");
    let sandbox = Sandbox::new();
    let path = sandbox.path("store");
    let store = Layout::create(&path).await.unwrap();
    push(&Image::small("first"), &store, "first").await;
    let writing = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 0..1000_u32 {
                let image = Image::small(&number.to_string());
                push(&image, &store, &format!("image:{}", number % 7)).await;
                tokio::task::yield_now().await;
            }
        }
    });
    let reference = format!("oci:{}:first", path.to_str().unwrap());
    let mut reads = 0;
    while reads < 8 {
        sandbox.skopeo().run_async(&["inspect", &reference]).await.json();
        let listed = sandbox
            .umoci()
            .run_async(&["ls", "--layout", path.to_str().unwrap()])
            .await;
        assert!(listed.ok().contains("first"));
        reads += 1;
    }
    writing.abort();
    let _ = writing.await;
    assert!(store.check().await.unwrap().is_clean());
}

/// What other tools write is read and left as it was.
#[tokio::test]
async fn layouts_of_skopeo_umoci_and_podman_are_read_and_left_as_they_were() {
    require_peers!("skopeo", "umoci", "podman");
    let sandbox = Sandbox::new();
    let text = |name: &str| sandbox.path(name).to_str().unwrap().to_owned();
    let image = Image::small("theirs");
    image.write_layout(&sandbox.path("source"), "v1");
    let from = format!("oci:{}:v1", text("source"));
    sandbox
        .skopeo()
        .run(&["copy", &from, &format!("oci:{}:v1", text("skopeo"))])
        .ok();
    sandbox.umoci().run(&["init", "--layout", &text("umoci")]).ok();
    sandbox
        .skopeo()
        .run(&["copy", &from, &format!("oci:{}:v1", text("umoci"))])
        .ok();
    let tagged = format!("{}:v1", text("umoci"));
    sandbox.umoci().run(&["tag", "--image", &tagged, "v2"]).ok();
    // podman makes an image name of the path, and names are lowercase.
    let lower = format!("/tmp/wharf-peers-read-{}", std::process::id());
    std::fs::rename(text("source"), &lower).unwrap();
    let pulled = sandbox
        .podman()
        .run(&["pull", "--quiet", &format!("oci:{lower}:v1")]);
    std::fs::rename(&lower, text("source")).unwrap();
    let id = pulled.ok().trim().to_owned();
    sandbox
        .podman()
        .run(&[
            "save",
            "--quiet",
            "--format",
            "oci-dir",
            "--output",
            &text("podman"),
            &id,
        ])
        .ok();

    for (tool, images) in [("skopeo", 1), ("umoci", 2), ("podman", 1)] {
        let path = sandbox.path(tool);
        let before = state(&path);
        let store = Layout::open(&path).await.unwrap();
        let listed = store.images().await.unwrap();
        assert_eq!(listed.len(), images, "{tool}");
        for position in 0..images {
            let found = store.image_at(position).await.unwrap();
            let target = Target::Digest(found.descriptor().digest().clone());
            let manifest = store.manifest(&target).await.unwrap();
            for blob in manifest.blobs() {
                let blob = store.blob(blob).await.unwrap();
                blob.read_to_end(u64::MAX).await.unwrap();
            }
        }
        assert!(store.check().await.unwrap().is_clean(), "{tool}");
        drop(store);
        assert!(before == state(&path), "{tool}");
    }
}

/// A name that moves in what `docker save` has written is one for other tools, too.
#[tokio::test]
async fn other_tools_read_a_saved_layout_in_which_a_name_has_moved() {
    require_peers!("skopeo", "umoci");
    let sandbox = Sandbox::new();
    let path = sandbox.path("saved");
    let images = ["a", "b"].map(Image::small);
    let entries = images.each_ref().map(|image| {
        let full = format!("docker.io/library/{}:latest", image.manifest().digest().encoded());
        let annotations =
            format!(r#""io.containerd.image.name":"{full}","org.opencontainers.image.ref.name":"latest""#);
        entry(image, &annotations)
    });
    write(&path, &images.each_ref(), &entries);
    let store = Layout::open(&path).await.unwrap();
    let moved = Image::small("moved");
    push(&moved, &store, "latest").await;
    let reference = format!("oci:{}:latest", path.to_str().unwrap());
    let inspected = sandbox.skopeo().run(&["inspect", &reference]).json();
    assert_eq!(inspected["Digest"], moved.manifest().digest().as_str());
    let listed = sandbox
        .umoci()
        .run(&["ls", "--layout", path.to_str().unwrap()])
        .ok();
    assert_eq!(listed.trim(), "latest");
    // Skopeo writes beside what stayed, in place.
    let to = format!("oci:{}:theirs", path.to_str().unwrap());
    let from = format!("oci:{}:v1", sandbox.path("source").to_str().unwrap());
    Image::small("other").write_layout(&sandbox.path("source"), "v1");
    sandbox.skopeo().run(&["copy", &from, &to]).ok();
    for image in &images {
        let full = format!("docker.io/library/{}:latest", image.manifest().digest().encoded());
        let found = store.resolve(&name(&full).into()).await.unwrap();
        assert_eq!(found.digest(), image.manifest().digest());
    }
    store.resolve(&name("theirs").into()).await.unwrap();
}
