//! What an error tells, whatever it wraps.

use std::{error, fmt, io, time::Duration};

use wharf_content::{Diagnostic, Error, ErrorKind, Hint, RegistryError, WithCauses};
use wharf_reference::Registry;

/// An error of a client, as `wharf-distribution` has them.
#[derive(Debug)]
struct Refused(Hint, Vec<RegistryError>);

impl Refused {
    fn new() -> Self {
        let registry = Registry::parse("r.example").unwrap();
        Self(
            Hint::LogIn { registry },
            vec![RegistryError::new("DENIED", "no", "")],
        )
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl error::Error for Refused {}

impl Diagnostic for Refused {
    fn hint(&self) -> Option<&Hint> {
        Some(&self.0)
    }

    fn status(&self) -> Option<u16> {
        Some(403)
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(Duration::from_secs(7))
    }

    fn registry_errors(&self) -> &[RegistryError] {
        &self.1
    }

    fn attempts(&self) -> u32 {
        3
    }
}

fn refused() -> Error {
    Error::diagnosed(ErrorKind::Denied, Refused::new())
}

#[test]
fn what_a_wrapped_error_knows_is_known() {
    let plain = || Error::new(ErrorKind::NotFound, "not here");
    for (what, error) in [
        ("as it is", refused()),
        ("as a cause", plain().with_source(refused())),
        ("wrapped", Error::wrap(ErrorKind::Denied, refused())),
        ("twice", plain().with_source(plain().with_source(refused()))),
        (
            "the last of several",
            Error::all(vec![plain(), refused()], "none will do"),
        ),
    ] {
        assert_eq!(error.hint(), Refused::new().hint(), "{what}");
        assert_eq!((error.status(), error.attempts()), (Some(403), 3), "{what}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{what}");
        assert_eq!(error.registry_errors()[0].code, "DENIED", "{what}");
    }
    for error in [
        plain(),
        plain().with_source(io::Error::other("x")),
        Error::all(vec![plain()], "x"),
    ] {
        assert_eq!((error.hint(), error.status(), error.attempts()), (None, None, 0));
        assert!(error.registry_errors().is_empty() && error.retry_after().is_none());
    }
    assert!(refused().inner().unwrap().downcast_ref::<Refused>().is_some());
    let own = refused().with_hint(Hint::CheckName);
    assert_eq!(
        (own.hint(), own.to_string().as_str()),
        (
            Some(&Hint::CheckName),
            "refused; check the name of the repository"
        )
    );
}

#[test]
fn several_failures_stay_what_they_are() {
    let failures = vec![Error::new(ErrorKind::NotFound, "one"), refused()];
    let error = Error::all(failures, "both failed: one, refused");
    assert_eq!((error.kind(), error.failures().len()), (ErrorKind::Denied, 2));
    assert_eq!(error.failures()[0].kind(), ErrorKind::NotFound);
    assert_eq!(error.to_string(), "both failed: one, refused");
}

#[test]
fn debug_is_what_main_should_print() {
    let error = Error::new(ErrorKind::Storage, "cannot write r.example/app")
        .with_source(Error::new(ErrorKind::NoSpace, "no room").with_source(io::Error::other("ENOSPC")))
        .with_hint(Hint::CheckName);
    let expected =
        "cannot write r.example/app; check the name of the repository\n  because: no room\n  because: ENOSPC";
    assert_eq!(format!("{error:?}"), expected);
    assert_eq!(WithCauses(&error).to_string(), expected);
    assert!(format!("{error:#?}").contains("kind: Storage"));
    // What only passes on its cause says nothing of its own.
    let passed_on = Error::new(ErrorKind::Storage, "no room").with_source(io::Error::other("no room"));
    let error = Error::new(ErrorKind::Storage, "cannot write").with_source(passed_on);
    assert_eq!(WithCauses(&error).to_string(), "cannot write\n  because: no room");
    let located = Error::new(ErrorKind::Storage, "layer 2: no room").with_source(error);
    let located = Error::new(ErrorKind::Storage, "layer 2: cannot write").with_source(located);
    let located = Error::new(ErrorKind::Storage, "the image: layer 2: cannot write").with_source(located);
    assert_eq!(
        WithCauses(&located).to_string(),
        "the image: layer 2: cannot write\n  because: layer 2: no room\n  because: cannot write\n  because: no room"
    );
}

/// A library does not know its program's flags, nor its user the library's functions.
#[test]
fn hints_name_no_flags_and_no_functions() {
    let registry = || Registry::parse("r.example").unwrap();
    let hints = [
        Hint::CheckName,
        Hint::CheckTag,
        Hint::LogIn { registry: registry() },
        Hint::CheckNameOrLogIn { registry: registry() },
        Hint::CheckCredentials { registry: registry() },
        Hint::CheckPermissions { registry: registry() },
        Hint::RepairCredentials { registry: registry() },
        Hint::LogInForMore { registry: registry() },
        Hint::TrustTokenServer { registry: registry() },
        Hint::AllowPlaintextLogin { registry: registry() },
        Hint::CheckHostName,
        Hint::CheckPort,
        Hint::PlainHttp { registry: registry() },
        Hint::AddCertificate { registry: registry() },
        Hint::CheckCertificateName,
        Hint::CheckClock,
        Hint::CheckNetwork,
        Hint::AllowInConfiguration,
        Hint::CorrectConfiguration,
        Hint::ManifestLimit,
        Hint::UploadLimit,
        Hint::DeletionDisabled,
        Hint::FreeTag,
        Hint::SwitchOffCompression,
    ];
    for hint in hints {
        let text = hint.to_string();
        assert!(
            !text.contains("--") && !text.contains("::") && !text.contains('_'),
            "{text}"
        );
        assert!(
            !text.ends_with('.') && text.starts_with(|first: char| first.is_lowercase()),
            "{text}"
        );
    }
}

#[test]
fn a_malformed_name_is_invalid_and_says_where() {
    fn parse() -> Result<Registry, Error> {
        Ok(Registry::parse("quay.io?")?)
    }
    let error = parse().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().ends_with("(at byte 7, '?')"), "{error}");
}
