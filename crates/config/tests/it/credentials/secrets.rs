use wharf_config::{AuthFile, AuthFormat, CredentialKey};

/// A canary in every field that can hold a secret, and in places where people put secrets by mistake.
#[test]
fn secrets_are_never_printed() {
    let entry = r#"{"auth": "Y2FuYXJ5OmNhbmFyeQ==canary", "identitytoken": "canary", "registrytoken": "canary", "password": "canary"}"#;
    for format in [
        AuthFormat::Containers,
        AuthFormat::Docker,
        AuthFormat::DockerLegacy,
    ] {
        let text = match format {
            AuthFormat::DockerLegacy => format!("{{\"h.io\": {entry}}}"),
            _ => format!("{{\"auths\": {{\"h.io\": {entry}, \"https://ada:canary@h.io/\": {{}}}}}}"),
        };
        let file = AuthFile::parse(&text, format).unwrap();
        assert!(!format!("{file:?} {file:#?}").contains("canary"), "{file:?}");
        let credential = file.credential(&CredentialKey::parse("h.io").unwrap());
        assert!(!format!("{credential:?}").contains("canary"));
    }
    let text = r#"{"auths": {"h.io": {"auth": "canary%"}}}"#;
    let file = AuthFile::parse(text, AuthFormat::Containers).unwrap();
    let error = file
        .credential(&CredentialKey::parse("h.io").unwrap())
        .unwrap_err();
    assert!(!format!("{error} {error:?} {error:#?}").contains("canary"));
}

#[test]
fn no_prefix_of_a_file_leaks_or_panics() {
    let text =
        r#"{"auths": {"h.io": {"auth": "canary", "identitytoken": "canary"}}, "credHelpers": {"a": "b"}}"#;
    for end in 0..text.len() {
        let prefix = text.get(..end).unwrap();
        let error = AuthFile::parse(prefix, AuthFormat::Docker).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{end}");
    }
}
