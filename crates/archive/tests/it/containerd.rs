//! The archives that containerd's tests import (`integration/client/import_test.go`), made anew, with the outcome there
//! and here.

use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use wharf_archive::{Archive, Form, load, read_stream};
use wharf_content::{ErrorKind, Source as _, Target};
use wharf_reference::Digest;
use wharf_store::Memory;
use wharf_testkit::{noise, sha256};

use crate::{
    support::Scratch,
    tarball::{self, M},
};

const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A manifest with its config and its layer.
struct Made {
    layer: Bytes,
    config: Bytes,
    manifest: Bytes,
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": sha256(bytes).as_str(), "size": bytes.len() })
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An image; the descriptors have annotations, and the config states its layer unless `is_bare`.
fn made(seed: u64, is_bare: bool) -> Made {
    let content = noise(seed, 256);
    let layer = gzip(&content);
    let diff_ids = if is_bare {
        Value::Null
    } else {
        json!([sha256(&content).as_str()])
    };
    let config = json!({ "architecture": "amd64", "os": "linux", "author": "test", "config": {},
        "rootfs": { "type": "", "diff_ids": diff_ids } })
    .to_string();
    let annotated = |media_type: &str, bytes: &[u8], value: &str| {
        let mut of = descriptor(media_type, bytes);
        of["annotations"] = json!({ "ocispec": value });
        of
    };
    let manifest = json!({ "schemaVersion": 2,
        "config": annotated("application/vnd.oci.image.config.v1+json", config.as_bytes(), "manifest.config.descriptor"),
        "layers": [annotated("application/vnd.oci.image.layer.v1.tar", &layer, "manifest.layers.descriptor")] });
    Made {
        layer: layer.into(),
        config: config.into(),
        manifest: manifest.to_string().into(),
    }
}

/// An `index.json` with an entry for each name.
fn index(manifest: &[u8], media_type: &str, names: &[&str]) -> M {
    let entries: Vec<Value> = names
        .iter()
        .map(|name| {
            let mut entry = descriptor(media_type, manifest);
            entry["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
            entry
        })
        .collect();
    M::text(json!({ "schemaVersion": 2, "manifests": entries }).to_string())
}

fn file(bytes: &Bytes) -> M {
    M::File(bytes.to_vec())
}

fn blob(bytes: &Bytes) -> (String, M) {
    (format!("blobs/sha256/{}", sha256(bytes).encoded()), file(bytes))
}

/// The outcome here.
enum Expected {
    /// Each name, or `@N` for an image without, means this manifest or an image with this config.
    Images(Vec<(&'static str, Digest)>),
    Refused(ErrorKind, &'static str),
}

use Expected::{Images, Refused};

struct Case {
    name: &'static str,
    members: Vec<(String, M)>,
    opened: Expected,
    /// The outcome of [`load`], where it is another.
    loaded: Option<Expected>,
}

fn layout(image: &Made, index: M) -> Vec<(String, M)> {
    vec![
        ("blobs".to_owned(), M::Directory),
        ("blobs/sha256".to_owned(), M::Directory),
        blob(&image.layer),
        blob(&image.config),
        blob(&image.manifest),
        ("index.json".to_owned(), index),
        ("oci-layout".to_owned(), M::text(LAYOUT)),
    ]
}

fn docker(image: &Made, tags: &Value) -> Vec<(String, M)> {
    let old = |name: &str| format!("bd765cd43e95212f7aa2cab51d0a{name}");
    let manifest = json!([{ "Config": "e95212f7aa2cab51d0abd765cd43.json", "RepoTags": tags, "Layers": [old("/layer.tar")] }]);
    vec![
        (old(""), M::Directory),
        (old("/json"), M::text("{}")),
        (old("/layer.tar"), file(&image.layer)),
        (old("/VERSION"), M::text("1.0")),
        (
            "e95212f7aa2cab51d0abd765cd43.json".to_owned(),
            file(&image.config),
        ),
        ("manifest.json".to_owned(), M::text(manifest.to_string())),
    ]
}

const fn case(name: &'static str, members: Vec<(String, M)>, opened: Expected) -> Case {
    Case {
        name,
        members,
        opened,
        loaded: None,
    }
}

/// Archives of Docker's two formats.
fn docker_cases() -> Vec<Case> {
    let image = made(1, false);
    let id = sha256(&image.config);
    let tags = json!(["test-import:notlatest", "another/repo:tag"]);
    let tagged = || {
        Images(vec![
            ("test-import:notlatest", id.clone()),
            ("another/repo:tag", id.clone()),
        ])
    };
    let unnamed = || Images(vec![("@0", id.clone())]);
    let mut old = docker(&image, &Value::Null);
    old.truncate(4);
    old.push((
        "repositories".to_owned(),
        M::text(r#"{"any":{"1":"bd765cd43e95212f7aa2cab51d0a"}}"#),
    ));
    let mut dangling = docker(&image, &tags);
    dangling[2].1 = M::Link("../other/layer.tar");
    let mut linked = docker(&image, &tags);
    linked[2].1 = M::Link("../other/layer.tar");
    linked.push(("other/layer.tar".to_owned(), file(&image.layer)));
    vec![
        case(
            "the first format",
            old,
            Refused(ErrorKind::Invalid, "neither index.json nor manifest.json"),
        ),
        // Names are given as they stand; there they are expanded.
        case("the second format", docker(&image, &tags), tagged()),
        case("names that are null", docker(&image, &Value::Null), unnamed()),
        case("no names", docker(&image, &json!([])), unnamed()),
        case("a link to a later member", linked, tagged()),
        case(
            "a link to nothing",
            dangling,
            Refused(ErrorKind::Invalid, "no file of the archive"),
        ),
        // There the config is not looked at.
        case(
            "a config that states no layer",
            docker(&made(1, true), &tags),
            Refused(ErrorKind::Invalid, "has 0 layers, but manifest.json lists 1"),
        ),
    ]
}

/// Layouts in archives, whole ones.
fn layout_cases() -> Vec<Case> {
    let image = made(1, false);
    let root = sha256(&image.manifest);
    let mut dotted = layout(&image, index(&image.manifest, MANIFEST, &["latest"]));
    for (name, _) in &mut dotted {
        name.insert_str(0, "./");
    }
    let named = index(&image.manifest, MANIFEST, &["latest", "docker.io/lib/img:ok"]);
    let untyped = index(&image.manifest, "latest", &["docker.io/lib/img:ok"]);
    vec![
        case(
            "a layout",
            layout(&image, named),
            Images(vec![
                ("latest", root.clone()),
                ("docker.io/lib/img:ok", root.clone()),
            ]),
        ),
        // There the type of an entry is not looked at.
        case(
            "an entry of an unknown type",
            layout(&image, untyped),
            Images(Vec::new()),
        ),
        case(
            "names that begin with a dot",
            dotted,
            Images(vec![("latest", root)]),
        ),
    ]
}

/// Layouts in archives that lack something.
fn broken_layout_cases() -> Vec<Case> {
    let (one, two) = (made(1, false), made(2, false));
    let list = Bytes::from(
        json!({ "schemaVersion": 2, "manifests": [descriptor(MANIFEST, &one.manifest), descriptor(MANIFEST, &two.manifest)] })
            .to_string(),
    );
    let sparse = "docker.io/library/sparse:ok";
    let sparse_index = || ("index.json".to_owned(), index(&list, INDEX, &[sparse]));
    let version = |text: &str| ("oci-layout".to_owned(), M::text(text));
    let second = r#"{"imageLayoutVersion":"2.0.0"}"#;
    let mut without_index = layout(&one, index(&one.manifest, MANIFEST, &["latest"]));
    without_index.remove(5);
    let mut lacking = layout(&one, index(&list, INDEX, &[sparse]));
    lacking.extend([blob(&two.manifest), blob(&list)]);
    let no_archive = || Refused(ErrorKind::Invalid, "neither index.json nor manifest.json");
    vec![
        case(
            "an index without any of its manifests",
            vec![sparse_index(), blob(&list), version(LAYOUT)],
            Images(vec![(sparse, sha256(&list))]),
        ),
        // There only on request; here reading in place alone.
        Case {
            name: "an index of which an image lacks its blobs",
            members: lacking,
            opened: Images(vec![(sparse, sha256(&list))]),
            loaded: Some(Refused(ErrorKind::NotFound, "there is no member")),
        },
        case("another version", vec![version(second)], no_archive()),
        case(
            "another version with an index",
            vec![sparse_index(), version(second)],
            Refused(ErrorKind::Unsupported, "2.0.0"),
        ),
        case("no index", without_index, no_archive()),
    ]
}

/// The images as names with digests: of a docker-archive that of the config.
fn assert_images(
    case: &str,
    expected: &Expected,
    found: Result<Vec<(String, Digest)>, wharf_content::Error>,
) {
    match (expected, found) {
        (Images(expected), Ok(found)) => {
            let found: Vec<_> = found
                .iter()
                .map(|(name, digest)| (name.as_str(), digest.clone()))
                .collect();
            assert_eq!(found, *expected, "{case}");
        }
        (Refused(kind, words), Err(error)) => {
            assert_eq!(error.kind(), *kind, "{case}: {error}");
            assert!(error.to_string().contains(words), "{case}: {error}");
        }
        (Images(_), Err(error)) => panic!("{case}: {error}"),
        (Refused(..), Ok(found)) => panic!("{case}: {found:?}"),
    }
}

#[tokio::test]
async fn archives_that_containerd_imports_are_read_in_place_and_as_streams() {
    let scratch = Scratch::new();
    let cases = docker_cases()
        .into_iter()
        .chain(layout_cases())
        .chain(broken_layout_cases());
    for (number, case) in cases.enumerate() {
        let path = scratch.path(&number.to_string());
        let Case {
            name: case,
            members,
            opened,
            loaded,
        } = case;
        tarball::write(
            &path,
            members
                .iter()
                .map(|(name, member)| (name.as_str(), member.clone())),
        );

        let archive = Archive::open(&path, Form::Detect).await;
        let found = archive.map(|archive| {
            let mut found = Vec::new();
            for image in archive.images() {
                let digest = image.image_id().unwrap_or(image.descriptor().digest());
                let names = image.names().map(str::to_owned);
                let before = found.len();
                found.extend(names.map(|name| (name, digest.clone())));
                if found.len() == before {
                    found.push((format!("@{}", image.position()), digest.clone()));
                }
            }
            found
        });
        assert_images(case, &opened, found);

        let store = Memory::new();
        let result = load(read_stream(std::fs::File::open(&path).unwrap()), &store).await;
        let expected = loaded.as_ref().unwrap_or(&opened);
        let mut found = Vec::new();
        for (position, image) in result.iter().flatten().enumerate() {
            for name in &image.names {
                let stored = store.resolve(&Target::Name(name.clone())).await.unwrap();
                assert_eq!(stored.digest(), image.descriptor.digest(), "{case}");
            }
            let is_docker = image.descriptor.media_type().as_str().contains("docker");
            let config = image.image_id.as_ref().filter(|_| is_docker);
            let digest = config.unwrap_or(image.descriptor.digest());
            found.extend(image.names.iter().map(|name| (name.to_string(), digest.clone())));
            if image.names.is_empty() {
                found.push((format!("@{position}"), digest.clone()));
            }
        }
        assert_images(case, expected, result.map(|_| found));
    }
}
