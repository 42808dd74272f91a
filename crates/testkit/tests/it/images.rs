use wharf_content::Platform;
use wharf_reference::Algorithm;
use wharf_testkit::{Image, Index, RealImage, Sandbox, require_peers};

#[test]
fn umoci_and_skopeo_read_the_small_images() {
    require_peers!("skopeo", "umoci");
    let sandbox = Sandbox::new();
    let image = Image::small("one");
    image.write_layout(&sandbox.path("layout"), "v1");
    let layout = sandbox.path("layout").display().to_string();

    let listed = sandbox.umoci().run(&["list", "--layout", &layout]).ok();
    assert_eq!(listed.trim(), "v1");
    let inspected = sandbox
        .skopeo()
        .run(&["inspect", &format!("oci:{layout}:v1")])
        .json();
    assert_eq!(inspected["Digest"], image.manifest().digest().as_str());
    let directory = sandbox.path("copy").display().to_string();
    let copy = ["copy", &format!("oci:{layout}:v1"), &format!("dir:{directory}")];
    sandbox.skopeo().run(&copy).ok();
    let bundle = sandbox.path("bundle").display().to_string();
    sandbox
        .umoci()
        .run(&["unpack", "--image", &format!("{layout}:v1"), &bundle])
        .ok();
    let hostname = std::fs::read_to_string(sandbox.path("bundle/rootfs/etc/hostname")).unwrap();
    assert_eq!(hostname, "one");
}

#[test]
fn skopeo_copies_an_index_with_everything_in_it() {
    require_peers!("skopeo");
    let sandbox = Sandbox::new();
    let arm = Image::builder()
        .platform(Platform::new("linux", "arm64").with_variant("v8"))
        .files(&[("a", b"arm")])
        .finish();
    let index = Index::of(vec![Image::small("amd"), arm]);
    index.write_layout(&sandbox.path("layout"), "multi");
    let source = format!("oci:{}:multi", sandbox.path("layout").display());
    let target = format!("oci:{}:multi", sandbox.path("copy").display());
    sandbox.skopeo().run(&["copy", "--all", &source, &target]).ok();
    let raw = sandbox.skopeo().run(&["inspect", "--raw", &target]).ok();
    assert_eq!(raw.as_bytes(), index.manifest().bytes());
}

#[test]
fn images_are_the_same_every_time() {
    let make = || {
        Image::builder()
            .noise(7, 10_000)
            .docker()
            .annotation("a", "b")
            .finish()
    };
    assert_eq!(make().manifest(), make().manifest());
    let strong = Image::builder()
        .algorithm(Algorithm::Sha512)
        .plain_files(&[("x", b"y")])
        .finish();
    let digest = strong.manifest().layers()[0].digest();
    assert_eq!(digest.algorithm(), Algorithm::Sha512);
    assert!(strong.blob(digest).is_some());
}

#[test]
fn the_real_image_is_large_and_whole() {
    let image = RealImage::cached();
    assert!(image.size() >= 150_000_000, "{}", image.size());
    assert!(image.manifest().layers().len() >= 4);
    for descriptor in image.manifest().blobs() {
        let length = image.blob_path(descriptor.digest()).metadata().unwrap().len();
        assert_eq!(length, descriptor.size());
    }
}
