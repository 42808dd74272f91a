use std::fs;

use tempfile::TempDir;
use wharf_config::{AuthFile, AuthFormat, ConfigErrorKind};

/// Every text is refused, with the place, and without a byte of its values.
#[test]
fn malformed_files_are_refused_with_the_position() {
    for (text, message) in [
        (
            "",
            "line 1:1: the file is empty; remove it, or write {} into it for no credentials",
        ),
        (
            "{}{}",
            "line 1:3: something follows the end of the JSON value; remove it",
        ),
        (
            "{} x",
            "line 1:4: something follows the end of the JSON value; remove it",
        ),
        ("[]", "line 1:1: expected the file to be an object"),
        ("\"canary\"", "line 1:1: expected the file to be an object"),
        (
            "\u{feff}{}",
            "line 1:1: the text begins with a byte order mark; save it as UTF-8 without one",
        ),
        (
            "{\"auths\": {\"a\": {\"auth\": \"canary\",}}}",
            "line 1:35: a comma stands before the closing bracket; remove it",
        ),
        (
            "{\"auths\":\n {\"a\": {\"auth\": canary}}}",
            "line 2:17: not JSON from here; strings and keys stand in double quotes",
        ),
        (
            "{\"auths\": \"canary\"}",
            "line 1:11: expected `auths` to be an object",
        ),
        (
            "{\"auths\": [\"canary\"]}",
            "line 1:11: expected `auths` to be an object",
        ),
        (
            "{\"auths\":\n {\"a\": \"canary\"}}",
            "line 2:8: expected an entry of `auths` to be an object",
        ),
        (
            "{\"auths\":\n {\"a\":\n {\"auth\": 5}}}",
            "line 3:11: expected `auth` to be a string",
        ),
        (
            "{\"auths\": {\"a\": {\"Auth\": {\"x\": \"canary\"}}}}",
            "line 1:26: expected `auth` to be a string",
        ),
        (
            "{\"auths\": {\"a\": {\"identitytoken\": [\"canary\"]}}}",
            "line 1:35: expected `identitytoken` to be a string",
        ),
        (
            "{\"credHelpers\": 7}",
            "line 1:17: expected `credHelpers` to be an object",
        ),
        (
            "{\"credHelpers\": {\"a\": 7}}",
            "line 1:23: expected a helper of `credHelpers` to be a string",
        ),
        (
            "{\"auths\": {\"a\": {\"auth\": \"\\ud800\"}}}",
            "line 1:33: the string has an escape that stands for no character",
        ),
        (
            "{\"auths\": {\"a\": {\"auth\": \"canary",
            "line 1:32: the text ends within a value: it was cut off, or a closing quote, } or ] is missing",
        ),
    ] {
        for format in [AuthFormat::Containers, AuthFormat::Docker] {
            let error = AuthFile::parse(text, format).unwrap_err();
            assert_eq!(error.to_string(), message, "{text:?}");
            assert_eq!(error.kind(), ConfigErrorKind::Syntax);
        }
    }
}

/// A secret around the payload is told from a file without credentials.
#[test]
fn a_kubernetes_secret_is_recognised() {
    const CONFIG: &str = "decode the base64 of its `.dockerconfigjson` and use that";
    const LEGACY: &str = "decode the base64 of its `.dockercfg` and write that as the value of `auths`";
    for (text, place, advice) in [
        (
            "{\"apiVersion\": \"v1\",\n \"kind\": \"Secret\", \"data\": {\".dockerconfigjson\": \"canary\"}}",
            "2:10",
            CONFIG,
        ),
        (
            "{\"kind\": \"Secret\", \"apiVersion\": \"v1\", \"data\": {\".dockercfg\": \"canary\"}}",
            "1:10",
            LEGACY,
        ),
        (
            "{\"kind\": \"Secret\", \"apiVersion\": \"v1\", \"stringData\": {\".dockerconfigjson\": \"canary\"}}",
            "1:10",
            CONFIG,
        ),
        (
            "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": []}",
            "1:10",
            CONFIG,
        ),
        ("{\".dockerconfigjson\": \"canary\"}", "1:23", CONFIG),
        ("{\".dockercfg\": \"canary\"}", "1:16", LEGACY),
        (
            "apiVersion: v1\ndata:\n  .dockerconfigjson: canary\nkind: Secret\n",
            "4:1",
            CONFIG,
        ),
        ("kind: Secret\r\ndata:\r\n  .dockercfg: canary\r\n", "1:1", LEGACY),
    ] {
        for format in [AuthFormat::Containers, AuthFormat::Docker, AuthFormat::Kubernetes] {
            let error = AuthFile::parse(text, format).unwrap_err();
            let expected =
                format!("line {place}: this is a Kubernetes secret, not a file of credentials; {advice}");
            assert_eq!(error.to_string(), expected, "{text}");
        }
    }
    for text in [
        "eyJhdXRocyI6e319",
        "ewogICJhdXRocyI6IHt9Cn0=\n",
        "eyJh\r\ndXRo\r\n",
    ] {
        let error = AuthFile::parse(text, AuthFormat::Containers)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("the file is base64") && error.contains("decode it"),
            "{error}"
        );
    }
    for text in ["eyJ: x", "eyes wide", "plain"] {
        let error = AuthFile::parse(text, AuthFormat::Containers)
            .unwrap_err()
            .to_string();
        assert!(!error.contains("base64"), "{error}");
    }
    // Members of these names mean nothing elsewhere.
    for text in [
        "{\"kind\": \"Secret\"}",
        "{\"kind\": \"Config\", \"apiVersion\": \"v1\"}",
        "{\"data\": {\".dockerconfigjson\": \"\"}}",
        "{\"kind\": 5, \"apiVersion\": 5}",
    ] {
        AuthFile::parse(text, AuthFormat::Containers).unwrap();
    }
}

#[test]
fn what_upstream_tolerates_is_tolerated() {
    for text in [
        "{}",
        "null",
        "{\"auths\": null}",
        "{\"auths\": {\"a\": null}}",
        "{\"auths\": {\"a\": {\"auth\": null, \"email\": 5}}}",
        "{\"credHelpers\": null, \"HttpHeaders\": {\"x\": [1]}, \"credsStore\": null}",
        "{\"auths\": {\"a\": {\"auth\": \"%\"}}}",
    ] {
        for format in [AuthFormat::Containers, AuthFormat::Docker] {
            AuthFile::parse(text, format).unwrap();
        }
    }
    // Docker's own fields have types in Docker's form only.
    let text = "{\"auths\": {\"a\": {\"username\": 5}}, \"credsStore\": 5}";
    AuthFile::parse(text, AuthFormat::Containers).unwrap();
    AuthFile::parse(text, AuthFormat::Docker).unwrap_err();
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_and_a_missing_one_is_not() {
    let dir = TempDir::new().unwrap();
    let missing = AuthFile::read(&dir.path().join("none/auth.json"), AuthFormat::Containers).unwrap();
    assert_eq!(missing.entries().count(), 0);
    let error = AuthFile::read(dir.path(), AuthFormat::Containers).unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Unreadable);
    let path = dir.path().join("auth.json");
    fs::write(&path, b"{\n\"auths\": \xff}").unwrap();
    let error = AuthFile::read(&path, AuthFormat::Containers).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}:2:10: the file is not UTF-8", path.display())
    );
    for bytes in [&b"\xff\xfe{\0}\0"[..], b"\xfe\xff\0{\0}"] {
        fs::write(&path, bytes).unwrap();
        let error = AuthFile::read(&path, AuthFormat::Containers).unwrap_err();
        let expected = format!("{}: the file is UTF-16; save it as UTF-8", path.display());
        assert_eq!(error.to_string(), expected);
    }
    fs::write(&path, vec![b' '; (16 << 20) + 1]).unwrap();
    let error = AuthFile::read(&path, AuthFormat::Containers).unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::TooLarge);
}
