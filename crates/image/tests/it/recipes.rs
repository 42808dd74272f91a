use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use wharf_content::{
    Blob, Descriptor, Error, ErrorKind, Gate, Location, Manifest, MediaType, Name, Platform, Rejection, Role,
    Sink, Source, SourceExt as _, Target,
};
use wharf_copy::{Selection, copy};
use wharf_image::{Format, Options, Recipe, Scope, prepare};
use wharf_store::Memory;
use wharf_testkit::{Image, Index};

use crate::support::{
    DOCKER_CONFIG, DOCKER_GZIP, DOCKER_LIST, DOCKER_MANIFEST, OCI_CONFIG, OCI_GZIP, OCI_INDEX, OCI_MANIFEST,
    Store, child, document,
};

/// A config with the members that are not in OCI's specification (M48).
const DOCKERS_CONFIG: &str = r#"{"architecture":"amd64","os":"linux","docker_version":"20.10","container":"c","container_config":{"Hostname":"h"},"parent":"sha256:0","config":{"Hostname":"h","Healthcheck":{"Test":["CMD","true"]},"OnBuild":["RUN x"],"Shell":["/bin/sh"]},"x-unknown":1,"rootfs":{"type":"layers","diff_ids":[]}}"#;

#[tokio::test]
async fn a_recipe_without_steps_changes_nothing() {
    let index = Index::of(vec![Image::small("a"), Image::small("b")]);
    let store = Store::with_index(&index).await;
    for recipe in [
        Recipe::new(),
        Recipe::new().preserve(true).deny_loss(true).as_skopeo(true),
    ] {
        let prepared = store.prepare(index.manifest(), &recipe).await.unwrap();
        assert_eq!(prepared.root().bytes(), index.manifest().bytes());
        assert!(!prepared.report().is_changed());
        assert_eq!(prepared.report().dropped_referrers(), Some(0));
    }
}

#[tokio::test]
async fn the_bytes_of_a_config_stay_both_ways() {
    for (manifest, config, format) in [
        (DOCKER_MANIFEST, DOCKER_CONFIG, Format::Oci),
        (OCI_MANIFEST, OCI_CONFIG, Format::Docker),
    ] {
        let store = Store::default();
        let config = store.blob(config, DOCKERS_CONFIG).await;
        let image = json!({ "schemaVersion": 2, "mediaType": manifest, "config": config, "layers": [] });
        let image = store.manifest(&image).await;
        let prepared = store
            .prepare(&image, &Recipe::new().format(format))
            .await
            .unwrap();
        let new = prepared.root().config().unwrap();
        assert_eq!(new.digest(), image.config().unwrap().digest());
        assert_ne!(new.media_type(), image.config().unwrap().media_type());
        assert_eq!(prepared.report().losses(), []);
        let bytes = prepared.fetch(new, 1 << 20).await.unwrap();
        assert_eq!(bytes, DOCKERS_CONFIG);
    }
}

#[tokio::test]
async fn a_config_written_as_skopeo_does_loses_what_oci_has_not() {
    let store = Store::default();
    let config = store.blob(DOCKER_CONFIG, DOCKERS_CONFIG).await;
    let image = json!({ "schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": [] });
    let image = store.manifest(&image).await;
    let recipe = Recipe::new().format(Format::Oci).as_skopeo(true);
    let prepared = store.prepare(&image, &recipe).await.unwrap();
    let bytes = prepared.config_bytes(prepared.root()).await.unwrap();
    assert_eq!(
        bytes,
        r#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#
    );
    let mut lost: Vec<_> = prepared
        .report()
        .losses()
        .iter()
        .map(wharf_image::Loss::member)
        .collect();
    lost.sort_unstable();
    assert_eq!(
        lost,
        [
            "config.Healthcheck",
            "config.Hostname",
            "config.OnBuild",
            "config.Shell",
            "container",
            "container_config",
            "docker_version",
            "parent",
            "x-unknown"
        ]
    );
    assert_eq!(
        prepared.location_of(prepared.root().config().unwrap()),
        Location::Memory
    );
}

#[tokio::test]
async fn a_config_that_go_refuses_is_not_written_anew() {
    for member in [
        r#""created":"yesterday""#,
        r#""created":"2024-01-01t00:00:00z""#,
        r#""os.features":{}"#,
        r#""history":[{"created":""}]"#,
        r#""config":{"ExposedPorts":{"80/tcp":1}}"#,
    ] {
        let store = Store::default();
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux",{member},"rootfs":{{"type":"layers","diff_ids":[]}}}}"#
        );
        let config = store.blob(DOCKER_CONFIG, config).await;
        let image =
            json!({ "schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": [] });
        let image = store.manifest(&image).await;
        let recipe = Recipe::new().format(Format::Oci);
        let error = store
            .prepare(&image, &recipe.clone().as_skopeo(true))
            .await
            .expect_err(member);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{member}: {error}");
    }
}

#[tokio::test]
async fn documents_are_compact_and_in_the_order_of_their_format() {
    let store = Store::default();
    let image = store.image(DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_GZIP).await;
    let text = format!(
        r#"{{ "layers": {0}, "mediaType": "{DOCKER_MANIFEST}", "config": {1}, "schemaVersion": 2 }}"#,
        document(&image)["layers"],
        document(&image)["config"],
    );
    let image = store.text(&text).await;
    let prepared = store
        .prepare(&image, &Recipe::new().format(Format::Oci))
        .await
        .unwrap();
    let (config, layer) = (image.config().unwrap(), &image.layers()[0]);
    let expected = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"mediaType":"{OCI_CONFIG}","digest":"{}","size":{}}},"layers":[{{"mediaType":"{OCI_GZIP}","digest":"{}","size":{}}}]}}"#,
        config.digest(),
        config.size(),
        layer.digest(),
        layer.size()
    );
    assert_eq!(prepared.root().bytes(), &expected);
    let twice = store
        .prepare(&image, &Recipe::new().format(Format::Oci))
        .await
        .unwrap();
    assert_eq!(twice.root().bytes(), prepared.root().bytes());

    let oci = store.text(&expected).await;
    let docker = store
        .prepare(&oci, &Recipe::new().format(Format::Docker))
        .await
        .unwrap();
    let expected = format!(
        r#"{{"schemaVersion":2,"mediaType":"{DOCKER_MANIFEST}","config":{{"mediaType":"{DOCKER_CONFIG}","size":{},"digest":"{}"}},"layers":[{{"mediaType":"{DOCKER_GZIP}","size":{},"digest":"{}"}}]}}"#,
        config.size(),
        config.digest(),
        layer.size(),
        layer.digest()
    );
    assert_eq!(docker.root().bytes(), &expected);
}

#[tokio::test]
async fn an_index_is_converted_with_all_its_images() {
    let store = Store::default();
    let oci = store.image(OCI_MANIFEST, OCI_CONFIG, OCI_GZIP).await;
    let docker = store.image(DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_GZIP).await;
    let entry = |manifest: &Manifest, architecture: &str| {
        json!({
            "mediaType": manifest.media_type(),
            "digest": manifest.digest(),
            "size": manifest.bytes().len(),
            "platform": { "os": "linux", "architecture": architecture, "variant": "v8" },
        })
    };
    for (index, format) in [
        (OCI_INDEX, Format::Docker),
        (DOCKER_LIST, Format::Oci),
        (OCI_INDEX, Format::Oci),
    ] {
        let manifests = json!([entry(&oci, "arm64"), entry(&docker, "amd64"), entry(&oci, "arm")]);
        let mixed = json!({ "schemaVersion": 2, "mediaType": index, "manifests": manifests });
        let mixed = store.manifest(&mixed).await;
        let prepared = store
            .prepare(&mixed, &Recipe::new().format(format))
            .await
            .unwrap();
        assert_eq!(Format::of(prepared.root().media_type()), Some(format));
        let platforms: Vec<_> = prepared
            .root()
            .manifests()
            .iter()
            .map(Descriptor::platform)
            .collect();
        assert_eq!(
            platforms,
            mixed
                .manifests()
                .iter()
                .map(Descriptor::platform)
                .collect::<Vec<_>>()
        );
        for (entry, old) in prepared.root().manifests().iter().zip(mixed.manifests()) {
            let image = child(&prepared, entry).await;
            assert_eq!(Format::of(image.media_type()), Some(format));
            assert_eq!(Format::of(image.config().unwrap().media_type()), Some(format));
            if Format::of(old.media_type()) == Some(format) {
                assert_eq!(entry.digest(), old.digest(), "it is in the format already");
            }
        }
    }
}

#[tokio::test]
async fn a_list_states_the_platform_that_a_config_states() {
    let store = Store::default();
    let image = store.image(DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_GZIP).await;
    let entry =
        json!({ "mediaType": DOCKER_MANIFEST, "digest": image.digest(), "size": image.bytes().len() });
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry] });
    let index = store.manifest(&index).await;
    let prepared = store
        .prepare(&index, &Recipe::new().format(Format::Docker))
        .await
        .unwrap();
    assert_eq!(
        prepared.root().manifests()[0].platform(),
        Some(&Platform::new("linux", "amd64"))
    );

    let config = store
        .blob(DOCKER_CONFIG, r#"{"rootfs":{"type":"layers","diff_ids":[]}}"#)
        .await;
    let image = json!({ "schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": [] });
    let image = store.manifest(&image).await;
    let entry =
        json!({ "mediaType": DOCKER_MANIFEST, "digest": image.digest(), "size": image.bytes().len() });
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry] });
    let index = store.manifest(&index).await;
    let error = store
        .prepare(&index, &Recipe::new().format(Format::Docker))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("entry 1"), "{error}");
}

#[tokio::test]
async fn an_artifact_stays_in_ocis_format_and_has_none_of_dockers() {
    let artifact = Image::builder()
        .artifact_type(MediaType::parse("application/spdx+json").unwrap())
        .files(&[("a", b"b")])
        .finish();
    let store = Store::with_image(&artifact).await;
    let recipe = Recipe::new().format(Format::Oci);
    let prepared = store.prepare(artifact.manifest(), &recipe).await.unwrap();
    assert_eq!(prepared.root(), artifact.manifest());
    let error = store
        .prepare(artifact.manifest(), &Recipe::new().format(Format::Docker))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("its config"), "{error}");

    let withdrawn = json!({ "mediaType": MediaType::OCI_ARTIFACT, "artifactType": "a/b", "blobs": [] });
    let withdrawn = store.manifest(&withdrawn).await;
    let prepared = store.prepare(&withdrawn, &recipe).await.unwrap();
    assert_eq!(prepared.root(), &withdrawn);
    let error = store
        .prepare(&withdrawn, &Recipe::new().format(Format::Docker))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

/// A source that must not be asked.
struct Untouched;

#[async_trait]
impl Source for Untouched {
    async fn resolve(&self, _: &Target) -> Result<Descriptor, Error> {
        panic!("a request was made")
    }

    async fn manifest(&self, _: &Target) -> Result<Manifest, Error> {
        panic!("a request was made")
    }

    async fn blob(&self, _: &Descriptor) -> Result<Blob, Error> {
        panic!("a request was made")
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

#[tokio::test]
async fn a_recipe_that_cannot_be_followed_is_refused_before_the_first_request() {
    let platform = || Platform::new("linux", "amd64");
    for (recipe, kind) in [
        (
            Recipe::new().format(Format::Oci).preserve(true),
            ErrorKind::Conflict,
        ),
        (
            Recipe::new().platforms([platform()]).preserve(true),
            ErrorKind::Conflict,
        ),
        (
            Recipe::new().annotate(Scope::Each, "a", "b").preserve(true),
            ErrorKind::Conflict,
        ),
        (Recipe::new().annotate(Scope::Root, "", "b"), ErrorKind::Invalid),
    ] {
        let target = Target::Name(Name::parse("x").unwrap());
        let options = Options::default();
        let refused = prepare(
            Arc::new(Untouched),
            Arc::new(Memory::new()),
            &target,
            &recipe,
            &options,
        )
        .await;
        assert_eq!(refused.unwrap_err().kind(), kind, "{recipe:?}");
    }
}

#[tokio::test]
async fn layers_that_do_not_fit_the_config_are_refused_if_the_manifest_is_written() {
    let diff_id = format!("sha256:{}", "1".repeat(64));
    for (diff_ids, history, fits) in [
        (vec![&diff_id], json!([]), true),
        (vec![&diff_id], json!([{ "empty_layer": true }, {}]), true),
        (vec![], json!([]), false),
        (vec![&diff_id, &diff_id], json!([]), false),
        (vec![&diff_id], json!([{}, {}]), false),
        (vec![&diff_id], json!([{ "empty_layer": true }]), false),
    ] {
        let store = Store::default();
        let config = json!({ "architecture": "amd64", "os": "linux", "history": history,
            "rootfs": { "type": "layers", "diff_ids": diff_ids } });
        let config = store.blob(OCI_CONFIG, config.to_string()).await;
        let layer = store.blob(OCI_GZIP, "layer").await;
        let image =
            json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer] });
        let image = store.manifest(&image).await;
        let converted = store.prepare(&image, &Recipe::new().format(Format::Docker)).await;
        match converted {
            Ok(_) => assert!(fits, "{config}"),
            Err(error) => assert!(!fits && error.kind() == ErrorKind::Invalid, "{error}"),
        }
        // What is not written is not checked.
        store.prepare(&image, &Recipe::new()).await.unwrap();
    }
}

/// A sink that takes one format only.
struct Picky(Format);

#[async_trait]
impl Sink for Picky {
    async fn contains(&self, _: &Descriptor) -> Result<bool, Error> {
        panic!("the sink was asked")
    }

    async fn push_blob(&self, _: Blob) -> Result<(), Error> {
        panic!("the sink was written to")
    }

    async fn push_manifest(&self, _: &Manifest, _: Option<&Name>) -> Result<(), Error> {
        panic!("the sink was written to")
    }

    fn accepts(&self, descriptor: &Descriptor) -> Result<(), Error> {
        match Format::of(descriptor.media_type()) {
            Some(format) if format != self.0 => Err(Error::new(ErrorKind::Unsupported, "another format")),
            _ => Ok(()),
        }
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

#[tokio::test]
async fn a_type_that_the_sink_refuses_is_refused_before_anything_is_written() {
    let image = Image::small("a");
    let store = Store::with_image(&image).await;
    let target = Target::from(image.manifest().digest());
    for (format, accepted) in [(Format::Oci, Format::Docker), (Format::Docker, Format::Oci)] {
        let recipe = Recipe::new().format(format);
        let options = Options::default();
        let sink = Arc::new(Picky(accepted));
        let refused = prepare(store.0.clone(), sink, &target, &recipe, &options).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported, "{format:?}");
        let sink = Arc::new(Picky(format));
        prepare(store.0.clone(), sink, &target, &recipe, &options)
            .await
            .unwrap();
    }
}

struct Refuses(wharf_reference::Digest);

#[async_trait]
impl Gate for Refuses {
    async fn admit(&self, manifest: &Manifest, _: &Role) -> Result<(), Rejection> {
        if *manifest.digest() == self.0 {
            return Err(Rejection::new("it is not trusted"));
        }
        Ok(())
    }
}

#[tokio::test]
async fn the_gate_judges_every_original_manifest() {
    let index = Index::of(vec![Image::small("a"), Image::small("b")]);
    let store = Store::with_index(&index).await;
    let judged = [
        index.manifest(),
        index.images()[0].manifest(),
        index.images()[1].manifest(),
    ];
    for manifest in judged {
        let options = Options::default().with_gate(Refuses(manifest.digest().clone()));
        for recipe in [Recipe::new(), Recipe::new().format(Format::Docker)] {
            let error = store
                .prepare_with(index.manifest(), &recipe, &options)
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
            assert!(error.to_string().contains("not trusted"), "{error}");
        }
    }
    let converted = store
        .prepare(index.manifest(), &Recipe::new().format(Format::Docker))
        .await
        .unwrap();
    let options = Options::default().with_gate(Refuses(converted.root().digest().clone()));
    let recipe = Recipe::new().format(Format::Docker);
    store
        .prepare_with(index.manifest(), &recipe, &options)
        .await
        .unwrap();
}

/// Records the roles of the manifests.
#[derive(Clone, Default)]
struct Records(Arc<std::sync::Mutex<Vec<(wharf_reference::Digest, Role)>>>);

#[async_trait]
impl Gate for Records {
    async fn admit(&self, manifest: &Manifest, role: &Role) -> Result<(), Rejection> {
        let entry = (manifest.digest().clone(), role.clone());
        self.0.lock().unwrap().push(entry);
        Ok(())
    }
}

#[tokio::test]
async fn the_gate_is_told_the_role_of_each_manifest() {
    let index = Index::of(vec![Image::small("a"), Image::small("b")]);
    let store = Store::with_index(&index).await;
    let image = index.images()[0].manifest();
    let instance = || Role::Instance {
        index: index.manifest().digest().clone(),
    };
    let amd64 = Platform::new("linux", "amd64");
    let rows = [
        (
            index.manifest(),
            Recipe::new(),
            vec![Role::Index, instance(), instance()],
        ),
        (index.manifest(), Recipe::new().select(amd64), vec![instance()]),
        (image, Recipe::new().format(Format::Docker), vec![Role::Target]),
    ];
    for (root, recipe, expected) in rows {
        let records = Records::default();
        let options = Options::default().with_gate(records.clone());
        store.prepare_with(root, &recipe, &options).await.unwrap();
        let roles: Vec<Role> = records
            .0
            .lock()
            .unwrap()
            .iter()
            .map(|(_, role)| role.clone())
            .collect();
        assert_eq!(roles, expected, "{recipe:?}");
    }
}

#[tokio::test]
async fn an_image_larger_than_the_limit_is_refused() {
    let image = Image::small("a");
    let store = Store::with_image(&image).await;
    let size =
        image.manifest().bytes().len() as u64 + image.manifest().blobs().map(Descriptor::size).sum::<u64>();
    for (limit, fits) in [(size, true), (size - 1, false)] {
        let options = Options::default().with_max_size(limit);
        let prepared = store
            .prepare_with(image.manifest(), &Recipe::new(), &options)
            .await;
        assert_eq!(prepared.is_ok(), fits, "{limit} of {size}");
    }
}

#[tokio::test]
async fn annotations_are_written_to_the_manifests_of_their_scope() {
    let index = Index::of(vec![
        Image::small("a"),
        Image::builder()
            .platform(Platform::new("linux", "arm64"))
            .files(&[("x", b"y")])
            .finish(),
    ]);
    let store = Store::with_index(&index).await;
    let rows = [
        (Scope::Root, [true, false, false]),
        (Scope::Each, [false, true, true]),
        (
            Scope::Platform(Platform::new("linux", "arm64")),
            [false, false, true],
        ),
    ];
    for (scope, expected) in rows {
        let recipe = Recipe::new().annotate(scope.clone(), "k", "v");
        let prepared = store.prepare(index.manifest(), &recipe).await.unwrap();
        let entries = prepared.root().manifests();
        let manifests = [
            prepared.root().clone(),
            child(&prepared, &entries[0]).await,
            child(&prepared, &entries[1]).await,
        ];
        let annotated =
            manifests.map(|manifest| manifest.annotations().get("k").is_some_and(|value| value == "v"));
        assert_eq!(annotated, expected, "{scope:?}");
    }
    let image = index.images()[0].manifest();
    for scope in [
        Scope::Root,
        Scope::Each,
        Scope::Platform(Platform::new("linux", "amd64")),
    ] {
        let recipe = Recipe::new().annotate(scope, "k", "v");
        let prepared = store.prepare(image, &recipe).await.unwrap();
        assert_eq!(prepared.root().annotations()["k"], "v");
    }
    let docker = Recipe::new()
        .format(Format::Docker)
        .annotate(Scope::Each, "k", "v");
    let error = store.prepare(image, &docker).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_document_that_is_edited_keeps_unknown_members_and_their_order() {
    let store = Store::default();
    let image = store.image(OCI_MANIFEST, OCI_CONFIG, OCI_GZIP).await;
    let (config, layers) = (
        document(&image)["config"].to_string(),
        document(&image)["layers"].to_string(),
    );
    let text = format!(
        r#"{{"x":1.0,"layers":{layers},"schemaVersion":2,"config":{config},"annotations":{{"z":"1"}}}}"#
    );
    let image = store.text(&text).await;
    let recipe = Recipe::new().annotate(Scope::Root, "a", "2");
    let prepared = store.prepare(&image, &recipe).await.unwrap();
    let expected = text.replace(r#""z":"1""#, r#""z":"1","a":"2""#);
    assert_eq!(prepared.root().bytes(), &expected);
}

#[tokio::test]
async fn referrers_of_a_changed_image_are_counted_and_not_carried() {
    let image = Image::small("a");
    let store = Store::with_image(&image).await;
    for name in ["one", "two"] {
        let referrer = Image::builder()
            .artifact_type(MediaType::parse("a/b").unwrap())
            .files(&[(name, b"")])
            .subject(image.manifest().descriptor())
            .finish();
        store.add_image(&referrer).await;
    }
    let prepared = store
        .prepare(image.manifest(), &Recipe::new().format(Format::Docker))
        .await
        .unwrap();
    assert_eq!(prepared.report().dropped_referrers(), Some(2));
    assert_eq!(prepared.referrers(prepared.root().digest()).await.unwrap(), []);
    let kept = store.prepare(image.manifest(), &Recipe::new()).await.unwrap();
    assert_eq!(kept.report().dropped_referrers(), Some(0));
    assert_eq!(kept.referrers(kept.root().digest()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_copy_of_the_result_is_whole_and_reads_as_any_image() {
    let index = Index::of(vec![
        Image::small("a"),
        Image::builder()
            .docker()
            .platform(Platform::new("linux", "arm64"))
            .files(&[("x", b"y")])
            .finish(),
    ]);
    let store = Store::with_index(&index).await;
    for format in [Format::Oci, Format::Docker] {
        let prepared = store
            .prepare(index.manifest(), &Recipe::new().format(format))
            .await
            .unwrap();
        let (sink, target) = (Arc::new(Memory::new()), prepared.target());
        let options = Selection::All.into();
        let report = copy(Arc::new(prepared), sink.clone(), &target, options)
            .await
            .unwrap();
        let root = sink.manifest(&target).await.unwrap();
        assert_eq!(report.digest(), root.digest());
        for (entry, image) in root.manifests().iter().zip(index.images()) {
            let manifest = sink.manifest_of(entry).await.unwrap();
            for (descriptor, (_, bytes)) in manifest.blobs().zip(image.blobs()) {
                assert_eq!(sink.fetch(descriptor, 1 << 20).await.unwrap(), bytes);
            }
        }
    }
}

#[tokio::test]
async fn a_platform_that_index_and_config_state_differently_is_a_warning() {
    let store = Store::default();
    let image = store.image(DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_GZIP).await;
    let entry = json!({ "mediaType": DOCKER_MANIFEST, "digest": image.digest(), "size": image.bytes().len(),
        "platform": { "os": "linux", "architecture": "s390x" } });
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry] });
    let index = store.manifest(&index).await;
    let prepared = store
        .prepare(&index, &Recipe::new().format(Format::Oci))
        .await
        .unwrap();
    let [warning] = prepared.report().warnings() else {
        panic!("{:?}", prepared.report().warnings());
    };
    assert!(
        warning.contains("linux/s390x") && warning.contains("linux/amd64"),
        "{warning}"
    );
}

#[tokio::test]
async fn dockers_schema_1_is_refused_with_what_to_do() {
    for media_type in [
        Some("application/vnd.docker.distribution.manifest.v1+json"),
        Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
        None,
    ] {
        let text = r#"{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[],"history":[],"signatures":[]}"#;
        let media_type = media_type.map(MediaType::from_document);
        let error = Manifest::parse(text.into(), media_type.as_ref()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(
            error
                .to_string()
                .contains("push the image again with a current tool"),
            "{error}"
        );
    }
}
