use wharf_content::{Descriptor, ErrorKind, MediaType, Name};

use super::{entry::REF_NAME, *};

fn manifest(text: &str) -> Descriptor {
    Descriptor::of(MediaType::OCI_MANIFEST, text.as_bytes())
}

fn parse(text: impl Into<String>) -> Index {
    Index::parse(text.into().into_bytes()).unwrap()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn names(index: &Index) -> Vec<Option<String>> {
    let first = |entry: Entry<'_>| entry.names().next().map(str::to_owned);
    index.entries().map(first).collect()
}

#[test]
fn a_moved_name_leaves_the_old_image_without_one() {
    let mut index = parse(EMPTY);
    let mut tag = |text: &str, image: &str| {
        let changes = index.tag(&name(text), &manifest(image)).unwrap();
        index = parse(index.with(&changes).concat());
        names(&index)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(tag("a:1", "one"), [some("a:1")]);
    assert_eq!(tag("a:1", "one"), [some("a:1")]);
    assert_eq!(tag("a:1", "two"), [None, some("a:1")]);
    assert_eq!(tag("b", "one"), [some("a:1"), some("b")]);
    assert_eq!(tag("c", "one"), [some("a:1"), some("b"), some("c")]);
    let changes = index.untag(&name("b")).unwrap();
    let index = parse(index.with(&changes).concat());
    assert!(index.untag(&name("b")).unwrap().is_empty());
    assert_eq!(names(&index), [some("a:1"), some("c")]);
}

#[test]
fn names_must_be_unique_and_of_images() {
    let entry = |media_type: &str, text: &str| {
        let digest = manifest(text).digest().clone();
        format!(
            r#"{{"mediaType":"{media_type}","size":1,"digest":"{digest}","annotations":{{"{REF_NAME}":"n"}}}}"#
        )
    };
    let image = "application/vnd.oci.image.manifest.v1+json";
    for (entries, expected) in [
        (vec![entry(image, "a"), entry(image, "b")], ErrorKind::Ambiguous),
        (vec![entry("text/plain", "a")], ErrorKind::Unsupported),
    ] {
        let index = parse(format!(
            r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
            entries.join(",")
        ));
        assert_eq!(index.named(&name("n")).unwrap_err().kind(), expected);
    }
    let index = parse(format!(
        r#"{{"schemaVersion":2,"manifests":[{},{}]}}"#,
        entry("text/plain", "a"),
        entry(image, "b")
    ));
    let named = index.named(&name("n")).unwrap().unwrap();
    assert_eq!(named.digest(), manifest("b").digest());
}

/// An entry for an image, with these annotations.
fn entry(image: &str, annotations: &str) -> String {
    let descriptor = manifest(image);
    format!(
        r#"{{"mediaType":"{}","digest":"{}","size":{},"annotations":{{{annotations}}}}}"#,
        descriptor.media_type(),
        descriptor.digest(),
        descriptor.size()
    )
}

fn index_of(entries: &[String]) -> Index {
    parse(format!(
        r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
        entries.join(",")
    ))
}

/// Values that stand in lists of manifests but are no good descriptors.
const ODD: &[&str] = &[
    "null",
    "true",
    "17",
    r#""text""#,
    "[]",
    "{}",
    r#"["application/vnd.oci.image.manifest.v1+json","sha256:00",1]"#,
    r#"{"mediaType":"text/plain","digest":"sha256:00","size":1}"#,
    r#"{"mediaType":"text/plain","digest":null,"size":1}"#,
    r#"{"mediaType":7,"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":1}"#,
    r#"{"mediaType":"text/plain","digest":"sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855","size":1}"#,
    r#"{"mediaType":"text/plain","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":null}"#,
    r#"{"mediaType":"text/plain","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":-1}"#,
    r#"{"mediaType":"text/plain","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":1e3}"#,
    r#"{ "platform": {"architecture": ["amd64", {"x": [1.50, 2E+0]}]}, "size": "1" , "b": "\u00e9\/\"" }"#,
    r#"{"schemaVersion":2,"manifests":[{"manifests":[{}]}]}"#,
];

#[test]
fn an_odd_entry_concerns_itself_alone() {
    for odd in ODD {
        let (first, last) = (
            entry("a", r#""org.opencontainers.image.ref.name":"v1""#),
            entry("b", r#""org.opencontainers.image.ref.name":"v2""#),
        );
        let text = format!("{{\"manifests\" : [ {first} ,\n{odd} , {last} ], \"x\": {{\"y\":[1.50]}} }}\n");
        let index = parse(text.as_str());
        assert_eq!(index.len(), 3, "{odd}");
        assert_eq!(
            index.named(&name("v1")).unwrap().unwrap().digest(),
            manifest("a").digest()
        );
        assert_eq!(
            index.named(&name("v2")).unwrap().unwrap().digest(),
            manifest("b").digest()
        );
        assert_eq!(
            index
                .unreadable()
                .map(|(position, ..)| position)
                .collect::<Vec<_>>(),
            [1],
            "{odd}"
        );
        // Whatever is changed beside it, it stays as it is.
        let added = index
            .with(&index.tag(&name("v3"), &manifest("c")).unwrap())
            .concat();
        assert!(added.starts_with(text.split(" ], ").next().unwrap()), "{added}");
        assert!(added.ends_with(" ], \"x\": {\"y\":[1.50]} }\n"), "{added}");
        let removed = index.with(&index.remove(&name("v1").into()).unwrap()).concat();
        assert!(removed.contains(&format!("[ {odd} , {last} ]")), "{removed}");
        let alone = parse(removed);
        let alone = alone.with(&alone.retain(|_| false)).concat();
        assert_eq!(parse(alone.as_str()).len(), 1, "{alone}");
        assert!(alone.contains(odd), "{alone}");
    }
}

/// An entry is read although members or annotations that the layout does not need are malformed.
#[test]
fn an_entry_is_read_though_something_in_it_is_odd() {
    let digest = manifest("a").digest().clone();
    for odd in [
        r#""platform":{"architecture":"amd64"}"#,
        r#""platform":null"#,
        r#""platform":"linux""#,
        r#""urls":null"#,
        r#""urls":"https://example.com""#,
        r#""data":"bm90IGl0""#,
        r#""data":12"#,
        r#""artifactType":7"#,
        r#""annotations":{"org.opencontainers.image.ref.name":"v1","x":null,"y":[1]}"#,
    ] {
        let annotated = odd.contains("annotations");
        let annotations = if annotated {
            ""
        } else {
            r#","annotations":{"org.opencontainers.image.ref.name":"v1"}"#
        };
        let index = parse(format!(
            r#"{{"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":1,{odd}{annotations}}}]}}"#
        ));
        assert_eq!(
            index.named(&name("v1")).unwrap().unwrap().digest(),
            &digest,
            "{odd}"
        );
        // It loses its name and nothing else.
        let untagged = index.with(&index.untag(&name("v1")).unwrap()).concat();
        let left = if annotated {
            r#""annotations":{"x":null,"y":[1]}"#
        } else {
            odd
        };
        assert!(
            untagged.contains(left) && !untagged.contains("v1\""),
            "{untagged}"
        );
    }
}

/// An entry that has lost its name, or never had one, is not replaced by a bare one when its manifest gets
/// a name.
#[test]
fn a_nameless_entry_keeps_its_members_when_it_is_named() {
    let a = manifest("a");
    let (digest, size) = (a.digest(), a.size());
    let image = a.media_type();
    for odd in [
        r#""platform":{"architecture":"arm64","os":"linux","x":[1.50]}"#,
        r#""platform":"linux""#,
        r#""urls":["https://example.com/a"]"#,
        r#""data":"YQ==""#,
        r#""artifactType":7"#,
        r#""example.com/own":{"b":2,"a":1e0}"#,
        r#""annotations":{"x":null,"y":[1],"z":"\u00e9"}"#,
        r#""annotations":{"a":"b","c":""}"#,
        r#""annotations":null"#,
        r#""annotations":7"#,
    ] {
        let bare = format!(r#"{{"mediaType":"{image}","digest":"{digest}","size":{size}}}"#);
        let untyped = format!(r#"{{"digest":"{digest}","size":{size},{odd}}}"#);
        let typed = format!(r#"{{"mediaType":"{image}","digest":"{digest}","size":{size},{odd}}}"#);
        let wrong = format!(r#"{{"mediaType":"text/plain","digest":"{digest}","size":{size},"x":1}}"#);
        let other = format!(r#"{{"mediaType":"{image}","digest":"{digest}","size":{size},"other":1}}"#);
        // What is listed, and how many entries are left.
        for (listed, left) in [
            (vec![&typed], 1),
            (vec![&untyped], 1),
            (vec![&typed, &bare, &typed], 1),
            (vec![&wrong, &typed], 1),
            (vec![&typed, &other], 2),
        ] {
            let index = index_of(&listed.into_iter().cloned().collect::<Vec<_>>());
            let tagged = index.with(&index.tag(&name("v1"), &a).unwrap()).concat();
            let tagged = parse(tagged);
            assert_eq!(tagged.named(&name("v1")).unwrap().unwrap().digest(), digest);
            // An entry that cannot be read, for want of a type beside something odd, is none of the manifest.
            let unreadable = index.unreadable().count();
            assert_eq!(tagged.len(), left + unreadable, "{}", tagged.text());
            let value = odd.split_once(':').unwrap().1;
            let members = value.trim_start_matches('{').trim_end_matches('}');
            let stays = !matches!(odd, r#""annotations":null"# | r#""annotations":7"#);
            assert!(
                !stays || tagged.text().contains(members),
                "{odd}: {}",
                tagged.text()
            );
            // The name goes again, and nothing else with it.
            let untagged = tagged.with(&tagged.untag(&name("v1")).unwrap()).concat();
            assert!(!stays || untagged.contains(members), "{odd}: {untagged}");
            assert!(!untagged.contains("\"v1\""), "{untagged}");
        }
    }
}

#[test]
fn documents_are_read_as_leniently_as_is_safe() {
    let good = entry("a", r#""org.opencontainers.image.ref.name":"v1""#);
    for (text, entries) in [
        (EMPTY.to_owned(), 0),
        (r#"{"schemaVersion":2}"#.to_owned(), 0),
        ("{}".to_owned(), 0),
        (r#"{"schemaVersion":2,"manifests":null}"#.to_owned(), 0),
        (r#" { "manifests" : [ ] , "annotations" : null } "#.to_owned(), 0),
        (
            format!("\u{feff}{{\"schemaVersion\":2,\"manifests\":[{good}]}}\r\n"),
            1,
        ),
        (
            format!(r#"{{"mediaType":null,"manifests":[{good}],"subject":7}}"#),
            1,
        ),
    ] {
        let index = parse(text.as_str());
        assert_eq!(index.len(), entries, "{text}");
        let tagged = index
            .with(&index.tag(&name("v2"), &manifest("b")).unwrap())
            .concat();
        assert_eq!(parse(tagged.as_str()).len(), entries + 1, "{tagged}");
        serde_json::from_str::<serde_json::Value>(&tagged).expect(&tagged);
    }
    for (bytes, part) in [
        (&b""[..], "empty"),
        (b" \n", "empty"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b"{\"schemaVersion\":2,\"manifests\":[", "EOF"),
        (b"{\"schemaVersion\":1,\"manifests\":[]}", "schemaVersion"),
        (b"{\"schemaVersion\":\"2\"}", "schemaVersion"),
        (b"{\"manifests\":{}}", "expected a sequence"),
        (b"{\"manifests\":[],\"manifests\":[]}", "duplicate"),
        (
            b"{\"schemaVersion\":2,\"config\":{},\"layers\":[]}",
            "image manifest",
        ),
        (b"\xff\xfe{\0}\0", "UTF-16"),
        (b"{\"x\":\"\xfc\"}", "UTF-8"),
    ] {
        let why = Index::parse(bytes.to_vec()).unwrap_err();
        assert!(why.contains(part), "{why}");
    }
}

/// As `docker save`, `docker buildx build --output type=oci` and `ctr images export` write them.
#[test]
fn full_names_are_understood() {
    let saved = |image: &str, full: &str, tag: &str| {
        entry(
            image,
            &format!(r#""io.containerd.image.name":"{full}","org.opencontainers.image.ref.name":"{tag}""#),
        )
    };
    let index = index_of(&[
        saved("a", "docker.io/library/a:latest", "latest"),
        saved("b", "docker.io/library/b:latest", "latest"),
        saved(
            "c",
            "example.com:5000/team/c:1.0,example.com:5000/team/c:1",
            "1.0",
        ),
        entry(
            "d",
            r#""org.opencontainers.image.ref.name":"docker.io/library/d:latest""#,
        ),
        entry("e", r#""io.containerd.image.name":"docker\u002eio/library/e:2""#),
        entry(
            "f",
            r#""io.containerd.image.name":"","org.opencontainers.image.ref.name":"f""#,
        ),
    ]);
    for (asked, image) in [
        ("docker.io/library/a:latest", Some("a")),
        ("docker.io/library/b:latest", Some("b")),
        ("a:latest", Some("a")),
        ("b", Some("b")),
        ("example.com:5000/team/c:1", Some("c")),
        ("example.com:5000/team/c:1.0", Some("c")),
        ("1.0", Some("c")),
        ("1", None),
        ("docker.io/library/d:latest", Some("d")),
        ("d:latest", None),
        ("e:2", Some("e")),
        ("f", Some("f")),
        ("c:1", None),
    ] {
        let named = index.named(&name(asked)).unwrap();
        let expected = image.map(manifest);
        assert_eq!(
            named.as_ref().map(Descriptor::digest),
            expected.as_ref().map(Descriptor::digest),
            "{asked}"
        );
    }
    let error = index.named(&name("latest")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous);
    assert!(
        error.to_string().contains("docker.io/library/b:latest"),
        "{error}"
    );
    assert_eq!(
        index.untag(&name("latest")).unwrap_err().kind(),
        ErrorKind::Ambiguous
    );

    // A name that moves is taken from the image that had it as its tag, which keeps its full name.
    let moved = parse(
        index
            .with(&index.tag(&name("latest"), &manifest("x")).unwrap())
            .concat(),
    );
    for (asked, image) in [("latest", "x"), ("a:latest", "a"), ("b:latest", "b")] {
        assert_eq!(
            moved.named(&name(asked)).unwrap().unwrap().digest(),
            manifest(image).digest(),
            "{asked}"
        );
    }
    assert_eq!(moved.text().matches(r#""latest""#).count(), 1, "{}", moved.text());
    // One of several full names goes, with the tag that belonged to it.
    let fewer = parse(
        index
            .with(&index.untag(&name("example.com:5000/team/c:1.0")).unwrap())
            .concat(),
    );
    assert!(fewer.named(&name("example.com:5000/team/c:1")).unwrap().is_some());
    assert!(fewer.named(&name("1.0")).unwrap().is_none());
    // The last one goes, and the image stays without a name.
    let gone = parse(
        index
            .with(&index.untag(&name("docker.io/library/a:latest")).unwrap())
            .concat(),
    );
    assert_eq!(gone.len(), index.len());
    assert!(gone.named(&name("a")).unwrap().is_none() && gone.manifest(manifest("a").digest()).is_some());
    assert_eq!(
        gone.named(&name("latest")).unwrap().unwrap().digest(),
        manifest("b").digest()
    );
}

#[test]
fn the_entry_that_cannot_be_read_is_told_of_when_its_name_is_asked_for() {
    let index = parse(format!(
        r#"{{"manifests":[{{"mediaType":"text/plain","annotations":{{"{REF_NAME}":"v1"}}}},{}]}}"#,
        entry("a", r#""org.opencontainers.image.ref.name":"v2""#)
    ));
    let error = index.named(&name("v1")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error
            .to_string()
            .contains("entry 0 cannot be read: missing field"),
        "{error}"
    );
    assert!(index.named(&name("v3")).unwrap().is_none());
}

#[test]
fn an_entry_without_a_type_is_reached_by_its_digest() {
    let text = entry("a", r#""org.opencontainers.image.ref.name":"v1""#);
    let (_, rest) = text.split_once(r#","digest""#).unwrap();
    let index = index_of(&[format!(r#"{{"digest"{rest}"#)]);
    let error = index.named(&name("v1")).unwrap_err().to_string();
    assert!(
        error.contains(manifest("a").digest().as_str()) || error.contains("mediaType"),
        "{error}"
    );
}

#[test]
fn a_name_is_not_taken_for_a_longer_one() {
    let named = |text: &str| entry(text, &format!(r#""org.opencontainers.image.ref.name":"{text}""#));
    let index = index_of(&["app:10", "app:1", "x/app:1", "app:11"].map(named));
    assert_eq!(
        index.named(&name("app:1")).unwrap().unwrap().digest(),
        manifest("app:1").digest()
    );
    assert!(index.named(&name("app:")).unwrap().is_none());
    assert!(index.named(&name("app")).unwrap().is_none());
}
