//! Every malformed registries.conf: file, line, key and what was expected.

use wharf_config::{ConfigErrorKind, Locations, Registries};

use crate::support::Host;
use ConfigErrorKind::Syntax;

/// A file, and its error.
struct Case {
    text: String,
    kind: String,
    line: usize,
    key: Option<&'static str>,
    /// A part of the message.
    message: &'static str,
}

/// The cases of errors.txt, whose head describes the form.
fn cases() -> Vec<Case> {
    let (_, cases) = include_str!("errors.txt").split_once("\n\n##").unwrap();
    let cases = cases.split("\n=== ").skip(1);
    cases.map(case).collect()
}

fn case(case: &'static str) -> Case {
    let (head, rest) = case.split_once("\n> ").unwrap();
    let (message, text) = rest.split_once('\n').unwrap();
    let (text, _) = text.split_once("\n\n## ").unwrap_or((text, ""));
    let (kind, rest) = head.split_once(' ').unwrap();
    let (line, key) = rest.split_once(' ').unwrap();
    Case {
        text: text.strip_suffix('\n').unwrap_or(text).replace("\\u{1}", "\u{1}"),
        kind: kind.to_owned(),
        line: line.parse().unwrap(),
        key: Some(key).filter(|key| *key != "-"),
        message,
    }
}

pub(crate) fn count() -> usize {
    cases().len()
}

#[test]
fn every_mistake_is_located() {
    for case in cases() {
        let text = &case.text;
        let error = Registries::parse(text).expect_err(text);
        let context = format!("{error}\n{text}");
        assert_eq!(format!("{:?}", error.kind()), case.kind, "{context}");
        assert_eq!(error.line(), Some(case.line), "{context}");
        assert_eq!(error.key(), case.key, "{context}");
        assert!(error.message().contains(case.message), "{context}");
    }
}

#[test]
fn an_error_prints_its_file_line_and_column() {
    let host = Host::new(&[(
        "etc/containers/registries.conf.d/1.conf",
        "# ä\n[[registry]]\nlocation = \"x.lan\" # é\ninsecure = \"yes\"\n",
    )]);
    let error = Registries::load(&host.locations()).unwrap_err();
    let file = host.path("etc/containers/registries.conf.d/1.conf");
    let expected = format!(
        "{}:4:12: registry.insecure: expected true or false, found string",
        file.display()
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.file(), Some(file.as_path()));
    assert_eq!(error.column(), Some(12));
}

#[test]
fn all_bad_aliases_of_a_file_are_reported() {
    let text = "[aliases]\nz = 'b'\na = 'x.lan/a:1'\nok = 'x.lan/a'\n";
    let error = Registries::parse(text).unwrap_err();
    assert_eq!(error.line(), Some(2));
    assert_eq!(error.others().len(), 1);
    assert_eq!(error.others()[0].line(), Some(3));
    assert_eq!(
        error.to_string(),
        "line 2:5: aliases.\"z\": \"b\" does not name a registry: expected registry/path; \
         line 3:5: aliases.\"a\": \"x.lan/a:1\" must not have a tag or digest"
    );
}

#[test]
fn text_from_files_is_bounded_and_escaped() {
    let text = format!("short-name-mode = \"\\u001b[31m{}\"", "x".repeat(10_000));
    let error = Registries::parse(&text).unwrap_err();
    assert!(error.to_string().len() < 300);
    assert!(error.to_string().contains("\\u{1b}[31m"));
}

#[test]
fn one_bad_file_fails_the_whole_load() {
    let host = Host::new(&[
        (
            "etc/containers/registries.conf",
            "[[registry]]\nlocation = 'x.lan'\n",
        ),
        (
            "etc/containers/registries.conf.d/a.conf",
            "short-name-mode = 'no'\n",
        ),
    ]);
    assert!(Registries::load(&host.locations()).is_err());
}

#[test]
fn a_file_that_is_not_text_is_an_error_with_a_line() {
    let host = Host::new(&[]);
    std::fs::write(host.path("f"), b"# ok\n# \xff\n").unwrap();
    let locations = Locations::none().with_registries_conf(host.path("f"));
    let error = Registries::load(&locations).unwrap_err();
    assert_eq!(
        (error.kind(), error.line(), error.column()),
        (Syntax, Some(2), Some(3))
    );
}

#[test]
fn a_file_without_end_is_not_read_to_it() {
    let locations = Locations::none().with_registries_conf("/dev/zero");
    if std::path::Path::new("/dev/zero").exists() {
        let error = Registries::load(&locations).unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::TooLarge);
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_must_not_be_read_is_an_error_where_a_missing_one_is_not() {
    use std::{fs, os::unix::fs::PermissionsExt};

    let host = Host::new(&[("etc/containers/registries.conf", "")]);
    let file = host.path("etc/containers/registries.conf");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    match Registries::load(&host.locations()) {
        Ok(_) => assert!(
            fs::read(&file).is_ok(),
            "only the superuser may read it all the same"
        ),
        Err(error) => assert_eq!(error.kind(), ConfigErrorKind::Unreadable),
    }
}
