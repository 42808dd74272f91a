use bytes::Bytes;
use serde_json::json;
use wharf_content::{Descriptor, ErrorKind, Hasher, Manifest, MediaType};
use wharf_reference::{Algorithm, Digest};

const EMPTY: &str = r#"{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}"#;
const DOCKER_CONFIG: &str = r#"{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}"#;

fn parse(text: &str, declared: Option<&str>) -> Result<Manifest, ErrorKind> {
    let declared = declared.map(|text| MediaType::parse(text).unwrap());
    Manifest::parse(Bytes::copy_from_slice(text.as_bytes()), declared.as_ref()).map_err(|error| error.kind())
}

/// Expands `EMPTY` and `DOCKER` in a template.
fn document(template: &str) -> String {
    template.replace("EMPTY", EMPTY).replace("DOCKER", DOCKER_CONFIG)
}

const IMAGE: &str = r#"{"schemaVersion":2,"config":EMPTY,"layers":[]}"#;
const INDEX: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

#[test]
fn the_type_is_resolved_from_declaration_and_document_together() {
    let oci = "application/vnd.oci.image.manifest.v1+json";
    let cases: &[(&str, Option<&str>, Result<MediaType, ErrorKind>)] = &[
        (IMAGE, Some(oci), Ok(MediaType::OCI_MANIFEST)),
        (
            IMAGE,
            Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"),
            Ok(MediaType::OCI_MANIFEST),
        ),
        (IMAGE, None, Ok(MediaType::OCI_MANIFEST)),
        (IMAGE, Some("application/json"), Ok(MediaType::OCI_MANIFEST)),
        (IMAGE, Some("text/plain"), Ok(MediaType::OCI_MANIFEST)),
        (INDEX, None, Ok(MediaType::OCI_INDEX)),
        (
            r#"{"schemaVersion":2,"config":DOCKER,"layers":[]}"#,
            Some("application/octet-stream"),
            Ok(MediaType::DOCKER_MANIFEST),
        ),
        (
            r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[]}"#,
            None,
            Ok(MediaType::DOCKER_INDEX),
        ),
        // A contradiction, in both directions.
        (
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
            Some(oci),
            Err(ErrorKind::Ambiguous),
        ),
        (INDEX, Some(oci), Err(ErrorKind::Ambiguous)),
        (
            IMAGE,
            Some("application/vnd.oci.image.index.v1+json"),
            Err(ErrorKind::Ambiguous),
        ),
        (
            IMAGE,
            Some("application/vnd.example+json"),
            Err(ErrorKind::Unsupported),
        ),
        (
            r#"{"schemaVersion":1,"fsLayers":[]}"#,
            None,
            Err(ErrorKind::Unsupported),
        ),
    ];
    for (template, declared, expected) in cases {
        let actual = parse(&document(template), *declared).map(|manifest| manifest.media_type().clone());
        assert_eq!(actual, *expected, "{template} as {declared:?}");
    }
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    let cases: &[(&str, ErrorKind)] = &[
        (
            r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"manifests":[]}"#,
            ErrorKind::Ambiguous,
        ),
        (
            r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"history":[]}"#,
            ErrorKind::Ambiguous,
        ),
        (
            r#"{"schemaVersion":2,"manifests":[],"fsLayers":[]}"#,
            ErrorKind::Ambiguous,
        ),
        (
            r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"layers":[]}"#,
            ErrorKind::Ambiguous,
        ),
        (
            r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"Layers":[]}"#,
            ErrorKind::Ambiguous,
        ),
        (
            r#"{"schemaVersion":2,"config":EMPTY,"LAYERS":[]}"#,
            ErrorKind::Ambiguous,
        ),
        // Go folds these letters to s and k.
        (
            r#"{"schemaVersion":2,"config":EMPTY,"layerſ":[]}"#,
            ErrorKind::Ambiguous,
        ),
        (
            r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"blobſ":[]}"#,
            ErrorKind::Ambiguous,
        ),
        (
            r#"{"schemaVersion":2,"config":EMPTY,"lay\u0065rs":[],"layers":[]}"#,
            ErrorKind::Ambiguous,
        ),
        (
            r#"{"schemaVersion":2,"manifests":[],"annotations":{"a":"1","a":"2"}}"#,
            ErrorKind::Ambiguous,
        ),
        (
            r#"{"schemaVersion":2,"manifests":[],"x":[{"y":{"z":1,"z":2}}]}"#,
            ErrorKind::Ambiguous,
        ),
        (r#"{"schemaVersion":"2","manifests":[]}"#, ErrorKind::Invalid),
        (r#"{"schemaVersion":3,"manifests":[]}"#, ErrorKind::Invalid),
        (r#"{"schemaVersion":2,"manifests":[]} x"#, ErrorKind::Invalid),
        (
            "\u{feff}{\"schemaVersion\":2,\"manifests\":[]}",
            ErrorKind::Invalid,
        ),
        (
            r#"{"schemaVersion":2,"manifests":[],"x":NaN}"#,
            ErrorKind::Invalid,
        ),
        (r#"{"schemaVersion":2}"#, ErrorKind::Invalid),
        (r#"{"schemaVersion":2,"layers":[]}"#, ErrorKind::Invalid),
        (r#"{"manifests":[]}"#, ErrorKind::Invalid),
        ("[]", ErrorKind::Invalid),
        ("", ErrorKind::Invalid),
        ("<html>", ErrorKind::Invalid),
    ];
    for (template, expected) in cases {
        assert_eq!(
            parse(&document(template), None).unwrap_err(),
            *expected,
            "{template}"
        );
    }
    let invalid_utf8 = Bytes::from_static(b"{\"schemaVersion\":2,\"manifests\":[],\"x\":\"\xff\"}");
    assert_eq!(
        Manifest::parse(invalid_utf8, None).unwrap_err().kind(),
        ErrorKind::Invalid
    );
}

#[test]
fn the_authors_own_keys_are_free() {
    let text = r#"{"schemaVersion":2,"manifests":[],"annotations":{"Size":"1","size":"2"},"io.example":{"x":[],"Digest":{"Layers":1}}}"#;
    let manifest = parse(text, None).unwrap();
    assert_eq!(manifest.annotations()["Size"], "1");
}

#[test]
fn nesting_is_bounded_without_overflowing_the_stack() {
    for depth in [65, 100_000] {
        let text = format!(r#"{{"schemaVersion":2,"manifests":[],"x":{}"#, "[".repeat(depth));
        assert_eq!(parse(&text, None).unwrap_err(), ErrorKind::Invalid, "{depth}");
    }
}

/// What a document costs to read is bounded beside its size. Annotations are not: registries must take
/// manifests of megabytes of them.
#[test]
fn keys_are_bounded() {
    let keyed = |count: usize| {
        let keys: Vec<String> = (2..count).map(|number| format!(r#""{number}":0"#)).collect();
        format!(r#"{{"schemaVersion":2,"manifests":[],{}}}"#, keys.join(","))
    };
    for (count, kind) in [
        (99_999, None),
        (100_000, None),
        (100_001, Some(ErrorKind::TooLarge)),
    ] {
        assert_eq!(parse(&keyed(count), None).err(), kind, "{count} keys");
    }
    let annotated = format!(
        r#"{{"schemaVersion":2,"manifests":[],"annotations":{{"k":"{}"}}}}"#,
        "x".repeat(3 << 20)
    );
    assert_eq!(parse(&annotated, None).err(), None);
}

#[test]
fn descriptors_are_checked() {
    let digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let cases: &[(String, bool)] = &[
        (
            format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":2}}"#),
            true,
        ),
        (
            format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":2,"data":"e30="}}"#),
            true,
        ),
        (
            format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":2,"data":"e31="}}"#),
            false,
        ),
        (
            format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":3,"data":"e30="}}"#),
            false,
        ),
        (
            format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":2,"data":"***"}}"#),
            false,
        ),
        (
            format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":-1}}"#),
            false,
        ),
        (
            format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":1e999}}"#),
            false,
        ),
        (
            format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":9223372036854775807}}"#),
            true,
        ),
        (
            format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":9223372036854775808}}"#),
            false,
        ),
        (
            format!(r#"{{"mediaType":7,"digest":"{digest}","size":2}}"#),
            false,
        ),
        (
            r#"{"mediaType":"a/b","digest":"sha256:../../etc/passwd","size":2}"#.to_owned(),
            false,
        ),
        (r#"{"mediaType":"a/b","size":2}"#.to_owned(), false),
        (format!(r#"{{"mediaType":"a/b","digest":"{digest}"}}"#), false),
    ];
    for (text, valid) in cases {
        let parsed = serde_json::from_str::<Descriptor>(text);
        assert_eq!(parsed.is_ok(), *valid, "{text}");
        if let Ok(descriptor) = parsed {
            let printed = serde_json::to_string(&descriptor).unwrap();
            assert_eq!(serde_json::from_str::<Descriptor>(&printed).unwrap(), descriptor);
        }
    }
}

#[test]
fn a_pin_is_checked_with_its_own_algorithm() {
    let bytes = Bytes::from(document(IMAGE));
    let sha256 = Hasher::digest(Algorithm::Sha256, &bytes).unwrap();
    let sha512 = Hasher::digest(Algorithm::Sha512, &bytes).unwrap();
    for pin in [&sha256, &sha512] {
        let manifest = Manifest::parse_pinned(bytes.clone(), None, pin).unwrap();
        assert_eq!(manifest.digest(), pin);
        assert_eq!(manifest.descriptor().size(), bytes.len() as u64);
    }
    let other = Digest::parse(&format!("sha512:{}", "0".repeat(128))).unwrap();
    let error = Manifest::parse_pinned(bytes.clone(), None, &other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    let unusable = Digest::parse("md5:d41d8cd98f00b204e9800998ecf8427e").unwrap();
    let error = Manifest::parse_pinned(bytes, None, &unusable).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn bytes_stay_as_they_came() {
    let text =
        format!("{{ \"layers\" : [] ,\n \"unknown\":1.0e0, \"config\":{EMPTY},\t\"schemaVersion\":2}}\n");
    let manifest = parse(&text, None).unwrap();
    assert_eq!(manifest.bytes(), text.as_bytes());
    assert_eq!(
        *manifest.digest(),
        Hasher::digest(Algorithm::Sha256, text.as_bytes()).unwrap()
    );
    assert_eq!(manifest.blobs().count(), 1);
    #[cfg(feature = "oci-spec")]
    {
        manifest.to_image().unwrap();
        manifest.to_index().unwrap_err();
    }
}

/// serde reads a list as a struct, field by field; nobody else does.
#[test]
fn lists_do_not_stand_for_objects() {
    let empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let list = format!(r#"["application/vnd.oci.empty.v1+json","{empty}",2,null,null,null,null,null]"#);
    let config =
        format!(r#"{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{empty}","size":2}}"#);
    let with_platform = format!(
        r#"{{"mediaType":"{}","digest":"{empty}","size":2,"platform":["linux","amd64"]}}"#,
        MediaType::OCI_MANIFEST
    );
    for document in [
        format!("[2,null,null,{config},[],null,null,{{}},null,null]"),
        format!(r#"{{"schemaVersion":2,"config":{list},"layers":[]}}"#),
        format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{list}]}}"#),
        format!(r#"{{"schemaVersion":2,"config":{config},"layers":[],"subject":{list}}}"#),
        format!(r#"{{"schemaVersion":2,"manifests":[{list}]}}"#),
        format!(r#"{{"schemaVersion":2,"manifests":[{with_platform}]}}"#),
    ] {
        let error = Manifest::parse(document.clone().into(), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{document}");
    }
    let free = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[],"x":[[1],{{"config":[2]}}]}}"#);
    assert!(Manifest::parse(free.into(), None).is_ok());
}

/// A registry's text must not fill a log or steer a terminal.
#[test]
fn refusals_are_short_and_printable() {
    let long = format!("\u{1b}[31m{}", "x".repeat(1_000_000));
    let image = |key: &str, value: &serde_json::Value| {
        let config = json!({"mediaType": MediaType::OCI_CONFIG, "digest": Hasher::digest(Algorithm::Sha256, b"{}").unwrap(), "size": 2});
        let mut document =
            json!({"schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config, "layers": []});
        match key.split_once('.') {
            Some((outer, inner)) => document[outer][inner] = value.clone(),
            None => document[key] = value.clone(),
        }
        document.to_string()
    };
    let mut tried = 0;
    for key in [
        "schemaVersion",
        "mediaType",
        "artifactType",
        "config",
        "layers",
        "manifests",
        "subject",
        "annotations",
        "config.mediaType",
        "config.digest",
        "config.size",
        "config.platform",
        "config.data",
        "config.urls",
        "config.annotations",
    ] {
        for value in [
            json!(long),
            json!([long]),
            json!({&long: long}),
            json!({&long: 1}),
        ] {
            let Err(error) = Manifest::parse(image(key, &value).into_bytes().into(), None) else {
                continue;
            };
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            while let Some(next) = cause {
                let text = next.to_string();
                assert!(text.len() < 2_000, "{key}: {text:.300}");
                assert!(!text.contains(char::is_control), "{key}: {text:?}");
                cause = next.source();
            }
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried}");
}

#[cfg(feature = "oci-spec")]
#[test]
fn the_whole_document_in_the_types_of_oci_spec() {
    let read = |text: &str| Manifest::parse(document(text).into(), None).unwrap();
    let (image, index) = (read(IMAGE), read(INDEX));
    assert_eq!(image.to_image().unwrap().layers().len(), 0);
    assert_eq!(index.to_index().unwrap().manifests().len(), 0);
    assert_eq!(image.to_index().unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(index.to_image().unwrap_err().kind(), ErrorKind::Invalid);
}
