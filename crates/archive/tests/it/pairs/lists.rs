//! Indexes, in every place that can hold one, and the refusals of what cannot.
//!
//! | place | what it has of an index |
//! |---|---|
//! | directory, layout, OCI archive | all of it |
//! | hybrid | all of it in its OCI half; one image, for this host's platform, in its Docker half |
//! | Docker's old form | nothing: it is refused; Skopeo and Podman refuse `docker-archive:` |
//! | Podman's storage | the image for this host's platform |
//! | umoci | nothing: the name is ambiguous for it |

use wharf_content::{ErrorKind, MediaType, Platform};
use wharf_testkit::Index;

use super::*;

/// The forms of ours that hold an index.
const HOLDING: [Ours; 4] = [Ours::Dir, Ours::Layout, Ours::Hybrid, Ours::Oci];

/// The places in which Skopeo and Podman hold one, each with the end of its location.
const THEIRS: [(Kind, &str); 3] = [(Kind::Dir, ""), (Kind::Layout, ":v1"), (Kind::Oci, ":v1")];

/// An index for two platforms, one of them this host's. Layers that are not compressed would be changed by Skopeo.
fn list() -> Index {
    let image = |name: &str, platform: Platform| {
        Image::builder()
            .platform(platform)
            .files(&[("etc/name", name.as_bytes())])
            .files(&[("etc/gzip", b"2")])
            .finish()
    };
    Index::of(vec![
        image("here", Platform::host()),
        image("there", Platform::new("linux", "s390x")),
    ])
}

/// The digests of an index and its images, of which every byte is read.
async fn all_of(source: &dyn Source, target: &Target) -> Vec<Digest> {
    let read = async |target: &Target| {
        let manifest = source.manifest(target).await;
        manifest.unwrap_or_else(|error| panic!("{error}"))
    };
    let root = read(target).await;
    assert!(root.is_index());
    let mut digests = vec![root.digest().clone()];
    for child in root.manifests() {
        let image = read(&child.digest().into()).await;
        for blob in image.blobs() {
            let bytes = source.blob(blob).await.unwrap();
            bytes.read_to_end(1 << 20).await.unwrap();
        }
        digests.push(image.digest().clone());
    }
    digests
}

/// Writes an index in each form of ours that holds one, and reads each.
async fn lists_through_all_of_ours(sandbox: &Sandbox, from: &str, kind: Kind, path: &Path) -> Vec<Digest> {
    let (source, target) = kind.open(path).await;
    let original = all_of(&*source, &target).await;
    for form in HOLDING {
        let to = sandbox.path(format!("{from}-{form:?}").to_lowercase());
        write(Arc::clone(&source), &target, form, &to).await;
        for kind in form.kinds() {
            let (copied, target) = kind.open(&to).await;
            let case = format!("{from} to {form:?}, read as {kind:?}");
            if *kind != Kind::Docker {
                assert_eq!(all_of(&*copied, &target).await, original, "{case}");
                continue;
            }
            // The image for this host, which the index lists first.
            let first = source.manifest(&original[1].clone().into()).await.unwrap();
            let shown = seen(&*copied, &target).await;
            assert_eq!(&shown.config, first.config().unwrap().digest(), "{case}");
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
    assert!(refused.to_string().contains("for one platform"), "{refused}");
    assert!(!old.exists());
    original
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_podman_and_umoci_read_an_index_from_each_of_our_forms() {
    require_peers!("skopeo", "podman", "umoci");
    let (sandbox, index) = (Sandbox::new(), list());
    index.write_layout(&sandbox.path("original"), "v1");
    let original = lists_through_all_of_ours(&sandbox, "ours", Kind::Layout, &sandbox.path("original")).await;
    assert_eq!(&original[0], index.manifest().digest());
    let here = index.images()[0].blobs()[0].0.digest();
    for form in HOLDING {
        let path = sandbox.path(format!("ours-{form:?}").to_lowercase());
        for kind in form.kinds() {
            let location = kind.location(&path);
            for (to, end) in THEIRS {
                let case = format!("{form:?}-{kind:?}-{to:?}").to_lowercase();
                let copied = sandbox.path(&case);
                let destination = format!("{}{end}", to.location(&copied));
                sandbox
                    .skopeo()
                    .run(&["copy", "--all", &location, &destination])
                    .ok();
                let (copied, target) = to.open(&copied).await;
                if *kind == Kind::Docker {
                    let shown = seen(&*copied, &target).await;
                    let config = index.images()[0].blobs()[0].0.digest();
                    assert_eq!(&shown.config == config, to == Kind::Dir, "{case}");
                } else {
                    assert_eq!(all_of(&*copied, &target).await, original, "{case}");
                }
            }
            if *kind != Kind::Docker {
                let archive = format!("docker-archive:{}:p:1", text(&sandbox.path("refused")));
                let refused = sandbox.skopeo().run(&["copy", "--all", &location, &archive]);
                refuses(&refused, "does not support copying multiple images");
            }
        }
        assert_eq!(podman_id(&sandbox, &path), here.encoded(), "{form:?}");
    }
    let layout = format!("{}:{FULL}", text(&sandbox.path("ours-layout")));
    let bundle = sandbox.path("bundle");
    let refused = sandbox
        .umoci()
        .run(&["unpack", "--rootless", "--image", &layout, text(&bundle)]);
    refuses(&refused, "tag is ambiguous");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_skopeo_or_podman_goes_through_each_of_our_forms() {
    require_peers!("skopeo", "podman");
    let (sandbox, index) = (Sandbox::new(), list());
    index.write_layout(&sandbox.path("original"), "v1");
    let from = format!("oci:{}:v1", text(&sandbox.path("original")));
    for (kind, end) in THEIRS {
        let name = format!("skopeo-{kind:?}").to_lowercase();
        let path = sandbox.path(&name);
        let to = format!("{}{end}", kind.location(&path));
        sandbox.skopeo().run(&["copy", "--all", &from, &to]).ok();
        let read = lists_through_all_of_ours(&sandbox, &format!("{name}-to"), kind, &path).await;
        assert_eq!(&read[0], index.manifest().digest(), "{name}");
    }

    let podman = |arguments: &[&str]| sandbox.podman().run(arguments);
    podman(&["manifest", "create", "list"]).ok();
    podman(&["manifest", "add", "--all", "list", &from]).ok();
    for (format, kind, end) in [
        ("oci", Kind::Dir, ""),
        ("v2s2", Kind::Dir, ""),
        ("oci", Kind::Layout, ":v1"),
        ("oci", Kind::Oci, ":v1"),
    ] {
        let name = format!("podman-{format}-{kind:?}").to_lowercase();
        let path = sandbox.path(&name);
        let to = format!("{}{end}", kind.location(&path));
        podman(&["manifest", "push", "--all", "--format", format, "list", &to]).ok();
        let (source, target) = kind.open(&path).await;
        let root = source.manifest(&target).await.unwrap();
        let expected = match format {
            "oci" => MediaType::OCI_INDEX,
            _ => MediaType::DOCKER_INDEX,
        };
        assert_eq!(*root.media_type(), expected, "{name}");
        let read = lists_through_all_of_ours(&sandbox, &format!("{name}-to"), kind, &path).await;
        assert_eq!(read.len(), 3, "{name}");
    }
    let archive = format!("docker-archive:{}:p:1", text(&sandbox.path("refused")));
    refuses(
        &podman(&["manifest", "push", "--all", "list", &archive]),
        "does not support copying multiple images",
    );
}
