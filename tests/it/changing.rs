//! The programs that change images: each in place, to a destination, and with mistakes.

use std::{fs, process::Stdio};

use serde_json::json;
use wharf_registry::Registry;
use wharf_testkit::Sandbox;

use crate::{
    building::{made, with_tar},
    program::{command, ended, run},
};

/// A sandbox with a tar, and an image of it as `app` in a layout `l`.
fn with_image() -> Sandbox {
    let sandbox = with_tar();
    let base = [
        "-q",
        "-c",
        "CMD [\"/old\"]",
        "-c",
        "ENV A=1",
        "root.tar",
        "oci:l:base",
    ];
    run(&sandbox, "import", &base).ok();
    run(
        &sandbox,
        "append",
        &["-q", "-b", "oci:l:base", "-f", "root.tar", "-t", "oci:l:app"],
    )
    .ok();
    sandbox
}

#[test]
fn mutate_changes_the_config_alone_in_place_or_elsewhere() {
    let sandbox = with_image();
    let flags = [
        "-q",
        "--entrypoint=/init,-x",
        "-e",
        "A=2",
        "--env=B=3",
        "-l",
        "k=v",
        "-u",
        "7",
        "-w",
        "/srv",
        "--stop-signal=SIGINT",
        "--exposed-ports=80/tcp,53/udp",
        "--annotation=n=m",
        "--set-platform=linux/arm64",
    ];
    let expected = json!({
        "Env": ["A=2", "B=3"], "Entrypoint": ["/init", "-x"], "Labels": {"k": "v"}, "User": "7", "WorkingDir": "/srv",
        "StopSignal": "SIGINT", "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
    });
    let mut digests = Vec::new();
    for ends in [
        &["oci:l:app", "oci:l:a"][..],
        &["oci:l:app", "-t", "oci:l:b"],
        &["oci:l:app"],
    ] {
        let mut program = command(&sandbox, "mutate", &[&flags[..], ends].concat());
        digests.push(ended(program.env("SOURCE_DATE_EPOCH", "0")).last_line());
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    let [manifest, config] = made(&sandbox, "l", &digests[0]);
    assert_eq!(manifest["annotations"], json!({"n": "m"}));
    assert_eq!(
        (&config["config"], &config["architecture"]),
        (&expected, &json!("arm64"))
    );
    let entry = json!({"created": "1970-01-01T00:00:00Z", "created_by": "mutate", "empty_layer": true});
    assert_eq!(config["history"][2], entry);
    let unrecorded = ["-q", "--no-history", "--entrypoint=", "--cmd=/x", "oci:l:app"];
    let digest = run(&sandbox, "mutate", &unrecorded).last_line();
    let [_, config] = made(&sandbox, "l", &digest);
    assert_eq!(config["config"]["Cmd"], json!(["/x"]));
    assert_eq!(config["config"].get("Entrypoint"), None);
    assert_eq!(config["history"].as_array().unwrap().len(), 3);
    run(&sandbox, "mutate", &["-l", "=v", "oci:l:app"]).fails(2, &["NAME=VALUE"]);
    run(&sandbox, "mutate", &["-u", "1", "oci:l:none"]).fails(3, &["none"]);
    run(&sandbox, "mutate", &["-u", "1", "dir:d"]).fails(1, &["name a destination"]);
    run(&sandbox, "mutate", &["-u", "1", "oci:l:app", "oci-archive:-"]).fails(2, &["standard output"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn append_sends_layers_of_files_and_pipes_with_a_base_and_without() {
    let sandbox = with_image();
    let server = Registry::memory().serve().await.unwrap();
    let to = format!("docker://{}/app:1", server.registry());
    let plain = ["-q", "--tls-verify=false"];
    let piped = [&plain[..], &["-b", "oci:l:base", "-f", "-", "-t", &to]].concat();
    let mut program = command(&sandbox, "append", &piped);
    program.stdin(Stdio::from(fs::File::open(sandbox.path("root.tar")).unwrap()));
    let pushed = ended(&mut program).last_line();
    let same = run(
        &sandbox,
        "append",
        &["-q", "-b", "oci:l:base", "-f", "root.tar", "-t", "oci:l:same"],
    );
    assert_eq!(same.last_line(), pushed);
    let alone = [
        "-q",
        "--platform=linux/s390x",
        "-f",
        "root.tar",
        "-f",
        "root.tar",
        "-t",
        "oci:l:alone",
    ];
    let digest = run(&sandbox, "append", &alone).last_line();
    let [manifest, config] = made(&sandbox, "l", &digest);
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 2);
    assert_eq!(config["architecture"], "s390x");
    assert_eq!(
        config["history"],
        json!([{"created_by": "append"}, {"created_by": "append"}])
    );
    run(&sandbox, "append", &["-f", "no.tar", "-t", "oci:l:x"]).fails(3, &["no.tar"]);
    run(
        &sandbox,
        "append",
        &["-b", "oci:l:no", "-f", "root.tar", "-t", "oci:l:x"],
    )
    .fails(3, &["no"]);
    run(&sandbox, "append", &["-t", "oci:l:x"]).fails(2, &["--new-layer"]);
}

#[test]
fn rebase_puts_the_new_base_below_and_refuses_another_old_one() {
    let sandbox = with_image();
    run(
        &sandbox,
        "append",
        &["-q", "-f", "root.tar", "-f", "root.tar", "-t", "oci:l:new"],
    )
    .ok();
    let bases = ["-q", "--old-base=oci:l:base", "--new-base=oci:l:new"];
    let digest = run(
        &sandbox,
        "rebase",
        &[&bases[..], &["oci:l:app", "oci:l:out"]].concat(),
    )
    .last_line();
    let [manifest, config] = made(&sandbox, "l", &digest);
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 3);
    assert_eq!(config["config"]["Cmd"], json!(["/old"]));
    let wrong = [
        "--old-base=oci:l:out",
        "--new-base=oci:l:base",
        "oci:l:app",
        "oci:l:x",
    ];
    run(&sandbox, "rebase", &wrong).fails(1, &["layer"]);
    run(&sandbox, "rebase", &["oci:l:app", "oci:l:x"]).fails(1, &["base.name", "--old-base"]);
    run(
        &sandbox,
        "rebase",
        &["--old-base=oci:l:no", "--new-base=oci:l:new", "oci:l:app"],
    )
    .fails(3, &["no"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rebase_takes_the_bases_that_the_annotations_name() {
    let sandbox = with_image();
    let server = Registry::memory().serve().await.unwrap();
    let base = format!("{}/base:1", server.registry());
    let plain = ["-q", "--tls-verify=false"];
    let push = |from: &str| {
        let to = format!("docker://{base}");
        let arguments = [&plain[..], &[from, &to]].concat();
        run(&sandbox, "copy", &arguments).last_line()
    };
    let old = push("oci:l:base");
    let name = format!("--annotation=org.opencontainers.image.base.name={base}");
    let stated = format!("--annotation=org.opencontainers.image.base.digest={old}");
    run(&sandbox, "mutate", &["-q", &name, &stated, "oci:l:app"]).ok();
    run(
        &sandbox,
        "append",
        &["-q", "-f", "root.tar", "-f", "root.tar", "-t", "oci:l:new"],
    )
    .ok();
    let new = push("oci:l:new");
    let digest = run(&sandbox, "rebase", &[&plain[..], &["oci:l:app"]].concat()).last_line();
    let [manifest, _] = made(&sandbox, "l", &digest);
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 3);
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.base.digest"],
        new.as_str()
    );
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.base.name"],
        base.as_str()
    );
}

#[test]
fn squash_keeps_the_files_and_makes_one_layer() {
    let sandbox = with_image();
    run(
        &sandbox,
        "append",
        &["-q", "-b", "oci:l:app", "-f", "root.tar", "-t", "oci:l:three"],
    )
    .ok();
    for (from, layers) in [("--from=1", 1), ("--from=2", 2), ("--from=3", 3)] {
        let digest = run(&sandbox, "squash", &["-q", from, "oci:l:three", "oci:l:flat"]).last_line();
        let [manifest, config] = made(&sandbox, "l", &digest);
        assert_eq!(manifest["layers"].as_array().unwrap().len(), layers, "{from}");
        assert_eq!(config["config"]["Cmd"], json!(["/old"]));
        run(&sandbox, "export", &["oci:l:flat", "flat.tar"]).ok();
        run(&sandbox, "export", &["oci:l:three", "three.tar"]).ok();
        let [flat, three] = ["flat.tar", "three.tar"].map(|name| fs::read(sandbox.path(name)).unwrap());
        assert_eq!(flat, three, "{from}");
    }
    let mut dated = command(&sandbox, "squash", &["-q", "oci:l:three", "oci:l:dated"]);
    let digest = ended(dated.env("SOURCE_DATE_EPOCH", "86400")).last_line();
    let [_, config] = made(&sandbox, "l", &digest);
    assert_eq!(config["history"][0]["created"], "1970-01-02T00:00:00Z");
    let digest = run(&sandbox, "squash", &["-q", "oci:l:three", "oci:l:undated"]).last_line();
    let [_, config] = made(&sandbox, "l", &digest);
    assert_eq!(config["history"][0].get("created"), None, "the clock is not read");
    run(&sandbox, "squash", &["--from=9", "oci:l:three"]).fails(3, &["9"]);
    run(&sandbox, "squash", &["oci:l:none"]).fails(3, &["none"]);
}
