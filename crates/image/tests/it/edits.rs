//! Edits of configs: M108, M110, M117.

use serde_json::{Value, json};
use wharf_content::{
    Error, ErrorKind, History, Manifest, Name, Platform, Sink as _, SinkExt as _, Source as _,
    SourceExt as _, Target,
};
use wharf_image::{Edit, Entries, Format, Options, Prepared, Recipe, Set};
use wharf_store::Layout;
use wharf_testkit::{Image, Index, Sandbox, require_peers};

use crate::support::{OCI_CONFIG, OCI_MANIFEST, Store, assert_valid, config_of, document};

/// One edit: the member `config` before, the edits, and the member after. The arguments make umoci do the same, where it
/// can.
struct Row {
    before: Value,
    sets: Vec<Set>,
    after: Value,
    umoci: &'static [&'static str],
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|&text| text.to_owned()).collect()
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn row(before: Value, sets: Vec<Set>, after: Value, umoci: &'static [&'static str]) -> Row {
    Row {
        before,
        sets,
        after,
        umoci,
    }
}

/// Lists and texts.
fn commands() -> Vec<Row> {
    let both = json!({ "Entrypoint": ["/a"], "Cmd": ["b"] });
    vec![
        row(
            both.clone(),
            vec![Set::Entrypoint(Some(texts(&["/x", "y"])))],
            json!({ "Entrypoint": ["/x", "y"] }),
            // umoci leaves the arguments of the old entrypoint, and crane does not.
            &[
                "--clear",
                "config.cmd",
                "--config.entrypoint",
                "/x",
                "--config.entrypoint",
                "y",
            ],
        ),
        row(
            both.clone(),
            vec![
                Set::Entrypoint(Some(texts(&["/x"]))),
                Set::Cmd(Some(texts(&["c"]))),
            ],
            json!({ "Entrypoint": ["/x"], "Cmd": ["c"] }),
            &["--config.entrypoint", "/x", "--config.cmd", "c"],
        ),
        row(
            both.clone(),
            vec![
                Set::Cmd(Some(texts(&["c"]))),
                Set::Entrypoint(Some(texts(&["/x"]))),
            ],
            json!({ "Cmd": ["c"], "Entrypoint": ["/x"] }),
            &["--config.cmd", "c", "--config.entrypoint", "/x"],
        ),
        row(
            both.clone(),
            vec![Set::Cmd(Some(texts(&["c", "d"])))],
            json!({ "Entrypoint": ["/a"], "Cmd": ["c", "d"] }),
            &["--config.cmd", "c", "--config.cmd", "d"],
        ),
        row(
            both.clone(),
            vec![Set::Cmd(None)],
            json!({ "Entrypoint": ["/a"] }),
            &["--clear", "config.cmd"],
        ),
        row(
            both,
            vec![Set::Entrypoint(None)],
            json!({}),
            &["--clear", "config.entrypoint", "--clear", "config.cmd"],
        ),
        row(
            json!({}),
            vec![Set::User(Some(text("1000:1000")))],
            json!({ "User": "1000:1000" }),
            &["--config.user", "1000:1000"],
        ),
        row(
            json!({ "User": "root" }),
            vec![Set::User(None)],
            json!({}),
            &["--config.user", ""],
        ),
        row(
            json!({ "WorkingDir": "/" }),
            vec![
                Set::WorkingDir(Some(text("/srv"))),
                Set::StopSignal(Some(text("SIGRTMIN+3"))),
            ],
            json!({ "WorkingDir": "/srv", "StopSignal": "SIGRTMIN+3" }),
            &["--config.workingdir", "/srv", "--config.stopsignal", "SIGRTMIN+3"],
        ),
    ]
}

/// Members with entries.
fn entries() -> Vec<Row> {
    let env = json!({ "Env": ["PATH=/bin", "A=1", "B=2"] });
    let labels = json!({ "Labels": { "a": "1", "b": "2" } });
    let ports = json!({ "ExposedPorts": { "80/tcp": {}, "53/udp": {} } });
    let volumes = json!({ "Volumes": { "/data": {} } });
    vec![
        row(
            env.clone(),
            vec![Set::Env(Entries::Add(pair("A", "x=y")))],
            json!({ "Env": ["PATH=/bin", "A=x=y", "B=2"] }),
            &["--config.env", "A=x=y"],
        ),
        row(
            env.clone(),
            vec![Set::Env(Entries::Add(pair("C", "")))],
            json!({ "Env": ["PATH=/bin", "A=1", "B=2", "C="] }),
            &["--config.env", "C="],
        ),
        row(
            env.clone(),
            vec![Set::Env(Entries::Remove("A".into()))],
            json!({ "Env": ["PATH=/bin", "B=2"] }),
            &[],
        ),
        row(
            env.clone(),
            vec![Set::Env(Entries::Replace(vec![pair("Z", "1"), pair("Z", "2")]))],
            json!({ "Env": ["Z=2"] }),
            &[],
        ),
        row(
            env,
            vec![Set::Env(Entries::Clear)],
            json!({}),
            &["--clear", "config.env"],
        ),
        row(
            labels.clone(),
            vec![
                Set::Label(Entries::Add(pair("a", "<9>"))),
                Set::Label(Entries::Add(pair("c", ""))),
            ],
            json!({ "Labels": { "a": "<9>", "b": "2", "c": "" } }),
            &["--config.label", "a=<9>", "--config.label", "c="],
        ),
        row(
            labels.clone(),
            vec![Set::Label(Entries::Remove("b".into()))],
            json!({ "Labels": { "a": "1" } }),
            &[],
        ),
        row(
            labels,
            vec![Set::Label(Entries::Clear)],
            json!({}),
            &["--clear", "config.labels"],
        ),
        row(
            ports.clone(),
            vec![Set::Port(Entries::Add("8080".into()))],
            json!({ "ExposedPorts": { "80/tcp": {}, "53/udp": {}, "8080": {} } }),
            &["--config.exposedports", "8080"],
        ),
        row(
            ports.clone(),
            vec![Set::Port(Entries::Replace(vec![
                "80/tcp".into(),
                "9/sctp".into(),
            ]))],
            json!({ "ExposedPorts": { "80/tcp": {}, "9/sctp": {} } }),
            &[],
        ),
        row(
            ports,
            vec![Set::Port(Entries::Clear)],
            json!({}),
            &["--clear", "config.exposedports"],
        ),
        row(
            volumes.clone(),
            vec![Set::Volume(Entries::Add("/var/lib".into()))],
            json!({ "Volumes": { "/data": {}, "/var/lib": {} } }),
            &["--config.volume", "/var/lib"],
        ),
        row(
            volumes,
            vec![Set::Volume(Entries::Remove("/data".into()))],
            json!({}),
            &["--clear", "config.volume"],
        ),
    ]
}

fn rows() -> Vec<Row> {
    let mut rows = commands();
    rows.extend(entries());
    assert!(rows.len() >= 20);
    rows
}

/// An image without layers, with this member `config`.
async fn image(store: &Store, runtime: &Value) -> Manifest {
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": runtime,
        "rootfs": { "type": "layers", "diff_ids": [] },
    });
    raw_image(store, &config.to_string()).await
}

async fn raw_image(store: &Store, config: &str) -> Manifest {
    let config = store.blob(OCI_CONFIG, config.to_owned()).await;
    let image = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [] });
    store.manifest(&image).await
}

async fn edit(store: &Store, image: &Manifest, edit: impl Into<Edit>) -> Result<Prepared, Error> {
    store.prepare(image, &Recipe::new().edit(edit)).await
}

#[tokio::test]
async fn edits_give_the_config_of_crane_and_umoci() {
    for (
        number,
        Row {
            before, sets, after, ..
        },
    ) in rows().into_iter().enumerate()
    {
        let store = Store::default();
        let image = image(&store, &before).await;
        let prepared = edit(&store, &image, sets).await.unwrap();
        let config = config_of(&prepared).await;
        assert_eq!(config["config"], after, "row {number}");
        let entry = &config["history"][0];
        assert_eq!(entry["empty_layer"], true, "row {number}");
        let made = entry["created_by"].as_str().unwrap();
        assert!(made.starts_with("edit "), "row {number}: {made}");
        assert_eq!(entry.get("created"), None, "row {number}: the clock is not read");
        assert_valid(&prepared).await;
    }
}

#[tokio::test]
async fn umoci_writes_the_same_members() {
    require_peers!("umoci");
    let sandbox = Sandbox::new();
    let directory = sandbox.path("images");
    let layout = Layout::create(&directory).await.unwrap();
    let mut compared = 0;
    for (number, row) in rows().into_iter().enumerate() {
        if row.umoci.is_empty() {
            continue; // umoci removes no single entry
        }
        let store = Store::default();
        let image = image(&store, &row.before).await;
        let bytes = store.0.config_bytes(&image).await.unwrap();
        let media_type = image.config().unwrap().media_type().clone();
        layout.push_bytes(media_type, bytes).await.unwrap();
        let name = Name::parse("before").unwrap();
        layout.push_manifest(&image, Some(&name)).await.unwrap();
        let path = format!("{}:before", directory.display());
        let arguments = ["config", "--image", &path, "--tag", "after"];
        let arguments = [&arguments[..], row.umoci].concat();
        sandbox.umoci().run(&arguments).ok();

        let target = Target::from(&Name::parse("after").unwrap());
        let theirs = layout.manifest(&target).await.unwrap();
        let theirs: Value = serde_json::from_slice(&layout.config_bytes(&theirs).await.unwrap()).unwrap();
        let ours = config_of(&edit(&store, &image, row.sets).await.unwrap()).await;
        for key in ["architecture", "os", "author", "config", "rootfs"] {
            assert_eq!(ours.get(key), theirs.get(key), "row {number}: {key}");
        }
        let count = |config: &Value| config["history"].as_array().unwrap().len();
        assert_eq!(count(&ours), count(&theirs), "row {number}");
        compared += 1;
    }
    assert!(compared >= 16, "{compared}");
}

#[tokio::test]
async fn what_is_not_edited_keeps_its_bytes() {
    let store = Store::default();
    let before = r#"{ "x-first" : 1.50, "os":"linux", "config":{"Labels":{"z":"\u003c","a":null},"x-y":[ ],"Env":null}, "architecture":"amd64", "created":"2020-01-01T00:00:00Z","rootfs":{"diff_ids":[],"type":"layers"},"history":[{"x-entry":1,"created_by":"first","empty_layer":true}], "x-last":null}"#;
    let image = raw_image(&store, before).await;
    let prepared = edit(&store, &image, Set::User(Some("u".into()))).await.unwrap();
    let bytes = prepared.config_bytes(prepared.root()).await.unwrap();
    let after = r#"{"x-first":1.50,"os":"linux","config":{"Labels":{"z":"\u003c","a":null},"x-y":[],"Env":null,"User":"u"},"architecture":"amd64","created":"2020-01-01T00:00:00Z","rootfs":{"diff_ids":[],"type":"layers"},"history":[{"x-entry":1,"created_by":"first","empty_layer":true},{"created_by":"edit User","empty_layer":true}],"x-last":null}"#;
    assert_eq!(bytes, after);

    for nothing in [
        vec![],
        vec![Set::User(None)],
        vec![Set::Label(Entries::Add(pair("z", "<")))],
        vec![Set::Env(Entries::Remove("A".into())), Set::Volume(Entries::Clear)],
        vec![Set::Created(Some(text("2020-01-01T00:00:00Z")))],
        vec![Set::Platform(Platform::new("linux", "amd64"))],
    ] {
        let prepared = edit(&store, &image, nothing.clone()).await.unwrap();
        assert_eq!(prepared.root().bytes(), image.bytes(), "{nothing:?}");
        assert!(!prepared.report().is_changed());
    }
}

#[tokio::test]
async fn a_key_in_another_case_is_the_same_member() {
    let store = Store::default();
    let image = image(&store, &json!({ "env": ["A=1"], "user": "root" })).await;
    let sets = [
        Set::Env(Entries::Add(pair("A", "2"))),
        Set::User(Some("u".into())),
    ];
    let config = config_of(&edit(&store, &image, sets).await.unwrap()).await;
    assert_eq!(config["config"], json!({ "env": ["A=2"], "user": "u" }));
}

#[tokio::test]
async fn each_edit_has_one_entry_of_the_history() {
    let image = Image::small("a");
    let store = Store::with_image(&image).await;
    let user = || Set::User(Some("u".into()));
    let given = History::default()
        .with_created_by("USER u")
        .with_created("2021-01-01T00:00:00Z");
    let rows: [(Recipe, Vec<Value>); 5] = [
        (
            Recipe::new().edit([user(), Set::Cmd(Some(texts(&["a"])))]),
            vec![
                json!({ "created_by": "edit User, Cmd", "created": "2026-01-01T00:00:00Z", "empty_layer": true }),
            ],
        ),
        (Recipe::new().edit(Edit::from(user()).without_history()), vec![]),
        (
            Recipe::new().edit(Edit::from(user()).with_history(given)),
            vec![json!({ "created_by": "USER u", "created": "2021-01-01T00:00:00Z", "empty_layer": true })],
        ),
        (
            Recipe::new().edit(user()).edit(user()), // the second changes nothing
            vec![
                json!({ "created_by": "edit User", "created": "2026-01-01T00:00:00Z", "empty_layer": true }),
            ],
        ),
        (
            Recipe::new().edit(user()).edit(Set::Cmd(Some(texts(&["a"])))),
            vec![
                json!({ "created_by": "edit User", "created": "2026-01-01T00:00:00Z", "empty_layer": true }),
                json!({ "created_by": "edit Cmd", "created": "2026-01-01T00:00:00Z", "empty_layer": true }),
            ],
        ),
    ];
    let options = Options::default().with_created("2026-01-01T00:00:00Z");
    for (recipe, added) in rows {
        let prepared = store
            .prepare_with(image.manifest(), &recipe, &options)
            .await
            .unwrap();
        let config = config_of(&prepared).await;
        let history = config["history"].as_array().unwrap();
        assert_eq!(history[2..], added, "{recipe:?}");
        assert_eq!(config["created"], "2024-01-01T00:00:00Z", "{recipe:?}");
    }
    // An image with layers and without history gets none.
    let base = crate::support::without_history(&store, &image).await;
    let prepared = store.prepare(&base, &Recipe::new().edit(user())).await;
    assert_eq!(config_of(&prepared.unwrap()).await.get("history"), None);
}

#[tokio::test]
async fn members_of_the_document_are_set_and_removed() {
    let store = Store::default();
    let image = image(&store, &json!({})).await;
    let arm = Platform::new("linux", "arm").with_variant("v7");
    let sets = [
        Set::Created(Some(text("2022-02-02T02:02:02Z"))),
        Set::Author(Some(text("me"))),
        Set::Platform(arm.clone()),
    ];
    let prepared = edit(&store, &image, sets).await.unwrap();
    let config = config_of(&prepared).await;
    assert_eq!(config["created"], "2022-02-02T02:02:02Z");
    assert_eq!(config["author"], "me");
    let platform = prepared
        .config(prepared.root())
        .await
        .unwrap()
        .platform()
        .cloned();
    assert_eq!(platform, Some(arm));
    let back = [
        Set::Created(None),
        Set::Author(None),
        Set::Platform(Platform::new("linux", "amd64")),
    ];
    let recipe = Recipe::new().edit(Edit::from(back).without_history());
    let again = Store::default();
    let bytes = prepared.config_bytes(prepared.root()).await.unwrap();
    let image = raw_image(&again, std::str::from_utf8(&bytes).unwrap()).await;
    let config = config_of(&again.prepare(&image, &recipe).await.unwrap()).await;
    for key in ["created", "author", "variant"] {
        assert_eq!(config.get(key), None, "{key}");
    }
}

#[tokio::test]
async fn an_edit_reaches_every_image_of_an_index_and_its_entry() {
    let image = |name: &str, architecture: &str| {
        Image::builder()
            .files(&[("name", name.as_bytes())])
            .platform(Platform::new("linux", architecture))
            .finish()
    };
    let index = Index::of(vec![image("a", "amd64"), image("b", "arm64")]);
    let store = Store::with_index(&index).await;
    let recipe = Recipe::new()
        .edit(Set::User(Some("u".into())))
        .format(Format::Docker);
    let prepared = store.prepare(index.manifest(), &recipe).await.unwrap();
    for entry in prepared.root().manifests() {
        let child = crate::support::child(&prepared, entry).await;
        assert_eq!(prepared.config(&child).await.unwrap().user(), Some("u"));
    }
    // One platform for both is refused, and for the selected one the entry does not matter.
    let arm = Platform::new("linux", "arm").with_variant("v7");
    let recipe = Recipe::new().edit(Set::Platform(arm.clone()));
    let error = store.prepare(index.manifest(), &recipe).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let one = recipe.clone().select(Platform::new("linux", "arm64"));
    let prepared = store.prepare(index.manifest(), &one).await.unwrap();
    assert_eq!(
        prepared.config(prepared.root()).await.unwrap().architecture(),
        "arm"
    );
    // In an index of one image, the entry follows the config.
    let single = Index::of(vec![image("a", "amd64")]);
    let store = Store::with_index(&single).await;
    let prepared = store.prepare(single.manifest(), &recipe).await.unwrap();
    assert_eq!(prepared.root().manifests()[0].platform(), Some(&arm));
}

#[tokio::test]
async fn attestations_to_an_edited_image_go() {
    let image = Image::small("a");
    let store = Store::with_image(&image).await;
    let attestation = store
        .image(OCI_MANIFEST, OCI_CONFIG, "application/vnd.in-toto+json")
        .await;
    let entry = |manifest: &Manifest, attests: Option<&str>| {
        let annotations = attests.map(|digest| json!({ "vnd.docker.reference.digest": digest }));
        json!({
            "mediaType": OCI_MANIFEST, "digest": manifest.digest(), "size": manifest.bytes().len(),
            "annotations": annotations.unwrap_or(json!({})),
        })
    };
    let digest = image.manifest().digest().to_string();
    let index = json!({
        "schemaVersion": 2, "mediaType": crate::support::OCI_INDEX,
        "manifests": [entry(image.manifest(), None), entry(&attestation, Some(&digest))],
    });
    let index = store.manifest(&index).await;
    let recipe = Recipe::new().edit(Set::User(Some("u".into())));
    let prepared = store.prepare(&index, &recipe).await.unwrap();
    assert_eq!(prepared.root().manifests().len(), 1);
    assert_eq!(
        prepared.report().dropped_attestations(),
        [attestation.digest().clone()]
    );
    assert_eq!(prepared.report().passed(), [attestation.digest().clone()]);
    // An edit that changes nothing drops nothing.
    let prepared = store
        .prepare(&index, &Recipe::new().edit(Set::User(None)))
        .await
        .unwrap();
    assert_eq!(document(prepared.root()), document(&index));
}

#[tokio::test]
async fn edits_that_no_config_can_have_are_refused_with_their_name() {
    let store = Store::default();
    let image = image(&store, &json!({ "Labels": {} })).await;
    let mut refused: Vec<(Recipe, &str)> = Vec::new();
    let mut add = |set: Set, part: &'static str| refused.push((Recipe::new().edit(set), part));
    add(Set::Env(Entries::Add(pair("", "x"))), "environment variable");
    add(Set::Env(Entries::Add(pair("A=B", "x"))), "A=B");
    add(Set::Env(Entries::Replace(vec![pair("A", "x\0")])), "\"A\"");
    add(Set::Label(Entries::Add(pair("", "x"))), "label has no key");
    for port in ["", "0", "65536", "80/icmp", "80-90", "http", "+80"] {
        add(Set::Port(Entries::Add(port.into())), "port");
    }
    add(Set::Volume(Entries::Add(String::new())), "volume");
    for time in ["", "yesterday", "2024-01-01", "2023-02-29T00:00:00Z"] {
        add(Set::Created(Some(text(time))), "RFC 3339");
    }
    add(Set::Platform(Platform::new("linux", "")), "architecture");
    let history = History::default().with_created("now");
    refused.push((
        Recipe::new().edit(Edit::from(Set::Cmd(None)).with_history(history)),
        "RFC 3339",
    ));
    for (recipe, part) in refused {
        let error = store.prepare(&image, &recipe).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{recipe:?}: {error}");
        assert!(error.to_string().contains(part), "{recipe:?}: {error}");
    }
    let recipe = Recipe::new().edit(Set::Cmd(None));
    let options = Options::default().with_created("tomorrow");
    let error = store.prepare_with(&image, &recipe, &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let error = store.prepare(&image, &recipe.preserve(true)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);

    let artifact = Image::builder()
        .artifact_type(wharf_content::MediaType::OCTET_STREAM)
        .finish();
    store.add_image(&artifact).await;
    let error = edit(&store, artifact.manifest(), Set::User(Some(text("u"))))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let strange = raw_image(
        &store,
        r#"{"os":"linux","architecture":"amd64","rootfs":[],"config":{}}"#,
    );
    let error = edit(&store, &strange.await, Set::User(Some(text("u"))))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}
