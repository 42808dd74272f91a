//! What is asked for, when, and of whom.

use wharf::{ErrorKind, Options, Selection, Signatures, store::Memory, trust::Refusal};
use wharf_testkit::hostile::{Answer, Match, OriginOptions, Rule};

use super::{
    NONE,
    host::{Host, Image, MIRROR, REGISTRY},
    keys::{Cosign, Kit},
};

const ACCEPT: &str = r#"[{"type": "insecureAcceptAnything"}]"#;

/// The requests of a pull.
async fn requests(host: &Host, name: &str) -> usize {
    let before = host.server.requests().len();
    host.pull(name).await.unwrap();
    host.server.requests().len() - before
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_demanded_nothing_more_is_asked_for() {
    let kit = Kit::golden();
    let host = Host::new().await;
    host.publish(&kit.name(), &kit.image).await;
    let without = requests(&host, &kit.name()).await;
    host.demand(ACCEPT);
    // A store that fails does not matter then.
    host.store.put(kit.path, &kit.image.manifest, 1, Answer::new(500));
    assert_eq!(requests(&host, &kit.name()).await, without);
    assert!(host.store.origin.lines().is_empty());
    assert!(host.pull(&kit.name()).await.unwrap().verdicts().is_empty());
    // What is there already is not read again to be judged.
    let client = host.client();
    let store = Memory::new();
    client.pull(&kit.name(), &store).await.unwrap();
    let before = host.server.requests().len();
    client.pull(&kit.name(), &store).await.unwrap();
    assert_eq!(host.server.requests().len() - before, 1);

    // A signature costs one question about the registry, and one for each file of the store.
    host.demand_keys(&kit.keyring);
    host.store
        .put(kit.path, &kit.image.manifest, 1, Answer::ok(kit.good.clone()));
    assert_eq!(requests(&host, &kit.name()).await, without + 1);
    assert_eq!(host.store.origin.lines().len(), 1 + 1); // it, and that there is no second
    // A refusal costs few more: for bundles.
    host.store.clear();
    let (asked, files) = (host.server.requests().len(), host.store.origin.lines().len());
    host.pull(&kit.name()).await.unwrap_err();
    let more = host.server.requests().len() - asked + host.store.origin.lines().len() - files;
    assert!(more <= 3 + 3, "{more}"); // the manifest, the offer, the first file, and three questions
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_signature_can_meet_is_refused_before_any_request() {
    let host = Host::new().await;
    let image = format!("{REGISTRY}/ubi9/ubi:latest");
    for rule in [
        r#"[{"type": "reject"}]"#,
        r#"[{"type": "insecureAcceptAnything"}, {"type": "reject"}]"#,
        r#"[{"type": "signedBaseLayer", "baseLayerIdentity": {"type": "matchRepository"}}]"#,
        r#"[{"type": "signedBy", "keyType": "X509Certificates", "keyPath": "/k"}]"#,
        r#"[{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"}, {"type": "reject"}]"#,
    ] {
        host.demand(rule);
        let client = host.client();
        let copy_to = format!("oci:{}:x", host.path("copied").display());
        for error in [
            host.pull(&image).await.unwrap_err(),
            client.verify(image.as_str()).await.unwrap_err(),
            client
                .copy(format!("docker://{image}"), copy_to.as_str())
                .await
                .unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Rejected, "{rule}: {error}");
            assert!(
                error.to_string().starts_with("Source image rejected: "),
                "{error}"
            );
        }
    }
    assert!(host.server.requests().is_empty() && host.store.origin.lines().is_empty());
    assert!(!host.path("copied").exists(), "not even a store was made");
}

/// docs/threats.md, T170.
#[tokio::test(flavor = "multi_thread")]
async fn t170_what_was_judged_is_what_is_stored() {
    let kit = Kit::golden();
    let host = Host::new().await;
    host.demand_keys(&kit.keyring);
    host.store
        .put(kit.path, &kit.image.manifest, 1, Answer::ok(kit.good.clone()));
    // The registry answers with the signed image once, and then with another.
    let liar = host
        .stage
        .origin_with("registry.example", OriginOptions::default().plain())
        .await;
    let (signed, other) = (kit.image.manifest.clone(), Image::with_layer("another").manifest);
    let asked = std::sync::atomic::AtomicUsize::new(0);
    liar.rule(Rule::call(Match::read("/manifests/"), move |_| {
        let first = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        let manifest = if first { &signed } else { &other };
        Answer::ok(manifest.bytes().to_vec()).header("Content-Type", manifest.media_type().as_str())
    }));
    liar.on(Match::read("/blobs/"), Answer::ok("{}"));
    let store = Memory::new();
    let pulled = host
        .client()
        .pull_with("registry.example/app:1", &store, Selection::default())
        .await
        .unwrap();
    assert_eq!(pulled.digest(), kit.image.manifest.digest());
    assert_eq!(pulled.verdicts()[0].digest(), pulled.digest());
    // Whoever asks again gets the other one, which is refused.
    let error = host.pull("registry.example/app:1").await.unwrap_err();
    assert!(error.to_string().contains(NONE), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_tag_and_a_digest_the_digest_counts() {
    let kit = Kit::golden();
    let host = Host::new().await;
    host.demand_keys(&kit.keyring);
    host.publish("registry.example/app:2", &kit.image).await;
    host.store
        .put(kit.path, &kit.image.manifest, 1, Answer::ok(kit.good.clone()));
    let digest = kit.image.manifest.digest();
    for (name, accepted) in [
        ("registry.example/app:2".to_owned(), false), // it is signed as app:1
        (format!("registry.example/app:2@{digest}"), true),
        (format!("registry.example/app@{digest}"), true),
    ] {
        assert_eq!(host.pull(&name).await.is_ok(), accepted, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_files_are_read_for_every_image() {
    let kit = Kit::golden();
    let host = Host::new().await;
    host.demand_keys(&kit.keyring);
    host.publish(&kit.name(), &kit.image).await;
    host.store
        .put(kit.path, &kit.image.manifest, 1, Answer::ok(kit.good.clone()));
    let client = host.client();
    let pull = async || {
        let pulled = client
            .pull_with(&kit.name(), &Memory::new(), Options::default())
            .await;
        pulled.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(pull().await, Ok(()));
    let release = "etc/pki/rpm-gpg/RPM-GPG-KEY-redhat-release";
    let beta = "etc/pki/rpm-gpg/RPM-GPG-KEY-redhat-beta";
    host.write(release, "no key"); // the other file has it
    assert_eq!(pull().await, Ok(()));
    host.write(beta, "no key");
    assert!(pull().await.unwrap_err().contains("RPM-GPG-KEY-redhat-release"));
    host.write(beta, &kit.keyring);
    std::fs::remove_file(host.path(release)).unwrap();
    assert!(pull().await.unwrap_err().contains("cannot be read"));
    host.write(release, &kit.keyring);
    assert_eq!(pull().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn registries_d_that_cannot_be_read_is_named() {
    let host = Host::new().await;
    for (text, parts) in [
        ("docker: [", &["broken.yaml:1"][..]),
        (
            "docker:\n  a.example:\n    lookaside: ftp://x\n",
            &["broken.yaml:3", "lookaside"],
        ),
        (
            "docker:\n  registry.example:\n    lookaside: https://x.example\n",
            &["broken.yaml:2", "registry.example.yaml"],
        ),
    ] {
        host.write("etc/containers/registries.d/broken.yaml", text);
        let error = host.builder().build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let text = error.to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
}

/// A refusal ends the search for a short name, as any failure but "not found" does.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_ends_the_search_for_a_short_name() {
    let host = Host::new().await;
    host.demand_keys(&Kit::golden().keyring);
    host.write(
        "etc/containers/registries.conf",
        format!("unqualified-search-registries = ['registry.example', '{REGISTRY}']\nshort-name-mode = 'disabled'\n"),
    );
    let image = Image::with_layer("unsigned");
    host.publish("registry.example/tool:1", &image).await;
    host.publish(&format!("{REGISTRY}/tool:1"), &image).await;
    let error = host.pull("tool:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    let text = error.to_string();
    assert!(
        text.starts_with("Source image rejected: registry.example/tool:1: ")
            && text.contains(&format!("not asked: {REGISTRY}/tool:1")),
        "{text}"
    );
    let refusal = Refusal::find(&error).unwrap();
    assert_eq!(
        refusal.rule().and_then(|rule| rule.scope()),
        Some("registry.example")
    );
}

/// The signatures that are carried are those that were judged.
#[tokio::test(flavor = "multi_thread")]
async fn signatures_that_are_judged_and_carried_are_read_once() {
    let kit = Kit::golden();
    let host = Host::new().await;
    host.demand_keys(&kit.keyring);
    host.publish(&kit.name(), &kit.image).await;
    host.store
        .put(kit.path, &kit.image.manifest, 1, Answer::ok(kit.good.clone()));
    for (carried, dropped, signatures) in [
        (0, 0, Signatures::Leave),
        (1, 0, Signatures::Carry),
        (1, 0, Signatures::CarryWhatFits),
    ] {
        let before = host.store.origin.lines().len();
        let options = Options::default().with_signatures(signatures);
        let pulled = host
            .client()
            .pull_with(&kit.name(), &Memory::new(), options)
            .await;
        let counts = pulled.unwrap().report().signatures();
        assert_eq!(
            (counts.carried, counts.dropped),
            (carried, dropped),
            "{signatures:?}"
        );
        // The first, and that there is no second.
        assert_eq!(host.store.origin.lines().len() - before, 2, "{signatures:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_mirror_that_gave_the_image() {
    let kit = Kit::golden();
    for through_mirror in [false, true] {
        let host = Host::new().await;
        host.demand_keys(&kit.keyring);
        let served_by = if through_mirror { MIRROR } else { kit.registry };
        if through_mirror {
            host.use_mirror(kit.registry);
        }
        host.publish(&format!("{served_by}/{}:{}", kit.path, kit.tag), &kit.image)
            .await;
        let text = host.pull(&kit.name()).await.unwrap_err().to_string();
        let named = format!("the image is from the mirror {MIRROR}/{}", kit.path);
        assert_eq!(text.contains(&named), through_mirror, "{text}");
        assert_eq!(text.contains(MIRROR), through_mirror, "{text}");
    }
}

/// Two requirements want two signers; which they are does not matter to the other.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_must_meet_the_policy_and_the_program() {
    let kit = Kit::golden();
    let host = Host::new().await;
    host.demand_keys(&kit.keyring);
    host.publish(&kit.name(), &kit.image).await;
    host.store
        .put(kit.path, &kit.image.manifest, 1, Answer::ok(kit.good.clone()));
    let key = Cosign::new();
    let requirement = || {
        use wharf::config::{Identity, KeySource, SigstoreSigned, SigstoreSigner};
        let keys = KeySource::data(key.pem());
        SigstoreSigned::new(SigstoreSigner::Keys { keys, rekor: None })
            .with_identity(Identity::MatchRepository)
    };
    let store = Memory::new();
    let pull = async |builder: wharf::ClientBuilder| {
        let client = builder.build().unwrap();
        let pulled = client.pull(&kit.name(), &store).await;
        pulled
            .map(|pulled| pulled.verdicts()[0].met().len())
            .map_err(|error| error.to_string())
    };
    assert_eq!(pull(host.builder()).await, Ok(1));
    let text = pull(host.builder().with_requirement(requirement()))
        .await
        .unwrap_err();
    assert!(
        text.contains("the program demands a signature by a key of its inline data (sigstoreSigned)"),
        "{text}"
    );
}
