//! Images on a new base: M112.

use std::sync::Arc;

use serde_json::{Value, json};
use wharf_content::{
    ErrorKind, Gate, History, Location, Manifest, Platform, Rejection, Role, Sink as _, Source as _,
};
use wharf_copy::{Selection, copy};
use wharf_image::{Base, Layers, NewLayer, Options, Recipe};
use wharf_store::Memory;
use wharf_testkit::Image;

use crate::support::{
    DOCKER_CONFIG, DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Store, assert_valid, child,
    config_of, document,
};

const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
const BASE_NAME: &str = "org.opencontainers.image.base.name";

/// A layer, by the name of its file, with its entries of the history.
#[derive(Clone, Copy)]
struct Part(&'static str, &'static [&'static str]);

/// An image of these layers; an entry of the history that begins with `-` has no layer.
async fn image(store: &Store, architecture: &str, parts: &[Part], docker: bool) -> Manifest {
    let mut builder = Image::builder();
    for Part(name, _) in parts {
        builder = builder.files(&[(name, name.as_bytes())]);
    }
    let made = if docker { builder.docker() } else { builder }.finish();
    store.add_image(&made).await;
    let mut config: Value = serde_json::from_slice(&made.blobs()[0].1).unwrap();
    let entries = parts.iter().flat_map(|Part(_, entries)| *entries);
    let entries = entries.map(|text| match text.strip_prefix('-') {
        Some(text) => json!({ "created_by": text, "empty_layer": true }),
        None => json!({ "created_by": text }),
    });
    config["history"] = entries.collect();
    config["architecture"] = architecture.into();
    config["config"] = json!({ "User": parts.last().map(|Part(name, _)| *name) });
    let mut manifest = document(made.manifest());
    let (media_type, kind) = if docker {
        (DOCKER_MANIFEST, DOCKER_CONFIG)
    } else {
        (OCI_MANIFEST, OCI_CONFIG)
    };
    manifest["mediaType"] = media_type.into();
    manifest["config"] = store.blob(kind, config.to_string()).await;
    store.manifest(&manifest).await
}

const OLD: [Part; 2] = [
    Part("old-1", &["FROM old", "-ENV old"]),
    Part("old-2", &["RUN old"]),
];
const NEW: [Part; 3] = [
    Part("new-1", &["FROM new"]),
    Part("new-2", &["RUN new"]),
    Part("new-3", &["RUN more", "-CMD new"]),
];
const APP: [Part; 2] = [
    Part("app-1", &["-ENV app", "COPY app"]),
    Part("app-2", &["RUN app", "-CMD app"]),
];

fn on(base: &[Part]) -> Vec<Part> {
    base.iter().chain(&APP).copied().collect()
}

fn base(store: &Store, image: &Manifest) -> Base {
    Base::new(store.0.clone(), image.digest().into())
}

#[tokio::test]
async fn the_layers_and_history_of_the_base_are_replaced() {
    for (docker, docker_base) in [(false, false), (true, true), (false, true), (true, false)] {
        let (store, elsewhere) = (Store::default(), Store::default());
        let old = image(&store, "amd64", &OLD, docker).await;
        let new = image(&elsewhere, "amd64", &NEW, docker_base).await;
        let app = image(&store, "amd64", &on(&OLD), docker).await;
        let named = base(&elsewhere, &new).with_name("registry.example/base:2");
        let recipe = Recipe::new().rebase(base(&store, &old), named);
        let prepared = store.prepare(&app, &recipe).await.unwrap();

        // As if the image had been built on the new base.
        let expected = image(&Store::default(), "amd64", &on(&NEW), docker).await;
        assert_eq!(document(prepared.root())["layers"], document(&expected)["layers"]);
        let config = config_of(&prepared).await;
        let made: Vec<&str> = config["history"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["created_by"].as_str().unwrap())
            .collect();
        assert_eq!(
            made,
            [
                "FROM new", "RUN new", "RUN more", "CMD new", "ENV app", "COPY app", "RUN app", "CMD app"
            ]
        );
        assert_eq!(config["config"]["User"], "app-2", "the config of the image stays");
        let annotations = &document(prepared.root())["annotations"];
        if docker {
            assert_eq!(*annotations, Value::Null);
        } else {
            assert_eq!(annotations[BASE_DIGEST], new.digest().as_str());
            assert_eq!(annotations[BASE_NAME], "registry.example/base:2");
        }
        assert_valid(&prepared).await;
        let sink = Arc::new(Memory::new());
        let target = prepared.target();
        copy(Arc::new(prepared), sink.clone(), &target, Selection::All.into())
            .await
            .unwrap();
        assert_eq!(sink.manifest(&target).await.unwrap().layers().len(), 5);
    }
}

#[tokio::test]
async fn the_same_base_gives_the_same_digest() {
    let store = Store::default();
    let old = image(&store, "amd64", &OLD, false).await;
    let app = image(&store, "amd64", &on(&OLD), false).await;
    let recipe = Recipe::new().rebase(base(&store, &old), base(&store, &old).with_name("any"));
    let prepared = store.prepare(&app, &recipe).await.unwrap();
    assert_eq!(prepared.root().bytes(), app.bytes());
    assert!(!prepared.report().is_changed());
}

#[tokio::test]
async fn there_and_back_gives_the_same_layers_and_config() {
    let store = Store::default();
    let old = image(&store, "amd64", &OLD, false).await;
    let new = image(&store, "amd64", &NEW, false).await;
    let app = image(&store, "amd64", &on(&OLD), false).await;
    let recipe = Recipe::new()
        .rebase(base(&store, &old), base(&store, &new))
        .rebase(base(&store, &new), base(&store, &old));
    let prepared = store.prepare(&app, &recipe).await.unwrap();
    for key in ["config", "layers"] {
        assert_eq!(document(prepared.root())[key], document(&app)[key], "{key}");
    }
}

#[tokio::test]
async fn an_image_that_is_not_on_the_old_base_is_refused() {
    let store = Store::default();
    let new = image(&store, "amd64", &NEW, false).await;
    let rows: [(&[Part], Vec<Part>, &str); 5] = [
        (&OLD, on(&NEW), "layer 1"),
        (&[OLD[0], NEW[1]], on(&OLD), "layer 2"),
        (&[OLD[1], OLD[0]], on(&OLD), "layer 1"),
        (&[OLD[0], OLD[1], APP[0], APP[1], NEW[0]], on(&OLD), "fewer"),
        (
            // The layers fit, and the history does not.
            &[Part("old-1", &["FROM old", "-a", "-b", "-c", "-d", "-e"]), OLD[1]],
            on(&OLD),
            "history",
        ),
    ];
    for (old, app, part) in rows {
        let old = image(&store, "amd64", old, false).await;
        let app = image(&store, "amd64", &app, false).await;
        let recipe = Recipe::new().rebase(base(&store, &old), base(&store, &new));
        let error = store.prepare(&app, &recipe).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{part}: {error}");
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    // A layer that was added is none of a base.
    let old = image(&store, "amd64", &OLD, false).await;
    let scratch = image(&store, "amd64", &[], false).await;
    let layer = Image::builder().plain_files(&[("a", b"1")]).finish();
    let recipe = Recipe::new()
        .append(
            NewLayer::from_bytes(layer.blobs()[1].1.clone()),
            History::default(),
        )
        .append(
            NewLayer::from_bytes(layer.blobs()[1].1.clone()),
            History::default(),
        )
        .rebase(base(&store, &old), base(&store, &new));
    let error = store.prepare(&scratch, &recipe).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
}

#[tokio::test]
async fn an_index_is_rebased_platform_by_platform() {
    let store = Store::default();
    let mut entries: [Vec<Value>; 3] = Default::default();
    for architecture in ["amd64", "arm64"] {
        for (list, parts) in entries.iter_mut().zip([OLD.to_vec(), NEW.to_vec(), on(&OLD)]) {
            let image = image(&store, architecture, &parts, false).await;
            list.push(json!({
                "mediaType": OCI_MANIFEST, "digest": image.digest(), "size": image.bytes().len(),
                "platform": { "os": "linux", "architecture": architecture },
            }));
        }
    }
    let mut indexes = Vec::new();
    for list in entries {
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list });
        indexes.push(store.manifest(&index).await);
    }
    let [old, new, app] = indexes.as_slice() else {
        panic!("three indexes")
    };
    let recipe = Recipe::new().rebase(base(&store, old), base(&store, new));
    let prepared = store.prepare(app, &recipe).await.unwrap();
    assert_valid(&prepared).await;
    for (number, entry) in prepared.root().manifests().iter().enumerate() {
        let image = child(&prepared, entry).await;
        assert_eq!(image.layers().len(), 5);
        let annotations = &document(&image)["annotations"];
        assert_eq!(
            annotations[BASE_DIGEST],
            new.manifests()[number].digest().as_str()
        );
        assert_eq!(annotations.get(BASE_NAME), None);
        assert_eq!(entry.platform(), app.manifests()[number].platform());
    }
    // A base that has no image for one of the platforms.
    let short =
        json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [document(new)["manifests"][0]] });
    let short = store.manifest(&short).await;
    let recipe = Recipe::new().rebase(base(&store, old), base(&store, &short));
    let error = store.prepare(app, &recipe).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("linux/arm64"), "{error}");
}

#[tokio::test]
async fn the_platform_is_that_of_the_new_base_and_annotations_of_the_old_one_go() {
    let store = Store::default();
    let old = image(&store, "amd64", &OLD, false).await;
    let new = image(&store, "riscv64", &NEW, false).await;
    let app = image(&store, "amd64", &on(&OLD), false).await;
    let mut annotated = document(&app);
    annotated["annotations"] = json!({ BASE_NAME: "old", BASE_DIGEST: old.digest(), "kept": "1" });
    let app = store.manifest(&annotated).await;
    let recipe = Recipe::new().rebase(base(&store, &old), base(&store, &new));
    let prepared = store.prepare(&app, &recipe).await.unwrap();
    assert_eq!(config_of(&prepared).await["architecture"], "riscv64");
    assert_eq!(
        document(prepared.root())["annotations"],
        json!({ BASE_DIGEST: new.digest(), "kept": "1" })
    );
}

#[tokio::test]
async fn no_history_is_invented_for_a_base_without_one() {
    const BARE_OLD: [Part; 2] = [Part("old-1", &[]), Part("old-2", &[])];
    const BARE_NEW: [Part; 1] = [Part("new-1", &[])];
    let store = Store::default();
    let bare_app: Vec<Part> = on(&OLD).iter().map(|Part(name, _)| Part(name, &[])).collect();
    // The image, the old and the new base, and the entries of the result.
    let rows = [
        (on(&OLD), BARE_OLD.as_slice(), NEW.as_slice(), Some(8)),
        (on(&OLD), &OLD, &BARE_NEW, None),
        (bare_app.clone(), &OLD, &NEW, None),
        (bare_app, &BARE_OLD, &BARE_NEW, None),
    ];
    for (number, (app, old, new, entries)) in rows.into_iter().enumerate() {
        let app = image(&store, "amd64", &app, false).await;
        let old = image(&store, "amd64", old, false).await;
        let new = image(&store, "amd64", new, false).await;
        let recipe = Recipe::new().rebase(base(&store, &old), base(&store, &new));
        let prepared = store.prepare(&app, &recipe).await.unwrap();
        let config = config_of(&prepared).await;
        let found = config
            .get("history")
            .and_then(Value::as_array)
            .map(Vec::len)
            .filter(|count| *count > 0);
        assert_eq!(found, entries, "row {number}");
        assert_valid(&prepared).await;
    }
}

struct Never;

#[async_trait::async_trait]
impl Gate for Never {
    async fn admit(&self, _: &Manifest, _: &Role) -> Result<(), Rejection> {
        Err(Rejection::new("no signature"))
    }
}

#[tokio::test]
async fn a_base_is_judged_and_bounded_and_its_layers_come_from_its_source() {
    let (store, elsewhere) = (Store::default(), Store::default());
    let old = image(&store, "amd64", &OLD, false).await;
    let new = image(&elsewhere, "amd64", &NEW, false).await;
    let app = image(&store, "amd64", &on(&OLD), false).await;
    let recipe = |new: Base| Recipe::new().rebase(base(&store, &old), new);
    let judged = recipe(base(&elsewhere, &new).with_gate(Never));
    let error = store.prepare(&app, &judged).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");

    let size: u64 = app.blobs().map(wharf_content::Descriptor::size).sum::<u64>() + app.bytes().len() as u64;
    let larger = image(
        &elsewhere,
        "amd64",
        &[NEW[0], NEW[1], NEW[2], APP[0], APP[1], OLD[0], OLD[1]],
        false,
    )
    .await;
    let options = Options::default().with_max_size(size + 10);
    let bounded = recipe(base(&elsewhere, &larger));
    let error = store.prepare_with(&app, &bounded, &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");

    // Layers are compressed anew wherever they come from.
    let plain = recipe(base(&elsewhere, &new)).layers(Layers::Plain);
    let prepared = store.prepare(&app, &plain).await.unwrap();
    assert_eq!(prepared.report().layers().len(), 5);
    assert_valid(&prepared).await;
    let layer = &prepared.root().layers()[0];
    assert_eq!(prepared.location_of(layer), Location::Memory);
    assert!(!store.0.contains(&new.layers()[0]).await.unwrap());

    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [] });
    let empty = elsewhere.manifest(&index).await;
    let error = store.prepare(&app, &recipe(base(&elsewhere, &empty))).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
    let artifact = Image::builder()
        .artifact_type(wharf_content::MediaType::OCTET_STREAM)
        .finish();
    elsewhere.add_image(&artifact).await;
    let error = store
        .prepare(&app, &recipe(base(&elsewhere, artifact.manifest())))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let platform = Platform::new("linux", "amd64");
    let selected = recipe(base(&elsewhere, &new)).select(platform);
    store.prepare(&app, &selected).await.unwrap();
}
