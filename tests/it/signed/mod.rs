//! Images that a host wants signed: pulled, refused, verified.

mod bundles;
mod host;
mod keys;
mod roles;
mod rows;
mod synchronised;
mod verdicts;

use wharf::{ErrorKind, trust::Refusal};
use wharf_testkit::{hostile::Answer, require_peers};

use self::{
    host::{Host, Image, MIRROR, REGISTRY},
    keys::{Cosign, Kit},
};

const NONE: &str = "A signature was required, but no signature exists";

/// Judges the image of a kit in every state that its registry and its store of signatures may be in.
async fn takes_what_is_signed_and_nothing_else(kit: &Kit, through_mirror: bool) {
    let host = Host::new().await;
    host.demand_keys(&kit.keyring);
    if through_mirror {
        host.use_mirror(kit.registry);
    }
    let mut stores = [&host.store, &host.mirrors_store];
    if through_mirror {
        stores.reverse();
    }
    let [store, idle] = stores;
    let served_by = if through_mirror { MIRROR } else { kit.registry };
    let publish = |tag: &str| format!("{served_by}/{}:{tag}", kit.path);
    let other = Image::with_layer("not signed");
    let good = || Answer::ok(kit.good.clone());
    let stranger = || Answer::ok(kit.by_stranger.clone());
    let page = || Answer::ok("<html>sign in</html>");

    host.publish(&publish(kit.tag), &kit.image).await;
    for (what, answers, expected) in [
        ("signed", vec![good()], Ok(())),
        ("signed, after others", vec![stranger(), page(), good()], Ok(())),
        ("not signed", vec![], Err(NONE)),
        (
            "by another key",
            vec![stranger()],
            Err("the signing key is not in the keyring"),
        ),
        (
            "a page",
            vec![page()],
            Err("the signature is in no known format; it seems to be a web page"),
        ),
    ] {
        store.clear();
        for (number, answer) in answers.into_iter().enumerate() {
            store.put(kit.path, &kit.image.manifest, number + 1, answer);
        }
        assert_judged(&host, &kit.name(), what, expected).await;
    }

    // The signature is for another tag: the signed image was given a new one.
    store.put(kit.path, &kit.image.manifest, 1, good());
    host.publish(&publish("other"), &kit.image).await;
    let name = format!("{}/{}:other", kit.registry, kit.path);
    assert_judged(&host, &name, "another tag", Err("Signature for identity")).await;
    // The tag was moved to an image that is not signed, and one whose signature is that of the old image.
    host.publish(&publish(kit.tag), &other).await;
    assert_judged(&host, &kit.name(), "a moved tag", Err(NONE)).await;
    store.put(kit.path, &other.manifest, 1, good());
    assert_judged(
        &host,
        &kit.name(),
        "an old signature",
        Err("Signature for digest"),
    )
    .await;
    // By its digest, the signed image is had whatever the tag means now.
    let pinned = format!("{}/{}@{}", kit.registry, kit.path, kit.image.manifest.digest());
    assert_judged(&host, &pinned, "by digest", Ok(())).await;
    // The store was emptied.
    store.clear();
    assert_judged(&host, &pinned, "an empty store", Err(NONE)).await;
    // A store that fails is no refusal, and no permission either.
    store.put(kit.path, &kit.image.manifest, 1, good());
    store.put(kit.path, &kit.image.manifest, 2, Answer::new(500));
    let error = host.pull(&pinned).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Server, Some(500)),
        "{error}"
    );
    assert!(Refusal::find(&error).is_none());
    assert!(idle.origin.lines().is_empty(), "{:?}", idle.origin.lines());
}

async fn assert_judged(host: &Host, name: &str, what: &str, expected: Result<(), &str>) {
    match (host.pull(name).await, expected) {
        (Ok(pulled), Ok(())) => {
            let [verdict] = pulled.verdicts() else {
                panic!("{what}: {pulled:?}");
            };
            assert!(
                verdict.is_signed() && verdict.digest() == pulled.digest(),
                "{what}"
            );
        }
        (Err(error), Err(part)) => {
            assert_eq!(error.kind(), ErrorKind::Rejected, "{what}: {error}");
            let text = error.to_string();
            assert!(
                text.starts_with("Source image rejected: ") && text.contains(part),
                "{what}: {text}"
            );
            assert!(text.contains("etc/containers/policy.json"), "{what}: {text}");
            assert!(Refusal::find(&error).is_some(), "{what}");
        }
        (result, expected) => panic!("{what}: {result:?}, expected {expected:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_as_of_rhel_takes_what_is_signed_and_nothing_else() {
    for through_mirror in [false, true] {
        takes_what_is_signed_and_nothing_else(&Kit::golden(), through_mirror).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gnupg_signs_now_is_taken_from_the_registry_and_from_a_mirror() {
    require_peers!("gpg", "gpgconf");
    let kit = Kit::fresh();
    for through_mirror in [false, true] {
        takes_what_is_signed_and_nothing_else(&kit, through_mirror).await;
    }
}

/// The same with a key of cosign's, whose signatures are in the registry.
async fn takes_what_cosign_signed(through_mirror: bool) {
    let host = Host::new().await;
    let (key, stranger) = (Cosign::new(), Cosign::new());
    host.write("etc/pki/cosign.pub", key.pem());
    let path = host.path("etc/pki/cosign.pub").display().to_string();
    host.demand(&format!(
        r#"[{{"type": "sigstoreSigned", "keyPath": {path:?}, "signedIdentity": {{"type": "matchRepository"}}}}]"#
    ));
    let served_by = if through_mirror { MIRROR } else { REGISTRY };
    if through_mirror {
        host.use_mirror(REGISTRY);
    }
    let repository = format!("{REGISTRY}/team/app");
    let image = |content: &str| Image::with_layer(content);
    let (good, bad, unsigned) = (image("good"), image("by another"), image("not signed"));
    let elsewhere = image("for another repository");
    for (tag, image, signature) in [
        ("good", &good, Some(key.sign(&good.manifest, &repository))),
        ("bad", &bad, Some(stranger.sign(&bad.manifest, &repository))),
        (
            "elsewhere",
            &elsewhere,
            Some(key.sign(&elsewhere.manifest, "registry.example/x")),
        ),
        ("old", &unsigned, Some(key.sign(&good.manifest, &repository))),
        ("unsigned", &unsigned, None),
    ] {
        let name = format!("{served_by}/team/app:{tag}");
        host.publish(&name, image).await;
        if let Some(signature) = signature {
            host.attach(&name, &image.manifest, signature).await;
        }
    }
    let name = |tag: &str| format!("{repository}:{tag}");
    // Attachments are read where registries.d says so.
    let text = host.pull(&name("good")).await.unwrap_err().to_string();
    assert!(
        text.contains(NONE) && text.contains("use-sigstore-attachments"),
        "{text}"
    );
    assert!(text.contains("registries.d"), "{text}");
    host.write(
        "etc/containers/registries.d/attachments.yaml",
        format!("docker:\n  {served_by}/team:\n    use-sigstore-attachments: true\n"),
    );
    for (tag, expected) in [
        ("good", Ok(())),
        ("bad", Err("the signature was not made by")),
        ("elsewhere", Err("Signature for identity")),
        ("old", Err("Signature for digest")),
    ] {
        assert_judged(&host, &name(tag), tag, expected).await;
    }
    host.publish(&format!("{served_by}/team/app:good"), &image("moved"))
        .await;
    assert_judged(&host, &name("good"), "a moved tag", Err(NONE)).await;
    for store in [&host.store, &host.mirrors_store] {
        assert!(store.origin.lines().is_empty(), "{:?}", store.origin.lines());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cosign_signed_is_taken_from_the_registry_and_from_a_mirror() {
    for through_mirror in [false, true] {
        Box::pin(takes_what_cosign_signed(through_mirror)).await;
    }
}
