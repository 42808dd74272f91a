use bytes::Bytes;
use wharf_content::{Descriptor, ErrorKind, Hasher, MediaType, Target};
use wharf_reference::Algorithm;
use wharf_testkit::{
    Image,
    hostile::{Answer, Fault, Match, Rule, Step},
};

use super::scene::{Scene, layer, tag};

const KIND: &str = "application/vnd.oci.image.manifest.v1+json";

#[tokio::test]
async fn i02_pinned_means_pinned() {
    let (image, other) = (Image::small("asked for"), Image::small("another"));
    let bytes = |image: &Image| image.manifest().bytes().clone();
    let digest = image.manifest().digest().to_string();
    let other_digest = other.manifest().digest().to_string();
    let strong = Hasher::digest(Algorithm::Sha512, &bytes(&image))
        .unwrap()
        .to_string();
    let answer = |body: Bytes, header: Option<&str>| {
        let answer = Answer::ok(body).header("Content-Type", KIND);
        header.map_or(answer.clone(), |header| {
            answer.header("Docker-Content-Digest", header)
        })
    };
    let scene = Scene::new().await;
    let pinned: Target = image.manifest().digest().clone().into();
    let table = [
        (answer(bytes(&image), Some(&digest)), true),
        (answer(bytes(&image), None), true),
        (answer(bytes(&image), Some(&strong)), true),
        (answer(bytes(&image), Some("sha256:../../x")), true),
        (answer(bytes(&other), Some(&digest)), false),
        (answer(bytes(&other), Some(&other_digest)), false),
        (answer(bytes(&other), None), false),
        (answer(bytes(&image), Some(&other_digest)), false),
        (
            answer(bytes(&image), Some(&format!("sha512:{}", "0".repeat(128)))),
            false,
        ),
    ];
    for (number, (answer, good)) in table.into_iter().enumerate() {
        scene.registry.clear().on(Match::get("/manifests/"), answer);
        let got = scene.anonymous().manifest(&pinned).await;
        if good {
            assert_eq!(got.unwrap(), *image.manifest(), "{number}");
        } else {
            assert_eq!(scene.failed(got).kind(), ErrorKind::Mismatch, "{number}");
        }
    }
    // A digest in the answer to a missing manifest is worth nothing.
    let missing = Answer::error(404, "MANIFEST_UNKNOWN", "no").header("Docker-Content-Digest", &digest);
    scene.registry.clear().on(Match::any(), missing);
    assert_eq!(
        scene.failed(scene.anonymous().resolve(&pinned).await).kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn i02_a_sha512_pin_is_met_by_sha512_alone() {
    let image = Image::small("x");
    let strong = Hasher::digest(Algorithm::Sha512, image.manifest().bytes()).unwrap();
    let scene = Scene::new().await;
    scene.registry.on(
        Match::get("/manifests/sha512"),
        Answer::ok(image.manifest().bytes().clone()).header("Content-Type", KIND),
    );
    let remote = scene.anonymous();
    let manifest = remote.manifest(&strong.clone().into()).await.unwrap();
    assert_eq!(*manifest.digest(), strong);
    let wrong = wharf_reference::Digest::parse(&format!("sha512:{}", "0".repeat(128))).unwrap();
    assert_eq!(
        scene.failed(remote.manifest(&wrong.into()).await).kind(),
        ErrorKind::Mismatch
    );
}

#[tokio::test]
async fn i03_sizes_are_exact() {
    let image = Image::small("x");
    let (descriptor, bytes) = layer(&image);
    let path = format!("/blobs/{}", descriptor.digest());
    let scene = Scene::new().await;
    scene
        .registry
        .on(Match::get(&path), Answer::ok(bytes.clone()).until_close());
    let size = bytes.len() as u64;
    for (claimed, good) in [
        (size, true),
        (size - 1, false),
        (size + 1, false),
        (0, false),
        (1 << 62, false),
    ] {
        let claim = Descriptor::new(MediaType::OCI_LAYER_GZIP, descriptor.digest().clone(), claimed).unwrap();
        let got = scene.read(&scene.anonymous(), &claim).await;
        assert_eq!(got.is_ok(), good, "{claimed}");
    }
}

#[test]
fn i03_an_endless_body_is_cut_at_the_promised_size() {
    let allocated = allocation_counter::measure(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let scene = Scene::new().await;
            let endless = vec![
                Step::Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".into()),
                Step::Repeat(
                    Bytes::from([&b"4000\r\n"[..], &[0; 0x4000], b"\r\n"].concat()),
                    u64::MAX,
                ),
            ];
            scene.registry.on(Match::get("/blobs/"), endless);
            let digest = wharf_testkit::sha256(b"nothing like it");
            let descriptor = Descriptor::new(MediaType::OCI_LAYER, digest, 100_000).unwrap();
            let mut blob = scene.anonymous().blob(&descriptor).unwrap();
            let (mut passed, mut failed) = (0, false);
            while let Some(chunk) = blob.next().await {
                match chunk {
                    Ok(chunk) => passed += chunk.len(),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Mismatch);
                        failed = true;
                    }
                }
            }
            assert!(failed && passed <= 100_000, "{passed}");
        });
    });
    assert!(allocated.bytes_max < 16 * 1024 * 1024, "{}", allocated.bytes_max);
}

#[tokio::test]
async fn i04_nothing_wrong_ends_well() {
    let image = Image::small("x");
    let (descriptor, bytes) = layer(&image);
    let scene = Scene::new().await;
    let last = bytes.len() as u64 - 1;
    let whole = || Answer::ok(bytes.clone());
    let table = [
        ("good", whole(), Ok(())),
        (
            "last byte",
            whole().fault(Fault::Flip(last)),
            Err(ErrorKind::Mismatch),
        ),
        (
            "first byte",
            whole().fault(Fault::Flip(0)),
            Err(ErrorKind::Mismatch),
        ),
        (
            "too long",
            whole().fault(Fault::Lengthen(1)),
            Err(ErrorKind::Mismatch),
        ),
        ("gzip", whole().header("Content-Encoding", "gzip"), Ok(())),
        ("identity", whole().header("Content-Encoding", "identity"), Ok(())),
        (
            "another",
            Answer::ok(Bytes::from(vec![7; bytes.len()])),
            Err(ErrorKind::Mismatch),
        ),
    ];
    for (what, answer, expected) in table {
        scene.registry.clear().on(Match::get("/blobs/"), answer);
        let got = scene.read(&scene.anonymous(), &descriptor).await;
        assert_eq!(got.map(drop), expected, "{what}");
        let asked = scene.registry.requests().pop().unwrap();
        assert_eq!(asked.header("accept-encoding"), Some("identity"), "{what}");
    }
}

/// What storage and web servers say of bytes that they send as they are; the digest tells.
#[tokio::test]
async fn i04_labels_on_right_bytes_are_no_error() {
    let image = Image::builder().noise(8, 50_000).finish();
    let (descriptor, bytes) = layer(&image);
    let scene = Scene::new().await;
    for label in [
        "gzip",
        "x-gzip",
        "aws-chunked",
        "aws-chunked,gzip",
        "",
        "br",
        "utf-8",
        "none",
    ] {
        for answer in [Answer::ok(bytes.clone()), Answer::ok(bytes.clone()).chunked()] {
            let answer = answer.header("Content-Encoding", label);
            scene.registry.clear().on(Match::get("/blobs/"), answer);
            let got = scene.read(&scene.anonymous(), &descriptor).await;
            assert_eq!(got, Ok(bytes.to_vec()), "{label}");
        }
        let manifest = image.manifest();
        let answer = Answer::ok(manifest.bytes().clone()).header("Content-Encoding", label);
        scene.registry.clear().on(Match::get("/manifests/"), answer);
        for target in [tag("v1"), manifest.digest().clone().into()] {
            assert_eq!(
                scene.anonymous().manifest(&target).await.unwrap(),
                *manifest,
                "{label}"
            );
        }
    }
}

/// What was compressed on its way is called that, whatever it was.
#[tokio::test]
async fn i04_what_is_compressed_is_called_so() {
    use std::io::Write as _;

    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        Bytes::from(encoder.finish().unwrap())
    };
    let image = Image::builder().noise(8, 50_000).finish();
    let (descriptor, bytes) = layer(&image);
    let manifest = image.manifest();
    let tags = gzip(br#"{"name":"team/app","tags":["a"]}"#);
    let scene = Scene::new().await;
    for label in ["gzip", "x-gzip", ""] {
        let serve = |path: &str, body: Bytes| {
            let answer = Answer::ok(body).header("Content-Encoding", label);
            scene.registry.clear().on(Match::get(path), answer);
        };
        serve("/manifests/", gzip(manifest.bytes()));
        for target in [tag("v1"), manifest.digest().clone().into()] {
            let error = scene.failed(scene.anonymous().manifest(&target).await);
            assert_eq!(error.kind(), ErrorKind::Server, "{error}");
            assert!(
                error.to_string().contains("compressed its answer (gzip)"),
                "{error}"
            );
        }
        serve("/tags/", tags.clone());
        let error = scene.failed(scene.anonymous().tags().collect().await);
        assert!(error.to_string().contains("compressed"), "{error}");
        serve("/referrers/", gzip(b"{}"));
        let error = scene.failed(scene.anonymous().referrers(manifest.digest(), None).await);
        assert!(error.to_string().contains("compressed"), "{error}");
    }
    for answer in [Answer::ok(gzip(&bytes)), Answer::ok(gzip(&bytes)).chunked()] {
        let answer = answer.header("Content-Encoding", "gzip");
        scene.registry.clear().on(Match::get("/blobs/"), answer);
        let read = scene
            .anonymous()
            .blob(&descriptor)
            .unwrap()
            .read_to_end(1 << 20)
            .await;
        let error = scene.stage.inspect(read.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Mismatch, "{error}");
        assert!(error.to_string().contains("encoded as gzip"), "{error}");
    }
}

/// Documents, the types they are served as, and why they are refused.
fn ambiguous() -> Vec<(String, &'static str, ErrorKind)> {
    use ErrorKind::{Ambiguous, Invalid, Unsupported};
    let empty = "{\"mediaType\":\"application/vnd.oci.empty.v1+json\",\"digest\":\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"size\":2}";
    let index = "application/vnd.oci.image.index.v1+json";
    let with = |text: &str| text.replace("EMPTY", empty);
    [
        (
            with(r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"manifests":[]}"#),
            KIND,
            Ambiguous,
        ),
        (
            with(r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"manifests":[]}"#),
            index,
            Ambiguous,
        ),
        (
            with(r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"layers":[]}"#),
            KIND,
            Ambiguous,
        ),
        (
            with(r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"Layers":[]}"#),
            KIND,
            Ambiguous,
        ),
        (
            with(r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"annotations":{"a":"b","a":"c"}}"#),
            KIND,
            Ambiguous,
        ),
        (
            with(&format!(
                r#"{{"schemaVersion":2,"mediaType":"{index}","config":EMPTY,"layers":[]}}"#
            )),
            KIND,
            Ambiguous,
        ),
        (
            with(r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"fsLayers":[]}"#),
            KIND,
            Ambiguous,
        ),
        (
            with(r#"{"schemaVersion":"2","config":EMPTY,"layers":[]}"#),
            KIND,
            Invalid,
        ),
        (
            with(
                r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"subject":{"mediaType":"a/b","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":1e999}}"#,
            ),
            KIND,
            Invalid,
        ),
        (
            with(
                r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"subject":{"mediaType":"a/b","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":-1}}"#,
            ),
            KIND,
            Invalid,
        ),
        (
            with(r"[2,null,null,EMPTY,[],null,null,{},null,null]"),
            KIND,
            Invalid,
        ),
        (
            with(
                r#"{"schemaVersion":2,"config":["application/vnd.oci.empty.v1+json","sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",2,null,null,null,null,null],"layers":[]}"#,
            ),
            KIND,
            Invalid,
        ),
        (
            with(r#"[{"schemaVersion":2,"config":EMPTY,"layers":[]}]"#),
            KIND,
            Invalid,
        ),
        (
            with(r#"{"schemaVersion":2,"config":EMPTY,"layers":[]} trailing"#),
            KIND,
            Invalid,
        ),
        (
            with("\u{feff}{\"schemaVersion\":2,\"config\":EMPTY,\"layers\":[]}"),
            KIND,
            Invalid,
        ),
        (
            with(r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"x":NaN}"#),
            KIND,
            Invalid,
        ),
        (
            r#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#.to_owned(),
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            Unsupported,
        ),
    ]
    .into()
}

/// What a document is does not depend on which of its descriptions is read.
#[tokio::test]
async fn i05_ambiguous_manifests_are_refused() {
    let scene = Scene::new().await;
    for (body, media_type, expected) in ambiguous() {
        let answer = Answer::ok(body.clone()).header("Content-Type", media_type);
        scene.registry.clear().on(Match::get("/manifests/"), answer);
        let remote = scene.anonymous();
        let digest = wharf_testkit::sha256(body.as_bytes());
        for target in [tag("v1"), digest.into()] {
            let error = scene.failed(remote.manifest(&target).await);
            assert_eq!(error.kind(), expected, "{body} as {media_type}: {error}");
        }
    }
}

#[tokio::test]
async fn i08_a_digest_beats_a_tag_and_stays() {
    let (first, second) = (Image::small("first"), Image::small("second"));
    let scene = Scene::new().await;
    for image in [&first, &second] {
        scene
            .registry
            .serve_manifest("team/app", "unused", image.manifest());
    }
    let reference = format!("registry.example.test/team/app:v1@{}", first.manifest().digest());
    let reference = wharf_reference::Reference::parse(&reference).unwrap();
    let remote = scene.anonymous();
    let manifest = remote.manifest(&Target::of(&reference)).await.unwrap();
    assert_eq!(manifest, *first.manifest());
    assert!(
        scene.registry.lines().iter().all(|line| !line.ends_with("/v1")),
        "{:?}",
        scene.registry.lines()
    );

    // A tag that moves between two questions: what was read stays what it is.
    let (one, two) = (first.manifest().clone(), second.manifest().clone());
    let say = |manifest: &wharf_content::Manifest| {
        Answer::ok(manifest.bytes().clone()).header("Content-Type", KIND)
    };
    scene
        .registry
        .clear()
        .rule(Rule::new(Match::get("/manifests/moving"), say(&one)).times(1))
        .on(Match::get("/manifests/moving"), say(&two))
        .serve_image("team/app", "unused", &first);
    let manifest = remote.manifest(&tag("moving")).await.unwrap();
    for descriptor in manifest.blobs() {
        assert!(scene.read(&remote, descriptor).await.is_ok());
    }
    assert_eq!(manifest, one);
}

/// An index that claims another platform for an image than the image's config does is found out.
#[tokio::test]
async fn i07_a_platform_that_is_claimed_falsely_is_told_of() {
    use std::sync::Arc;

    use wharf_content::{ImageBuilder, ImageConfig, IndexBuilder, Manifest, Platform};

    for (claimed, true_one) in [("linux/amd64", "linux/arm64"), ("linux/arm64", "linux/arm64")] {
        let [claimed, true_one] = [claimed, true_one].map(|text| text.parse::<Platform>().unwrap());
        let config = ImageConfig::builder(true_one.clone()).build().unwrap();
        let image = ImageBuilder::new().with_config(config.clone()).build().unwrap();
        let entry = image.root().descriptor().clone().with_platform(claimed.clone());
        let index = IndexBuilder::new().with_manifest(entry).build().unwrap();
        let scene = Scene::new().await;
        let serve = |manifest: &Manifest| {
            Answer::ok(manifest.bytes().clone()).header("Content-Type", manifest.media_type().as_str())
        };
        let by_digest = format!("/manifests/{}", image.digest());
        scene
            .registry
            .on(Match::get(&by_digest), serve(image.root()))
            .on(Match::get("/manifests/v1"), serve(index.root()))
            .on(Match::get("/blobs/"), Answer::ok(config.bytes().clone()));
        let store = Arc::new(wharf_store::Memory::new());
        let options =
            wharf_copy::Options::default().with_selection(wharf_copy::Selection::Platform(claimed.clone()));
        let report = wharf_copy::copy(Arc::new(scene.anonymous()), store, &tag("v1"), options)
            .await
            .unwrap();
        let told = (claimed != true_one).then_some(&true_one);
        assert_eq!(report.platform_mismatch(), told);
        assert_eq!(report.warnings().len(), usize::from(told.is_some()));
    }
}
