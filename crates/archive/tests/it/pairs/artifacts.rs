//! Artifacts, which are no images: their config is empty, and their layers are files of any type.
//!
//! | place | what it has of an artifact |
//! |---|---|
//! | directory, layout, OCI archive | all of it |
//! | hybrid | all of it in its OCI half, and nothing in its Docker half |
//! | Docker's old form | nothing: it is refused; Skopeo refuses `docker-archive:` |
//! | Podman's storage, umoci | nothing: they refuse it |

use wharf_content::{BuiltImage, ErrorKind, ImageBuilder, MediaType, SinkExt as _};

use super::*;

const HOLDING: [Ours; 4] = [Ours::Dir, Ours::Layout, Ours::Hybrid, Ours::Oci];

fn artifact() -> BuiltImage {
    let kind = MediaType::parse("application/spdx+json").unwrap();
    ImageBuilder::new()
        .with_artifact_type(kind.clone())
        .with_layer_bytes(kind, br#"{"spdxVersion":"SPDX-2.3"}"#.to_vec())
        .build()
        .unwrap()
}

/// A layout with the artifact under the name `v1`.
async fn layout_of(sandbox: &Sandbox, artifact: &BuiltImage) -> String {
    let path = sandbox.path("original");
    let layout = Layout::create(&path).await.unwrap();
    layout
        .push_image(artifact, Some(&Name::parse("v1").unwrap()))
        .await
        .unwrap();
    format!("oci:{}:v1", text(&path))
}

/// The artifact with its type and every byte of its content.
async fn is_whole(source: &dyn Source, target: &Target, artifact: &BuiltImage, case: &str) {
    let manifest = source
        .manifest(target)
        .await
        .unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(manifest, *artifact.root(), "{case}");
    assert_eq!(
        manifest.config().unwrap().media_type(),
        &MediaType::OCI_EMPTY,
        "{case}"
    );
    for (descriptor, bytes) in artifact.blobs() {
        let read = source.blob(descriptor).await.unwrap();
        assert_eq!(read.read_to_end(1 << 20).await.unwrap(), bytes, "{case}");
    }
}

/// Writes an artifact in each form of ours that holds one, and reads each.
async fn through(sandbox: &Sandbox, from: &str, kind: Kind, path: &Path, artifact: &BuiltImage) {
    let (source, target) = kind.open(path).await;
    is_whole(&*source, &target, artifact, from).await;
    for form in HOLDING {
        let to = sandbox.path(format!("{from}-{form:?}").to_lowercase());
        write(Arc::clone(&source), &target, form, &to).await;
        for kind in form.kinds().iter().filter(|kind| **kind != Kind::Docker) {
            let (copied, target) = kind.open(&to).await;
            let case = format!("{from} to {form:?}, read as {kind:?}");
            is_whole(&*copied, &target, artifact, &case).await;
        }
        if form == Ours::Hybrid {
            let images = Archive::open(&to, Form::Docker).await.unwrap();
            assert!(images.images().is_empty(), "{from}");
            assert_eq!(images.only().unwrap_err().kind(), ErrorKind::NotFound, "{from}");
        }
    }
    let options = WriterOptions::default().with_form(WriterForm::DockerLegacy);
    let old = sandbox.path(format!("{from}-old"));
    let writer = Arc::new(Writer::create_with(&old, options).await.unwrap());
    let named = Options::from(Selection::All).with_name(Name::parse(FULL).unwrap());
    let refused = copy(Arc::clone(&source), writer, &target, named)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
    assert!(!old.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_reads_an_artifact_from_each_of_our_forms_and_podman_and_umoci_refuse_it() {
    require_peers!("skopeo", "podman", "umoci");
    let (sandbox, artifact) = (Sandbox::new(), artifact());
    layout_of(&sandbox, &artifact).await;
    through(
        &sandbox,
        "ours",
        Kind::Layout,
        &sandbox.path("original"),
        &artifact,
    )
    .await;
    for form in HOLDING {
        let path = sandbox.path(format!("ours-{form:?}").to_lowercase());
        let kind = form.kinds()[0];
        let location = kind.location(&path);
        for (to, end) in [(Kind::Dir, ""), (Kind::Layout, ":v1"), (Kind::Oci, ":v1")] {
            let case = format!("{form:?}-{to:?}").to_lowercase();
            let copied = sandbox.path(&case);
            let destination = format!("{}{end}", to.location(&copied));
            sandbox.skopeo().run(&["copy", &location, &destination]).ok();
            let (copied, target) = to.open(&copied).await;
            is_whole(&*copied, &target, &artifact, &case).await;
        }
        let archive = format!("docker-archive:{}:p:1", text(&sandbox.path("refused")));
        let refused = sandbox.skopeo().run(&["copy", &location, &archive]);
        refuses(&refused, "unsupported image-specific operation on artifact");
        let loaded = sandbox.podman().run(&["load", "--quiet", "--input", text(&path)]);
        if form == Ours::Hybrid {
            // The list of images in its Docker half is empty.
            assert_eq!(loaded.ok().trim(), "Loaded image:");
            assert_eq!(sandbox.podman().run(&["images", "--quiet"]).ok(), "");
        } else {
            refuses(&loaded, "");
        }
        let pulled = sandbox.podman().run(&["pull", "--quiet", &location]);
        refuses(&pulled, "");
    }
    let layout = format!("{}:{FULL}", text(&sandbox.path("ours-layout")));
    let bundle = sandbox.path("bundle");
    let refused = sandbox
        .umoci()
        .run(&["unpack", "--rootless", "--image", &layout, text(&bundle)]);
    refuses(&refused, "config blob is not correct mediatype");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_skopeo_has_copied_goes_through_each_of_our_forms() {
    require_peers!("skopeo");
    let (sandbox, artifact) = (Sandbox::new(), artifact());
    let from = layout_of(&sandbox, &artifact).await;
    for (kind, end) in [(Kind::Dir, ""), (Kind::Layout, ":v1"), (Kind::Oci, ":v1")] {
        let name = format!("skopeo-{kind:?}").to_lowercase();
        let path = sandbox.path(&name);
        let to = format!("{}{end}", kind.location(&path));
        sandbox.skopeo().run(&["copy", &from, &to]).ok();
        through(&sandbox, &format!("{name}-to"), kind, &path, &artifact).await;
    }
}
