use serde_json::{Value, json};
use wharf_content::ErrorKind;
use wharf_image::{ConfigDocument, Member};

const CONFIG: &str = r#"{
  "x-first": 1.50e3, "os" : "linux",
  "architecture":"amd64", "author": "\u003ca\u003e \/",
  "config": {"Cmd": null, "Env": [], "X-Unknown": {"b": 2, "a": [1, 2.0]}, "User": ""},
  "rootfs": {"diff_ids": [], "type": "layers"}, "history": [{"x": 123456789012345678901234567890}]
}
"#;

fn parse(text: &str) -> ConfigDocument {
    ConfigDocument::parse(text.to_owned().into()).unwrap()
}

#[test]
fn without_an_edit_the_bytes_are_the_same() {
    let mut config = parse(CONFIG);
    assert_eq!(config.bytes(), CONFIG);
    config.set(&["os"], &json!("linux")).unwrap();
    config.set(&["config", "Env"], &json!([])).unwrap();
    assert!(!config.remove(&["config", "Nothing"]).unwrap());
    assert!(!config.remove(&["nothing", "at", "all"]).unwrap());
    assert_eq!(config.bytes(), CONFIG);
}

#[test]
fn unknown_members_their_order_and_the_text_of_values_stay() {
    let mut config = parse(CONFIG);
    config.set(&["config", "User"], &json!("1000")).unwrap();
    assert_eq!(
        config.bytes(),
        r#"{"x-first":1.50e3,"os":"linux","architecture":"amd64","author":"\u003ca\u003e \/","config":{"Cmd":null,"Env":[],"X-Unknown":{"b":2,"a":[1,2.0]},"User":"1000"},"rootfs":{"diff_ids":[],"type":"layers"},"history":[{"x":123456789012345678901234567890}]}"#
    );
    assert!(config.remove(&["config", "User"]).unwrap());
    assert_eq!(config.member(&["config", "User"]), Member::Absent);
    assert_eq!(config.config().unwrap().user(), None);
}

#[test]
fn absent_null_and_empty_are_told_apart() {
    let config = parse(CONFIG);
    for (path, expected) in [
        (&["config", "Cmd"][..], Member::Null),
        (&["config", "Env"], Member::Value(json!([]))),
        (&["config", "User"], Member::Value(json!(""))),
        (&["config", "Labels"], Member::Absent),
        (&["config", "Cmd", "deeper"], Member::Absent),
        (&["os", "deeper"], Member::Absent),
        (&[], Member::Absent),
        (&["config", "X-Unknown", "b"], Member::Value(json!(2))),
    ] {
        assert_eq!(config.member(path), expected, "{path:?}");
    }
}

#[test]
fn objects_on_the_way_are_made_and_others_are_not_replaced() {
    let mut config = parse(r#"{"architecture":"amd64","os":"linux","config":null}"#);
    config.set(&["config", "Labels", "a.b/c"], &json!("<1>")).unwrap();
    assert_eq!(
        config.bytes(),
        r#"{"architecture":"amd64","os":"linux","config":{"Labels":{"a.b/c":"<1>"}}}"#
    );
    let before = config.bytes().clone();
    for (path, value) in [
        (&["os", "x"][..], json!(1)),
        (&[], json!(1)),
        (&["history"], json!("no list")),
        (&["config", "Env"], json!([1])),
    ] {
        let error = config.set(path, &value).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{path:?}");
        assert_eq!(config.bytes(), &before, "{path:?}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    for text in [
        r#"{"os":"linux","os":"windows"}"#,
        r#"{"os":"linux","OS":"windows"}"#,
        r#"{"config":{"User":"0","user":"1"}}"#,
        r#"{"rootfs":{"type":"layers","Type":"layers"}}"#,
        r#"{"history":[{"comment":"","Comment":""}]}"#,
        r#"{"x":{"y":1,"y":2}}"#,
    ] {
        let error = ConfigDocument::parse(text.to_owned().into()).unwrap_err();
        let kind = error.kind();
        assert!(
            matches!(kind, ErrorKind::Ambiguous | ErrorKind::Invalid),
            "{text}: {kind:?}"
        );
    }
    // Labels are no members of the format: their case tells them apart.
    parse(r#"{"config":{"Labels":{"a":"1","A":"2"}}}"#);
}

#[test]
fn what_is_no_config_is_refused() {
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    let many = format!(r#"{{"x":[{}0]}}"#, "0,".repeat(200_001));
    for (text, kind) in [
        ("", ErrorKind::Invalid),
        ("[]", ErrorKind::Invalid),
        ("null", ErrorKind::Invalid),
        (r#"{"os":1}"#, ErrorKind::Invalid),
        (r#"{"os":"linux"} x"#, ErrorKind::Invalid),
        (r#"{"os":"\ud800"}"#, ErrorKind::Invalid),
        (&deep, ErrorKind::Invalid),
        (&many, ErrorKind::TooLarge),
    ] {
        let error = ConfigDocument::parse(text.to_owned().into()).unwrap_err();
        assert_eq!(error.kind(), kind, "{text:.40}");
    }
    let error = ConfigDocument::parse(vec![b' '; (4 << 20) + 1].into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[test]
fn what_was_set_is_read_back() {
    let values = [
        json!("text \u{2028} <&> \u{1}"),
        json!(["a", "b"]),
        json!({ "k": "v" }),
        json!(null),
        json!(-1.5),
        json!(true),
    ];
    for value in values {
        let mut config = parse(CONFIG);
        config.set(&["x-new"], &value).unwrap();
        let expected = if value == Value::Null {
            Member::Null
        } else {
            Member::Value(value)
        };
        assert_eq!(config.member(&["x-new"]), expected);
        assert_eq!(
            parse(std::str::from_utf8(config.bytes()).unwrap()).bytes(),
            config.bytes()
        );
    }
}
