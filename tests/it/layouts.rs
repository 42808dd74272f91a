//! Images in layouts that other tools have written, as a user reaches them.

use std::{fs, path::Path};

use wharf::{Client, ErrorKind, ImageLocation as Location};
use wharf_registry::Registry;
use wharf_testkit::{Image, Sandbox};

use crate::program::run;

const REF_NAME: &str = "org.opencontainers.image.ref.name";
const FULL_NAME: &str = "io.containerd.image.name";

type Annotations<'a> = &'a [(&'a str, &'a str)];
type Entries<'a> = &'a [(&'a Image, Annotations<'a>)];

/// Writes a layout as `docker save` does: an entry for each image with these annotations.
fn write(path: &Path, images: Entries<'_>) {
    let mut entries = Vec::new();
    for (image, annotations) in images {
        image.write_layout(path, "any");
        let annotations: serde_json::Map<String, serde_json::Value> = annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).into()))
            .collect();
        let manifest = image.manifest();
        entries.push(serde_json::json!({
            "mediaType": manifest.media_type(),
            "digest": manifest.digest(),
            "size": manifest.bytes().len(),
            "annotations": annotations,
        }));
    }
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": entries });
    fs::write(path.join("index.json"), index.to_string()).unwrap();
}

fn saved(sandbox: &Sandbox, images: &[Image; 3]) {
    let [a, b, c] = images;
    write(
        &sandbox.path("saved"),
        &[
            (
                a,
                &[(FULL_NAME, "docker.io/library/a:latest"), (REF_NAME, "latest")],
            ),
            (
                b,
                &[(FULL_NAME, "docker.io/library/b:latest"), (REF_NAME, "latest")],
            ),
            (c, &[]),
        ],
    );
}

#[test]
fn images_are_copied_by_full_name_number_and_digest() {
    let sandbox = Sandbox::new();
    let images = ["a", "b", "c"].map(Image::small);
    saved(&sandbox, &images);
    let digests = images
        .each_ref()
        .map(|image| image.manifest().digest().to_string());
    for (what, expected) in [
        (":docker.io/library/a:latest".to_owned(), 0),
        (":b:latest".to_owned(), 1),
        (":b".to_owned(), 1),
        (":@0".to_owned(), 0),
        (":@2".to_owned(), 2),
        (format!("@{}", digests[2]), 2),
        (format!(":@{}", digests[1]), 1),
        (format!(":{}", digests[0]), 0),
    ] {
        let from = format!("oci:saved{what}");
        let copied = run(
            &sandbox,
            "copy",
            &["--quiet", &from, &format!("oci:copied:{expected}")],
        );
        assert_eq!(copied.last_line(), digests[expected], "{what}");
    }
    run(&sandbox, "copy", &["oci:saved:latest", "oci:copied:x"]).fails(1, &["docker.io/library/b:latest"]);
    run(&sandbox, "copy", &["oci:saved", "oci:copied:x"]).fails(1, &["several images", "@2", "a:latest"]);
    run(&sandbox, "copy", &["oci:saved:@3", "oci:copied:x"]).fails(3, &["there are 3 entries"]);
    run(&sandbox, "copy", &["oci:saved:@0", "oci:copied:@0"]).fails(1, &["write a name instead"]);
    let to = format!("oci:copied@{}", digests[0]);
    run(&sandbox, "copy", &["oci:saved:@0", &to]).fails(1, &["write a name instead"]);
    assert!(!sandbox.path("saved/.wharf").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_pushed_by_full_name_number_and_digest() {
    let server = Registry::memory().serve().await.unwrap();
    let host = server.registry().to_string();
    let sandbox = Sandbox::new();
    let images = ["a", "b", "c"].map(Image::small);
    saved(&sandbox, &images);
    let digests = images
        .each_ref()
        .map(|image| image.manifest().digest().to_string());
    tokio::task::spawn_blocking(move || {
        for (what, expected) in [
            ("docker.io/library/a:latest", 0),
            ("b", 1),
            ("@2", 2),
            (digests[0].as_str(), 0),
            (&format!("@{}", digests[1]), 1),
        ] {
            let to = format!("{host}/pushed:{expected}");
            let arguments = ["-q", "--tls-verify=false", "--store", "saved", what, &to];
            let pushed = run(&sandbox, "push", &arguments);
            assert_eq!(pushed.last_line(), digests[expected], "{what}");
        }
        let to = format!("{host}/pushed:x");
        run(&sandbox, "push", &["--store", "saved", "@7", &to]).fails(3, &["there are 3 entries"]);
        run(&sandbox, "push", &["--store", "saved", "@x", &to]).fails(2, &["expected after @"]);
    })
    .await
    .unwrap();
}

/// What stands for the only image of a store.
#[tokio::test]
async fn the_only_image_need_not_be_named() {
    let client = Client::builder().build().unwrap();
    let image = Image::small("x");
    let named: Annotations<'_> = &[(REF_NAME, "v1")];
    let cases: [(Entries<'_>, Option<ErrorKind>); 5] = [
        (&[(&image, named)], None),
        (&[(&image, &[])], None),
        (&[(&image, named), (&image, &[(REF_NAME, "v2")])], None),
        (
            &[(
                &image,
                &[(FULL_NAME, "docker.io/library/a:1,docker.io/library/a:2")],
            )],
            None,
        ),
        (
            &[(&image, named), (&Image::small("y"), &[])],
            Some(ErrorKind::Invalid),
        ),
    ];
    for (entries, expected) in cases {
        let sandbox = Sandbox::new();
        let path = sandbox.path("layout");
        write(&path, entries);
        let location: Location = format!("oci:{}", path.display()).parse().unwrap();
        let found = client.manifest(&location).await;
        assert_eq!(
            found.as_ref().err().map(wharf::Error::kind),
            expected,
            "{entries:?}"
        );
        let to: Location = format!("oci:{}", sandbox.path("copied").display())
            .parse()
            .unwrap();
        let copied = client.copy(&location, &to).await;
        assert_eq!(copied.err().map(|error| error.kind()), expected);
        assert!(!path.join(".wharf").exists());
    }
    // What is no image does not count.
    let sandbox = Sandbox::new();
    let path = sandbox.path("layout");
    write(&path, &[(&image, named)]);
    let index = fs::read_to_string(path.join("index.json")).unwrap();
    let digest = image.blobs()[0].0.digest();
    let other = format!(r#""manifests":[{{"mediaType":"text/plain","digest":"{digest}","size":1}},null,"#);
    fs::write(
        path.join("index.json"),
        index.replacen(r#""manifests":["#, &other, 1),
    )
    .unwrap();
    let location: Location = format!("oci:{}", path.display()).parse().unwrap();
    assert_eq!(client.manifest(&location).await.unwrap(), *image.manifest());
    fs::write(path.join("index.json"), r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
    assert_eq!(
        client.manifest(&location).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn an_image_without_a_name_is_in_index_json_whatever_it_comes_from() {
    let sandbox = Sandbox::new();
    let image = Image::small("unnamed");
    let digest = image.manifest().digest().to_string();
    image.write_layout(&sandbox.path("from"), "x");
    let copy = |from: &str, to: &str| {
        run(&sandbox, "copy", &["--quiet", from, to]).ok();
    };
    copy("oci:from:x", "dir:dir");
    copy("dir:dir", "oci-archive:oci.tar");
    copy("dir:dir", "docker-archive:docker.tar");
    let by_digest = format!("oci:from@{digest}");
    for (number, from) in [
        "dir:dir",
        "oci-archive:oci.tar",
        "docker-archive:docker.tar",
        "oci:from:@0",
        by_digest.as_str(),
    ]
    .iter()
    .enumerate()
    {
        let to = format!("oci:to{number}");
        for _ in 0..2 {
            copy(from, &to);
        }
        let listed = run(&sandbox, "tags", &[&to]);
        assert_eq!(listed.ok().trim(), "@0", "{from}");
        if wharf_testkit::peers_present(&["skopeo"]) {
            let directory = sandbox.path(format!("to{number}"));
            let (to, read) = (
                format!("oci:{}", directory.display()),
                sandbox.path(format!("read{number}")),
            );
            let read = format!("oci:{}", read.display());
            sandbox.skopeo().run(&["copy", &to, &read]).ok();
        }
        // Under its name it is not listed a second time.
        copy(from, &format!("{to}:named"));
        copy(from, &to);
        let listed = run(&sandbox, "tags", &[&to]);
        assert_eq!(listed.ok().trim(), "named", "{from}");
    }
    copy("dir:dir", "oci:unnamed");
    for input in ["docker.tar", "oci.tar", "dir", "unnamed"] {
        let store = format!("loaded-{input}");
        run(&sandbox, "load", &["--quiet", "--store", &store, "-i", input]).ok();
        let listed = run(&sandbox, "tags", &[&format!("oci:{store}")]);
        assert_eq!(listed.ok().trim(), "@0", "{input}");
    }
}
