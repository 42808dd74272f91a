//! Images as a person lists, finds and filters them.

use std::time::{Duration, SystemTime};

use wharf_content::{
    BuiltImage, Descriptor, ErrorKind, Hasher, History, ImageBuilder, ImageConfig, IndexBuilder, MediaType,
    Platform, SinkExt as _,
};
use wharf_store::{Collect, Filter, ImageSummary, Layout, Prune, find_summary};

use crate::support::{Scratch, name};

/// An image of one layer for each text, made on this day of January 2026.
fn image(day: u32, layers: &[&str], label: &str) -> BuiltImage {
    let mut config = ImageConfig::builder(Platform::host())
        .with_created(format!("2026-01-{day:02}T12:00:00Z"))
        .with_label("tier", label)
        .with_history(History::default().with_created_by("ENV nothing").without_layer());
    let mut builder = ImageBuilder::new();
    for layer in layers {
        let step = format!("COPY {layer}");
        config = config
            .with_diff_id(&Hasher::sha256(layer.as_bytes()))
            .with_history(
                History::default()
                    .with_created_by(step)
                    .with_created("2026-01-01T00:00:00Z"),
            );
        builder = builder.with_layer_bytes(MediaType::OCI_LAYER, (*layer).to_owned());
    }
    builder.with_config(config.build().unwrap()).build().unwrap()
}

/// `docker.io/library/base:latest` and `localhost/base:1` (day 1), `localhost/app:1` (day 2) on it, one without a name
/// (day 3), and an index (the latest of its images is of day 4).
async fn store(scratch: &Scratch) -> Layout {
    let store = scratch.store().await;
    let base = image(1, &["base"], "os");
    store
        .push_image(&base, Some(&name("docker.io/library/base:latest")))
        .await
        .unwrap();
    store
        .tag(&name("localhost/base:1"), base.root().descriptor())
        .await
        .unwrap();
    store
        .push_image(&image(2, &["base", "app"], "web"), Some(&name("localhost/app:1")))
        .await
        .unwrap();
    let nameless = image(3, &["other"], "web");
    store.push_image(&nameless, Some(&name("gone"))).await.unwrap();
    store.untag(&name("gone")).await.unwrap();
    let index = IndexBuilder::new()
        .with_image(&image(4, &["i"], "x"))
        .with_image(&image(2, &["j"], "x"));
    store
        .push_image(&index.build().unwrap(), Some(&name("quay.io/team/both:1")))
        .await
        .unwrap();
    store
}

fn names(images: &[&ImageSummary]) -> Vec<String> {
    let name = |image: &&ImageSummary| {
        image
            .names
            .first()
            .map_or("<none>".to_owned(), ToString::to_string)
    };
    images.iter().map(name).collect()
}

#[tokio::test]
async fn images_are_listed_once_with_all_their_names_the_latest_first() {
    let scratch = Scratch::new();
    let store = store(&scratch).await;
    let images = store.summaries().await.unwrap();
    let all: Vec<_> = images.iter().collect();
    assert_eq!(
        names(&all),
        [
            "quay.io/team/both:1",
            "<none>",
            "localhost/app:1",
            "docker.io/library/base:latest"
        ]
    );
    let base = &images[3];
    assert_eq!(
        base.names,
        [name("docker.io/library/base:latest"), name("localhost/base:1")]
    );
    let built = image(1, &["base"], "os");
    assert_eq!(base.digest, *built.digest());
    assert_eq!(base.id, *built.root().config().unwrap().digest());
    let sizes = built.root().blobs().map(Descriptor::size).sum::<u64>();
    assert_eq!(base.size, sizes + built.root().bytes().len() as u64);
    assert_eq!(
        base.created,
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_268_800))
    );
    assert_eq!(base.labels["tier"], "os");
    assert_eq!(images[0].id, images[0].digest, "an index has no config");
    assert_eq!(images[0].platforms.len(), 2);
    let json = serde_json::to_value(base).unwrap();
    assert_eq!(json["Id"], base.id.encoded());
    assert_eq!(json["Created"], 1_767_268_800);
    assert_eq!(json["RepoTags"][1], "localhost/base:1");
    assert_eq!(
        json["RepoDigests"][0],
        format!("docker.io/library/base@{}", base.digest)
    );
    assert!(images.iter().all(|image| image.unreadable.is_none()));
}

#[tokio::test]
async fn an_image_that_cannot_be_read_is_listed_with_the_reason() {
    let scratch = Scratch::new();
    let store = store(&scratch).await;
    let (app, base) = (image(2, &["base", "app"], "web"), image(1, &["base"], "os"));
    std::fs::remove_file(scratch.blob_file(app.digest())).unwrap();
    scratch.damage(base.root().config().unwrap().digest());
    drop(store);
    let images = scratch.store().await.summaries().await.unwrap();
    assert_eq!(images.len(), 4);
    let unreadable = |wanted: &str| {
        let found = images.iter().find(|image| image.name(wanted).is_some()).unwrap();
        (found.unreadable.clone().unwrap(), found.created)
    };
    let (missing, created) = unreadable("localhost/app:1");
    assert!(missing.contains(app.digest().as_str()), "{missing}");
    assert_eq!(created, None);
    assert!(unreadable("base").0.contains("digest"));
}

#[tokio::test]
async fn an_image_is_found_by_the_names_that_people_use() {
    let scratch = Scratch::new();
    let images = store(&scratch).await.summaries().await.unwrap();
    let base = &images[3];
    let id = base.id.encoded();
    let start = |length| id.chars().take(length).collect::<String>();
    for text in [
        "docker.io/library/base:latest",
        "docker.io/library/base",
        "base",
        "base:latest",
        "base:1",
        "localhost/base:1",
        &start(3),
        &start(12),
        id,
        base.id.as_str(),
        base.digest.as_str(),
    ] {
        assert_eq!(find_summary(&images, text).unwrap().digest, base.digest, "{text}");
    }
    for text in [
        "bas",
        "base:2",
        "app",
        "library/app:1",
        &start(2),
        "",
        "quay.io/library/base",
        "UPPER",
    ] {
        let error = find_summary(&images, text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{text}");
    }
    let twins: Vec<ImageSummary> = [base.clone(), base.clone()]
        .into_iter()
        .map(|mut image| {
            image.names.clear();
            image
        })
        .collect();
    assert_eq!(find_summary(&twins, id).unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn filters_have_podmans_meaning() {
    let scratch = Scratch::new();
    let images = store(&scratch).await.summaries().await.unwrap();
    let (both, none, app, base) = (
        "quay.io/team/both:1",
        "<none>",
        "localhost/app:1",
        "docker.io/library/base:latest",
    );
    let id: String = images[2].id.encoded().chars().take(8).collect();
    let id = format!("id={id}");
    let digest = format!("digest={}", images[1].digest);
    let rows: &[(&[&str], &[&str])] = &[
        (&[], &[both, none, app, base]),
        (&["dangling=true"], &[none]),
        (&["dangling=false"], &[both, app, base]),
        (&["dangling=true", "dangling=false"], &[both, none, app, base]),
        (&["reference=base"], &[base]),
        (&["reference=localhost/*"], &[app, base]),
        (&["reference=*:1"], &[both, app, base]),
        (&["reference=b*"], &[both, base]),
        (&["reference=team/both"], &[both]),
        (&["reference=app", "reference=both"], &[both, app]),
        (&["reference=[ab]pp"], &[app]),
        (&["before=app:1"], &[base]),
        (&["since=base"], &[both, none, app]),
        (&["after=base", "before=quay.io/team/both:1"], &[none, app]),
        (&["until=2026-01-02T12:00:01Z"], &[app, base]),
        (&["until=1767268800"], &[]),
        (&["until=1767268801"], &[base]),
        (&["until=1h"], &[both, none, app, base]),
        (&["label=tier"], &[none, app, base]),
        (&["label=tier=web"], &[none, app]),
        (&["label=tier=web", "label=tier=os"], &[none, app, base]),
        (&["label=tier=web", "dangling=false"], &[app]),
        (&["label!=tier"], &[both]),
        (&["label!=tier=web"], &[both, base]),
        (&["label!=tier=web", "label!=tier=os"], &[both]),
        (&[&id], &[app]),
        (&[&digest], &[none]),
        (&["id=ffffffffffff"], &[]),
    ];
    for (filters, expected) in rows {
        let parsed: Vec<_> = filters.iter().map(|text| Filter::parse(text).unwrap()).collect();
        let found = Filter::all(&parsed, &images).unwrap();
        assert_eq!(names(&found), *expected, "{filters:?}");
    }
    for wrong in [
        "dangling",
        "dangling=maybe",
        "reference=",
        "intermediate=true",
        "containers=false",
        "until=yesterday",
        "until=1.5h",
        "until=h",
        "until=99999999999999999999h",
        "=x",
    ] {
        assert_eq!(
            Filter::parse(wrong).unwrap_err().kind(),
            ErrorKind::Invalid,
            "{wrong}"
        );
    }
    let unknown = Filter::all(&[Filter::Before("nothing".to_owned())], &images);
    assert_eq!(unknown.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn the_history_and_the_tree_of_an_image_explain_its_layers() {
    let scratch = Scratch::new();
    let store = store(&scratch).await;
    let history = store.history(&name("localhost/app:1").into()).await.unwrap();
    let steps: Vec<_> = history
        .iter()
        .map(|step| (step.created_by.as_str(), step.size))
        .collect();
    assert_eq!(steps, [("COPY app", 3), ("COPY base", 4), ("ENV nothing", 0)]);
    assert_eq!(history[0].layer, Some(Hasher::sha256(b"app")));
    assert_eq!((history[2].layer.as_ref(), history[2].created), (None, None));

    let bare = ImageBuilder::for_platform(Platform::host())
        .with_tar("a")
        .with_tar("bb")
        .build()
        .unwrap();
    store.push_image(&bare, Some(&name("bare"))).await.unwrap();
    let history = store.history(&name("bare").into()).await.unwrap();
    let sizes: Vec<_> = history.iter().map(|step| step.size).collect();
    assert_eq!(sizes, [2, 1], "steps that nothing explains");

    let tree = store.tree(&name("localhost/app:1").into()).await.unwrap();
    let tops: Vec<Vec<&str>> = tree
        .layers
        .iter()
        .map(|layer| layer.top_of.iter().map(wharf_content::Name::as_str).collect())
        .collect();
    assert_eq!(
        tops,
        [
            vec!["docker.io/library/base:latest", "localhost/base:1"],
            vec!["localhost/app:1"]
        ]
    );
    let (lower, upper) = (Hasher::sha256(b"base"), Hasher::sha256(b"app"));
    assert_eq!(tree.layers[0].chain_id, lower);
    assert_eq!(
        tree.layers[1].chain_id,
        Hasher::sha256(format!("{lower} {upper}").as_bytes())
    );
    assert_eq!(tree.size, 7);

    let wasm = MediaType::from_document("application/wasm");
    let artifact = ImageBuilder::new().with_artifact_type(wasm).build().unwrap();
    store
        .push_image(&artifact, Some(&name("artifact")))
        .await
        .unwrap();
    let error = store.history(&name("artifact").into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let error = store.tree(&name("nothing").into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn only_the_images_that_were_chosen_are_pruned() {
    let scratch = Scratch::new();
    let store = store(&scratch).await;
    let images = store.summaries().await.unwrap();
    let (none, app) = (images[1].digest.clone(), images[2].digest.clone());
    drop(store);
    let store = scratch.store().await;
    let collect = Collect::default();
    let dry = collect.clone().with_dry_run(true);
    let would = store
        .prune_only(Prune::Dangling, &[none.clone(), app.clone()], &dry)
        .await
        .unwrap();
    assert_eq!(would.images, 1);
    assert_eq!(store.summaries().await.unwrap().len(), 4);
    store
        .prune_only(Prune::Dangling, std::slice::from_ref(&app), &collect)
        .await
        .unwrap();
    assert_eq!(store.summaries().await.unwrap().len(), 4, "it has a name");
    let done = store
        .prune_only(Prune::Dangling, &[none.clone(), app.clone()], &collect)
        .await
        .unwrap();
    assert_eq!(done.images, 1);
    let done = store.prune_only(Prune::All, &[app], &collect).await.unwrap();
    assert_eq!(done.images, 1);
    assert_eq!(store.summaries().await.unwrap().len(), 2);
    assert!(store.check().await.unwrap().is_clean());
}
