use std::fs;

use tempfile::TempDir;
use wharf_config::{AuthFile, AuthFormat, ConfigErrorKind};

/// Every text is refused, with the place, and without a byte of its values.
#[test]
fn malformed_files_are_refused_with_the_place() {
    for (text, message) in [
        ("", "line 1:1: EOF while parsing a value"),
        ("{}{}", "line 1:3: trailing characters"),
        ("{} x", "line 1:4: trailing characters"),
        ("[]", "line 1:1: expected the file to be an object"),
        ("\"canary\"", "line 1:1: expected the file to be an object"),
        ("\u{feff}{}", "line 1:1: expected value"),
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
            "line 1:33: unexpected end of hex escape",
        ),
        (
            "{\"auths\": {\"a\": {\"auth\": \"canary",
            "line 1:32: EOF while parsing a string",
        ),
    ] {
        for format in [AuthFormat::Containers, AuthFormat::Docker] {
            let error = AuthFile::parse(text, format).unwrap_err();
            assert_eq!(error.to_string(), message, "{text:?}");
            assert_eq!(error.kind(), ConfigErrorKind::Syntax);
        }
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
    fs::write(&path, vec![b' '; (16 << 20) + 1]).unwrap();
    let error = AuthFile::read(&path, AuthFormat::Containers).unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::TooLarge);
}
