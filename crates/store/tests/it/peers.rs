//! Other tools read what is written here.

use wharf_content::Sink as _;
use wharf_store::Layout;
use wharf_testkit::{Image, Sandbox, require_peers};

use crate::support::{name, push};

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
