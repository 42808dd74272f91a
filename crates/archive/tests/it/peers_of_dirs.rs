//! Skopeo's directories are ours, byte for byte.

use std::{path::Path, process::Command, sync::Arc};

use wharf_archive::Dir;
use wharf_content::{MediaType, Name, Platform, Target};
use wharf_copy::{Options, Selection, copy};
use wharf_store::Layout;
use wharf_testkit::{Image, Index, Sandbox, require_peers};

/// The name of the image in each layout.
const NAME: &str = "v1";

fn write_sources(sandbox: &Sandbox) -> [&'static str; 4] {
    let arm = Image::builder()
        .platform(Platform::new("linux", "arm64"))
        .noise(1, 3000)
        .finish();
    let image = Image::builder()
        .files(&[("etc/motd", b"hello")])
        .plain_files(&[("plain", b"tar")])
        .noise(2, 3_000_000);
    image.finish().write_layout(&sandbox.path("image"), NAME);
    Index::of(vec![Image::small("amd"), arm]).write_layout(&sandbox.path("list"), NAME);
    let artifact = Image::builder()
        .artifact_type(MediaType::parse("application/x-chart").unwrap())
        .noise(4, 500);
    artifact.finish().write_layout(&sandbox.path("artifact"), NAME);
    Image::builder()
        .noise(5, 10)
        .annotation("key", "value")
        .finish()
        .write_layout(&sandbox.path("annotated"), NAME);
    ["image", "list", "artifact", "annotated"]
}

async fn to_dir(from: &Path, to: &Path) {
    let source = Layout::open(from).await.unwrap();
    let sink = Arc::new(Dir::create(to).await.unwrap());
    let target = Target::Name(Name::parse(NAME).unwrap());
    let options = Options::from(Selection::All).without_name();
    copy(Arc::new(source), Arc::clone(&sink) as _, &target, options)
        .await
        .unwrap();
    sink.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn our_directory_equals_skopeos() {
    require_peers!("skopeo", "diff");
    let sandbox = Sandbox::new();
    for source in write_sources(&sandbox) {
        let text = |suffix: &str| {
            sandbox
                .path(format!("{source}{suffix}"))
                .to_str()
                .unwrap()
                .to_owned()
        };
        let (from, theirs) = (
            format!("oci:{}:{NAME}", text("")),
            format!("dir:{}", text("-theirs")),
        );
        sandbox.skopeo().run(&["copy", "--all", &from, &theirs]).ok();
        to_dir(&sandbox.path(source), &sandbox.path(format!("{source}-ours"))).await;
        let difference = Command::new("diff")
            .args(["-r", &text("-theirs"), &text("-ours")])
            .output()
            .unwrap();
        assert!(
            difference.status.success() && difference.stdout.is_empty(),
            "{source}: {difference:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_reads_our_directory_and_we_read_skopeos() {
    require_peers!("skopeo");
    let sandbox = Sandbox::new();
    for source in write_sources(&sandbox) {
        let text = |suffix: &str| {
            sandbox
                .path(format!("{source}{suffix}"))
                .to_str()
                .unwrap()
                .to_owned()
        };
        to_dir(&sandbox.path(source), &sandbox.path(format!("{source}-ours"))).await;
        let (ours, back) = (format!("dir:{}", text("-ours")), format!("dir:{}", text("-back")));
        sandbox.skopeo().run(&["copy", "--all", &ours, &back]).ok();

        let dir = Dir::open(sandbox.path(format!("{source}-back"))).await.unwrap();
        let target = Target::from(dir.root().digest());
        let store = Layout::create(sandbox.path(format!("{source}-store")))
            .await
            .unwrap();
        let options = Options::from(Selection::All).with_name(Name::parse(NAME).unwrap());
        copy(Arc::new(dir), Arc::new(store.clone()), &target, options)
            .await
            .unwrap();
        assert!(store.check().await.unwrap().is_clean());
        let original = Layout::open(sandbox.path(source)).await.unwrap();
        let digest = |images: Vec<wharf_store::Image>| images[0].descriptor().digest().clone();
        assert_eq!(
            digest(store.images().await.unwrap()),
            digest(original.images().await.unwrap()),
            "{source}"
        );
    }
}
