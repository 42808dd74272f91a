//! Digests beside Skopeo's, which converts the same images.

use std::{fs, path::Path};

use serde_json::{Value, json};
use wharf_content::{Manifest, SourceExt as _};
use wharf_image::{Format, Recipe};
use wharf_testkit::{Sandbox, require_peers};

use crate::support::{DOCKER_CONFIG, DOCKER_GZIP, DOCKER_MANIFEST, Store, digest_of, document};

/// Members of configs that are generated: each row adds one to a config or replaces one.
fn configs() -> Vec<Value> {
    let base =
        json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [] } });
    let rows = [
        ("/created", json!("2024-02-29T23:59:59.120300Z")),
        ("/created", json!("2024-02-29T23:59:59.000+05:30")),
        ("/created", json!("2024-02-29T23:59:59.1234567899-00:00")),
        ("/created", json!("0001-01-01T00:00:00Z")),
        ("/created", Value::Null),
        (
            "/author",
            json!("<a&b> \u{2028}\u{2029} \"quoted\" \\ \u{8}\u{c}\u{7f} \u{1f600}"),
        ),
        ("/author", json!("")),
        ("/variant", json!("v8")),
        ("/os.version", json!("10.0.1")),
        ("/os.features", json!(["win32k", ""])),
        ("/os.features", json!([])),
        ("/architecture", Value::Null),
        ("/docker_version", json!("20.10")),
        ("/container", json!("abc")),
        ("/container_config", json!({ "Hostname": "h" })),
        ("/parent", json!("sha256:1")),
        ("/x-unknown", json!({ "a": [1, 2.5, null] })),
        ("/config", Value::Null),
        ("/config", json!({})),
        (
            "/config",
            json!({ "User": "1000:1000", "WorkingDir": "/srv", "StopSignal": "SIGRTMIN+3" }),
        ),
        (
            "/config",
            json!({ "ExposedPorts": { "80/tcp": {}, "443": null, "53/udp": { "x": 1 } } }),
        ),
        (
            "/config",
            json!({ "ExposedPorts": {}, "Volumes": {}, "Labels": {}, "Env": [], "Cmd": [] }),
        ),
        ("/config", json!({ "Volumes": { "/b": {}, "/a": {} } })),
        (
            "/config",
            json!({ "Env": ["A=<1>", "B=", null], "Entrypoint": ["/e"], "Cmd": ["a", "b c"] }),
        ),
        (
            "/config",
            json!({ "Labels": { "z": "1", "a.b/c": "&", "\u{e9}": null, "Z": "" } }),
        ),
        (
            "/config",
            json!({ "Healthcheck": { "Test": ["NONE"] }, "OnBuild": ["RUN x"], "Shell": ["/bin/sh"] }),
        ),
        (
            "/config",
            json!({ "ArgsEscaped": true, "Hostname": "h", "Domainname": "d", "Tty": true }),
        ),
        (
            "/config",
            json!({ "ArgsEscaped": false, "AttachStdin": false, "Image": "sha256:1" }),
        ),
        ("/rootfs", json!({ "type": "layers" })),
        (
            "/rootfs",
            json!({ "type": "layers", "diff_ids": null, "extra": 1 }),
        ),
        ("/history", json!([])),
        ("/history", Value::Null),
        (
            "/history",
            json!([
                { "created": "2024-01-01T00:00:00.5Z", "created_by": "/bin/sh -c #(nop) CMD [\"a\"] && b", "empty_layer": true },
                { "empty_layer": true, "author": "x", "comment": "y", "z": 1, "created": null },
            ]),
        ),
    ];
    let row = |(pointer, value): (&str, Value)| {
        let mut config = base.clone();
        config[pointer.trim_start_matches('/')] = value;
        config
    };
    let mut configs: Vec<Value> = rows.into_iter().map(row).collect();
    configs.push(base);
    configs
}

/// Writes an image as Skopeo's `dir:` has it.
async fn write(store: &Store, image: &Manifest, directory: &Path) {
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("version"), "Directory Transport Version: 1.1\n").unwrap();
    fs::write(directory.join("manifest.json"), image.bytes()).unwrap();
    for blob in image.blobs() {
        let bytes = store.0.fetch(blob, 1 << 20).await.unwrap();
        fs::write(directory.join(blob.digest().encoded()), bytes).unwrap();
    }
}

/// The content of a config. Skopeo 1.22 leaves an empty `config` out, has the variant behind the features of the system,
/// and writes backspace and form feed in short; the recipe writes what Skopeo 1.9.3 does.
fn content(config: &str) -> Value {
    let mut content: Value = serde_json::from_str(config).unwrap();
    if content["config"] == json!({}) {
        content.as_object_mut().unwrap().remove("config");
    }
    content
}

#[tokio::test]
async fn a_config_written_anew_has_the_digest_that_skopeo_gives_it() {
    require_peers!("skopeo");
    let (sandbox, mut compared) = (Sandbox::new(), 0);
    let version = sandbox.skopeo().run(&["--version"]).ok();
    let is_newer = !version.contains(" 1.9.");
    for (number, config) in configs().into_iter().enumerate() {
        for layers in [0, 2] {
            // Skopeo does not compare the layers with the config.
            let store = Store::default();
            let mut config = config.clone();
            if layers > 0 && config["rootfs"]["diff_ids"].is_array() {
                let diff_ids = [1, 2].map(|at| format!("sha256:{}", at.to_string().repeat(64)));
                config["rootfs"]["diff_ids"] = json!(diff_ids);
                if config["history"].is_array() {
                    continue;
                }
            } else if layers > 0 {
                continue;
            }
            let config = store.blob(DOCKER_CONFIG, config.to_string()).await;
            let mut list = Vec::new();
            for layer in 0..layers {
                list.push(store.blob(DOCKER_GZIP, format!("layer {layer}")).await);
            }
            let image =
                json!({ "schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": list });
            let image = store.manifest(&image).await;

            let (from, to) = (
                sandbox.path(format!("{number}-{layers}")),
                sandbox.path(format!("{number}-{layers}-oci")),
            );
            write(&store, &image, &from).await;
            let [from, to_text] = [&from, &to].map(|path| format!("dir:{}", path.display()));
            sandbox
                .skopeo()
                .run(&["copy", "--format", "oci", &from, &to_text])
                .ok();
            let theirs = fs::read(to.join("manifest.json")).unwrap();

            let recipe = Recipe::new().format(Format::Oci).as_skopeo(true);
            let ours = store.prepare(&image, &recipe).await.unwrap();
            let config = ours.config_bytes(ours.root()).await.unwrap();
            let their_config = serde_json::from_slice::<Value>(&theirs).unwrap()["config"]["digest"].clone();
            let their_config = fs::read(to.join(&their_config.as_str().unwrap()[7..])).unwrap();
            let [config, their_config] =
                [config.to_vec(), their_config].map(|text| String::from_utf8(text).unwrap());
            compared += 1;
            if config != their_config && is_newer {
                assert_eq!(content(&config), content(&their_config));
                continue;
            }
            assert_eq!(config, their_config);
            assert_eq!(
                ours.root().digest().as_str(),
                digest_of(&theirs),
                "{:?}",
                document(ours.root())
            );
        }
    }
    assert!(compared >= 30, "only {compared} configs were compared");
}

#[tokio::test]
async fn a_manifest_converted_to_dockers_format_has_the_digest_that_skopeo_gives_it() {
    require_peers!("skopeo");
    let sandbox = Sandbox::new();
    for (number, config) in configs().into_iter().enumerate().step_by(4) {
        if config["history"]
            .as_array()
            .is_some_and(|history| !history.is_empty())
        {
            continue;
        }
        let store = Store::default();
        let config = store.blob(crate::support::OCI_CONFIG, config.to_string()).await;
        let image = json!({ "schemaVersion": 2, "mediaType": crate::support::OCI_MANIFEST, "config": config,
            "layers": [], "annotations": { "lost": "1" } });
        let image = store.manifest(&image).await;
        let (from, to) = (
            sandbox.path(format!("{number}")),
            sandbox.path(format!("{number}-docker")),
        );
        write(&store, &image, &from).await;
        let [from, to_text] = [&from, &to].map(|path| format!("dir:{}", path.display()));
        sandbox
            .skopeo()
            .run(&["copy", "--format", "v2s2", &from, &to_text])
            .ok();
        let theirs = fs::read(to.join("manifest.json")).unwrap();
        let ours = store
            .prepare(&image, &Recipe::new().format(Format::Docker))
            .await
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(ours.root().bytes()),
            String::from_utf8_lossy(&theirs)
        );
    }
}
