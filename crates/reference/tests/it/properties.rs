//! Properties that hold for every text.

use proptest::{prelude::*, string::string_regex};
use wharf_reference::{AnyReference, Digest, Reference, Registry, Repository, ShortName, Tag, Written};

/// Text made of what names are made of, so that a good part is accepted and the rest is refused late.
fn nearly_names() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z0-9]{1,9}",
        2 => "[._:/@-]",
        1 => Just("docker.io/".to_owned()),
        1 => Just("index.docker.io/".to_owned()),
        1 => Just("library/".to_owned()),
        1 => Just("localhost/".to_owned()),
        1 => Just("[::1]:5000/".to_owned()),
        1 => Just("@sha256:".to_owned() + &"0a".repeat(32)),
        1 => Just("f".repeat(64)),
        1 => Just("__".to_owned()),
        1 => "[A-Z%?#\\\\ +é]",
    ];
    prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
}

/// Every name of the grammar within the limits.
fn names() -> impl Strategy<Value = String> {
    let part = |pattern| string_regex(pattern).unwrap();
    let host = part(
        r"([a-zA-Z0-9](-{0,2}[a-zA-Z0-9]){0,5}\.){1,3}[a-z]{1,4}|localhost|[A-Z]{1,3}|\[::[0-9a-fA-F]{1,4}\]|docker\.io",
    );
    let path = part(
        r"[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}(/[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}){0,3}",
    );
    let tag = part(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}");
    let digest = part(
        r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}|[a-z0-9]{1,4}([+._-][a-z0-9]{1,4}){0,2}:[a-zA-Z0-9=_-]{1,64}",
    );
    let port = prop::option::of(1..=u16::MAX);
    (
        prop::option::of((host, port)),
        path,
        prop::option::of(tag),
        prop::option::of(digest),
    )
        // Without a registry the path must not begin like one.
        .prop_filter("path", |(host, path, ..)| {
            host.is_some()
                || path
                    .split_once('/')
                    .is_none_or(|(first, _)| first != "localhost" && !first.contains('.'))
        })
        .prop_map(|(host, path, tag, digest)| {
            let host = host
                .map(|(host, port)| host + &port.map(|port| format!(":{port}")).unwrap_or_default() + "/");
            let tag = tag.map(|tag| format!(":{tag}"));
            let digest = digest.map(|digest| format!("@{digest}"));
            host.unwrap_or_default() + &path + &tag.unwrap_or_default() + &digest.unwrap_or_default()
        })
}

/// A reference reads back from its full and its familiar form, and its parts read back alone.
fn reads_back(reference: &Reference) -> Result<(), TestCaseError> {
    let full = reference.to_string();
    prop_assert_eq!(Reference::parse(&full), Ok(reference.clone()));
    prop_assert_eq!(Reference::parse_canonical(&full), Ok(reference.clone()));
    let familiar = reference.familiar().to_string();
    prop_assert_eq!(Reference::parse(&familiar), Ok(reference.clone()), "{}", familiar);
    let (registry, repository) = (reference.registry(), reference.repository());
    prop_assert_eq!(Registry::parse(registry.as_str()), Ok(registry.clone()));
    prop_assert_eq!(Repository::parse(repository.as_str()), Ok(repository.clone()));
    prop_assert_eq!(
        Repository::new(&registry, reference.path()),
        Ok(repository.clone())
    );
    let mut built = Reference::new(&repository);
    if let Some(tag) = reference.tag() {
        prop_assert_eq!(Tag::parse(tag.as_str()), Ok(tag.clone()));
        built = built.with_tag(&tag);
    }
    if let Some(digest) = reference.digest() {
        prop_assert_eq!(Digest::parse(digest.as_str()), Ok(digest.clone()));
        built = built.with_digest(&digest);
    }
    prop_assert_eq!(&built, reference);
    Ok(())
}

/// N21: what is put into a request is safe there without escaping.
fn is_safe_in_a_request(reference: &Reference) -> Result<(), TestCaseError> {
    let target = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, Some(tag)) => tag.to_string(),
        (None, None) => "latest".to_owned(),
    };
    let path = format!("/v2/{}/manifests/{target}", reference.path());
    prop_assert!(
        path.bytes()
            .all(|byte| byte.is_ascii_graphic() && !br"?#%\".contains(&byte)),
        "{}",
        path
    );
    prop_assert!(
        path.split('/')
            .skip(1)
            .all(|segment| !["", ".", ".."].contains(&segment)),
        "{}",
        path
    );
    prop_assert!(!reference.path().contains(".."));
    prop_assert_eq!(path.split('/').count(), 4 + reference.path().split('/').count());
    let registry = reference.registry();
    prop_assert!(
        registry
            .as_str()
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte))
    );
    prop_assert!(
        registry.as_str().contains(':') == registry.port().is_some() || registry.as_str().starts_with('[')
    );
    Ok(())
}

/// All parsers agree on what a name is.
fn parsers_agree(text: &str) -> Result<(), TestCaseError> {
    let reference = Reference::parse(text);
    let written = Written::parse(text);
    prop_assert_eq!(
        written.clone().map(|written| written.normalise()),
        reference.clone()
    );
    let short = written.ok().and_then(|written| written.short_name());
    prop_assert_eq!(&short, &ShortName::parse(text).ok());
    if let Some(short) = short {
        prop_assert_eq!(Ok(short.qualify(&Registry::docker_hub())), reference.clone());
        for registry in ["quay.io", "localhost:5000", "[::1]"] {
            let expected = Reference::parse(&format!("{registry}/{text}"));
            prop_assert_eq!(Ok(short.qualify(&Registry::parse(registry).unwrap())), expected);
        }
    }
    if let Ok(AnyReference::Reference(any)) = AnyReference::parse(text) {
        prop_assert_eq!(Ok(any), reference.clone());
    }
    match &reference {
        Ok(reference) => {
            reads_back(reference)?;
            is_safe_in_a_request(reference)?;
            prop_assert_eq!(
                Reference::parse_canonical(text).is_ok(),
                text == reference.as_str()
            );
        }
        Err(error) => {
            prop_assert!(text.is_char_boundary(error.position()), "{:?}: {}", text, error);
            prop_assert!(Reference::parse_canonical(text).is_err());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_refused_or_reads_back(text in ".{0,40}") {
        parsers_agree(&text)?;
    }

    #[test]
    fn nearly_any_name_is_refused_or_reads_back(text in nearly_names()) {
        parsers_agree(&text)?;
    }

    #[test]
    fn every_name_of_the_grammar_is_accepted(text in names()) {
        prop_assert!(Reference::parse(&text).is_ok(), "{:?}", Reference::parse(&text));
        parsers_agree(&text)?;
    }

    /// An error never points behind a byte that no name has.
    #[test]
    fn errors_point_at_the_first_bad_byte_or_before(name in names(), at in any::<prop::sample::Index>(), bad in "[ %?#\\\\+~é]") {
        let before_digest = name.find('@').unwrap_or(name.len()); // a plus is part of a digest's algorithm
        let at = at.index(before_digest + 1);
        let text = format!("{}{bad}{}", &name[..at], &name[at..]);
        let error = Reference::parse(&text).unwrap_err();
        prop_assert!(error.position() <= at, "{text}: {error}");
    }
}
