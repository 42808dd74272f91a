//! Configs of images, read and made.

use bytes::Bytes;
use serde_json::{Value, json};
use wharf_content::{ErrorKind, Hasher, History, ImageConfig, ImageConfigBuilder, MAX_CONFIG_SIZE, Platform};

fn parse(document: &Value) -> Result<ImageConfig, ErrorKind> {
    ImageConfig::parse(document.to_string().into()).map_err(|error| error.kind())
}

fn list(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn every_member_is_read_and_every_byte_is_kept() {
    let digest = Hasher::sha256(b"layer");
    let bytes = format!(
        "{{ \"x-future\": [1.50],\n\"created\":\"2026-01-01T00:00:00.5+02:00\",\"author\":\"ada\",\
         \"architecture\":\"arm\",\"os\":\"linux\",\"variant\":\"v7\",\"os.version\":\"1\",\"docker_version\":\"20.10\",\
         \"container\":\"abc\",\"config\":{{\"User\":\"1000:1000\",\"ExposedPorts\":{{\"80/tcp\":{{}},\"53/udp\":null}},\
         \"Env\":[\"A=1\",\"B=2=3\"],\"Entrypoint\":[\"/bin/sh\",\"-c\"],\"Cmd\":[],\"Volumes\":{{\"/data\":{{}}}},\
         \"WorkingDir\":\"/srv\",\"Labels\":{{\"k\":\"v\"}},\"StopSignal\":\"SIGINT\",\"Healthcheck\":{{\"Test\":[]}}}},\
         \"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[\"{digest}\"]}},\
         \"history\":[{{\"created_by\":\"ENV\",\"empty_layer\":true}},{{\"created\":\"t\",\"comment\":\"c\",\"author\":\"a\"}}]}}\n"
    );
    let config = ImageConfig::parse(Bytes::from(bytes.clone())).unwrap();
    assert_eq!(config.bytes(), bytes.as_bytes());
    let mut platform = Platform::new("linux", "arm").with_variant("v7");
    platform.os_version = Some("1".to_owned());
    assert_eq!(config.platform(), Some(&platform));
    assert_eq!(
        (config.os(), config.architecture(), config.variant()),
        ("linux", "arm", Some("v7"))
    );
    assert_eq!(config.created(), Some("2026-01-01T00:00:00.5+02:00"));
    assert_eq!(
        (config.author(), config.docker_version()),
        (Some("ada"), Some("20.10"))
    );
    assert_eq!(config.user(), Some("1000:1000"));
    assert_eq!(config.env(), Some(list(&["A=1", "B=2=3"]).as_slice()));
    assert_eq!(config.entrypoint(), Some(list(&["/bin/sh", "-c"]).as_slice()));
    assert_eq!(config.cmd(), Some([].as_slice()));
    assert_eq!(config.working_dir(), Some("/srv"));
    assert_eq!(config.stop_signal(), Some("SIGINT"));
    assert_eq!(config.labels().unwrap()["k"], "v");
    assert_eq!(config.exposed_ports().collect::<Vec<_>>(), ["53/udp", "80/tcp"]);
    assert_eq!(config.volumes().collect::<Vec<_>>(), ["/data"]);
    assert_eq!(config.diff_ids().unwrap(), [digest]);
    let [environment, layer] = config.history() else {
        panic!("two entries");
    };
    assert_eq!(
        (environment.created_by(), environment.empty_layer()),
        (Some("ENV"), true)
    );
    assert_eq!(
        (
            layer.created(),
            layer.comment(),
            layer.author(),
            layer.empty_layer()
        ),
        (Some("t"), Some("c"), Some("a"), false)
    );
}

#[test]
fn null_and_absent_and_empty_are_not_set() {
    for document in [
        json!({}),
        json!({"config": null, "rootfs": null, "history": null, "created": null, "architecture": null}),
        json!({"config": {}, "rootfs": {}, "history": [], "created": "", "os": ""}),
        json!({
            "config": {"User": null, "ExposedPorts": null, "Env": null, "Entrypoint": null, "Cmd": null,
                       "Volumes": null, "WorkingDir": "", "Labels": null, "StopSignal": ""},
            "rootfs": {"type": null, "diff_ids": null}, "os.features": null, "variant": "",
        }),
    ] {
        let config = parse(&document).unwrap();
        assert_eq!(
            (config.platform(), config.os(), config.variant()),
            (None, "", None)
        );
        assert_eq!(
            (config.created(), config.author(), config.user()),
            (None, None, None)
        );
        assert_eq!(
            (config.env(), config.entrypoint(), config.cmd()),
            (None, None, None)
        );
        assert_eq!(
            (config.working_dir(), config.labels(), config.stop_signal()),
            (None, None, None)
        );
        assert_eq!((config.exposed_ports().count(), config.volumes().count()), (0, 0));
        assert_eq!((config.diff_ids().unwrap().len(), config.history().len()), (0, 0));
    }
    let half = [json!({"os": "linux"}), json!({"architecture": "arm64", "os": ""})];
    assert!(half.iter().all(|half| parse(half).unwrap().platform().is_none()));
}

/// As Docker reads it: one text for a command line, null in a list.
#[test]
fn old_forms_are_read() {
    let config =
        parse(&json!({"config": {"Cmd": "/bin/sh", "Entrypoint": ["a", null], "Env": [null]}})).unwrap();
    assert_eq!(config.cmd(), Some(list(&["/bin/sh"]).as_slice()));
    assert_eq!(config.entrypoint(), Some(list(&["a", ""]).as_slice()));
    assert_eq!(config.env(), Some(list(&[""]).as_slice()));
    assert_eq!(
        parse(&json!({"config": {"Labels": {}}}))
            .unwrap()
            .labels()
            .unwrap()
            .len(),
        0
    );
}

#[test]
fn what_is_no_config_is_refused() {
    let history = |count: usize| json!({"history": vec![json!({}); count]}).to_string();
    let cases: Vec<(String, ErrorKind)> = vec![
        (String::new(), ErrorKind::Invalid),
        ("{".to_owned(), ErrorKind::Invalid),
        ("[]".to_owned(), ErrorKind::Invalid),
        ("null".to_owned(), ErrorKind::Invalid),
        ("\"x\"".to_owned(), ErrorKind::Invalid),
        ("{} {}".to_owned(), ErrorKind::Invalid),
        (json!({"config": []}).to_string(), ErrorKind::Invalid),
        (json!({"config": ["root"]}).to_string(), ErrorKind::Invalid),
        (json!({"rootfs": ["layers", []]}).to_string(), ErrorKind::Invalid),
        (json!({"history": [["2026"]]}).to_string(), ErrorKind::Invalid),
        (json!({"history": {}}).to_string(), ErrorKind::Invalid),
        (json!({"created": 5}).to_string(), ErrorKind::Invalid),
        (json!({"os": ["linux"]}).to_string(), ErrorKind::Invalid),
        (json!({"config": {"Env": "A=1"}}).to_string(), ErrorKind::Invalid),
        (
            json!({"config": {"Labels": {"a": 1}}}).to_string(),
            ErrorKind::Invalid,
        ),
        (
            json!({"config": {"Volumes": ["/data"]}}).to_string(),
            ErrorKind::Invalid,
        ),
        (json!({"config": {"Cmd": 1}}).to_string(), ErrorKind::Invalid),
        (r#"{"os":"linux","os":"windows"}"#.to_owned(), ErrorKind::Invalid),
        ("[".repeat(100_000), ErrorKind::Invalid),
        (history(10_001), ErrorKind::TooLarge),
        (
            format!(
                "{{\"author\":\"{}\"}}",
                "x".repeat(usize::try_from(MAX_CONFIG_SIZE).unwrap())
            ),
            ErrorKind::TooLarge,
        ),
    ];
    for (text, kind) in cases {
        let shown: String = text.chars().take(60).collect();
        let error = ImageConfig::parse(text.into()).unwrap_err();
        assert_eq!(error.kind(), kind, "{shown}: {error}");
        assert!(error.to_string().len() < 300, "{error}");
    }
    assert!(ImageConfig::parse(history(10_000).into()).is_ok());
    let digest = parse(&json!({"rootfs": {"diff_ids": ["sha256:abc"]}})).unwrap();
    assert_eq!(digest.diff_ids().unwrap_err().kind(), ErrorKind::Invalid);
}

fn builder() -> ImageConfigBuilder {
    ImageConfig::builder(Platform::new("linux", "amd64"))
}

#[test]
fn a_config_is_made_as_it_is_said() {
    let config = builder()
        .with_created("2026-01-01T00:00:00Z")
        .with_author("ada")
        .with_user("1000")
        .with_env("PATH", "/bin")
        .with_env("A", "1")
        .with_env("PATH", "/usr/bin")
        .with_entrypoint(["/app"])
        .with_cmd(["--port", "80"])
        .with_working_dir("/srv")
        .with_stop_signal("SIGINT")
        .with_label("k", "v")
        .with_exposed_port("8080/tcp")
        .with_exposed_port("53/udp")
        .with_volume("/data")
        .with_diff_id(&Hasher::sha256(b"layer"))
        .with_history(History::default().with_created_by("ENV A=1").without_layer())
        .with_history(
            History::default()
                .with_created_by("COPY")
                .with_created("2026-01-01T00:00:00Z"),
        )
        .build()
        .unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(config.bytes()).unwrap(),
        json!({
            "created": "2026-01-01T00:00:00Z", "author": "ada", "architecture": "amd64", "os": "linux",
            "config": {
                "User": "1000", "ExposedPorts": {"8080/tcp": {}, "53/udp": {}}, "Env": ["PATH=/usr/bin", "A=1"],
                "Entrypoint": ["/app"], "Cmd": ["--port", "80"], "Volumes": {"/data": {}}, "WorkingDir": "/srv",
                "Labels": {"k": "v"}, "StopSignal": "SIGINT",
            },
            "rootfs": {"type": "layers", "diff_ids": [Hasher::sha256(b"layer")]},
            "history": [
                {"created_by": "ENV A=1", "empty_layer": true},
                {"created": "2026-01-01T00:00:00Z", "created_by": "COPY"},
            ],
        })
    );
    let least = builder().build().unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(least.bytes()).unwrap(),
        json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
    );
}

#[test]
fn a_config_that_cannot_be_is_refused() {
    let history = History::default;
    let refused = [
        ImageConfig::builder(Platform::new("", "amd64")),
        ImageConfig::builder(Platform::new("linux", "")),
        builder().with_env("", "x"),
        builder().with_env("A", "x\0y"),
        builder().with_label("", "x"),
        builder().with_exposed_port("http"),
        builder().with_exposed_port("80/icmp"),
        builder().with_exposed_port("65536"),
        builder().with_exposed_port("+80"),
        builder().with_exposed_port(""),
        builder().with_created("yesterday"),
        builder().with_created("2026-01-01"),
        builder().with_created("2026-01-01T00:00:00"),
        builder().with_created("2026-01-01T00:00:00.Z"),
        builder().with_created("2026-01-01T00:00:00+0200"),
        builder().with_history(history().with_created("1 Jan").without_layer()),
        builder().with_history(history()),
        builder()
            .with_diff_id(&Hasher::sha256(b""))
            .with_history(history().without_layer()),
    ];
    for (number, builder) in refused.into_iter().enumerate() {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{number}: {error}");
    }
    for time in [
        "2026-01-01T00:00:00Z",
        "2026-01-01t00:00:00.123456789z",
        "1970-01-01T00:00:00+02:00",
        "1970-01-01T00:00:00.5-11:30",
    ] {
        builder().with_created(time).build().unwrap();
    }
    for port in ["80", "80/tcp", "53/udp", "5/sctp"] {
        builder().with_exposed_port(port).build().unwrap();
    }
}

#[cfg(feature = "oci-spec")]
#[test]
fn a_config_is_had_in_the_types_of_oci_spec() {
    let config = builder()
        .with_cmd(["/app"])
        .with_diff_id(&Hasher::sha256(b"layer"))
        .build()
        .unwrap();
    let typed = config.to_config().unwrap();
    assert_eq!(typed.config().as_ref().unwrap().cmd(), &Some(list(&["/app"])));
    assert_eq!(typed.rootfs().diff_ids().len(), 1);
    let error = ImageConfig::parse("{}".into()).unwrap().to_config().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}
