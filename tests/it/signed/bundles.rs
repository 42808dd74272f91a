//! Sigstore bundles, which count where the program says so in code.

use wharf::{
    Client, ClientBuilder, ErrorKind,
    content::{Manifest, Wanted},
    store::{Layout, Memory},
    trust::{Refusal, TrustedRoot, Verdict},
};

use super::{
    NONE,
    host::{Host, Image, MIRROR, REGISTRY},
    keys::Cosign,
};

const OFF: &str = "1 sigstore bundle of it does not count: bundles name no image, so that no signedIdentity can be met, \
                   and the program does not accept them for their digest alone";

/// A host that wants everything of RHEL's registry signed by a key of cosign's, under the name that it has.
async fn host(key: &Cosign, more: &str) -> Host {
    let host = Host::new().await;
    host.write("etc/pki/cosign.pub", key.pem());
    let path = host.path("etc/pki/cosign.pub").display().to_string();
    host.demand(&format!(
        r#"[{{"type": "sigstoreSigned", "keyPath": {path:?}{more}, "signedIdentity": {{"type": "matchRepository"}}}}]"#
    ));
    for registry in [REGISTRY, MIRROR] {
        host.write(
            &format!("etc/containers/registries.d/{registry}-attachments.yaml"),
            format!("docker:\n  {registry}/team:\n    use-sigstore-attachments: true\n"),
        );
    }
    host
}

fn accepting(host: &Host) -> ClientBuilder {
    host.builder().dangerous().bundles_name_nothing_but_a_digest()
}

fn name(tag: &str) -> String {
    format!("{REGISTRY}/team/app:{tag}")
}

async fn pulled(client: &Client, name: &str) -> Result<Vec<Verdict>, wharf::Error> {
    let pulled = client.pull(name, &Memory::new()).await?;
    Ok(pulled.verdicts().to_vec())
}

/// Paths that were asked for, with the referrers of a manifest under its digest.
fn asks_for_referrers(host: &Host, manifest: &Manifest) -> usize {
    let path = format!("/referrers/{}", manifest.digest());
    let requests = host.server.requests();
    requests
        .iter()
        .filter(|request| request.path().contains(&path))
        .count()
}

async fn takes_bundles_where_the_program_says_so(through_mirror: bool) {
    let (key, stranger) = (Cosign::new(), Cosign::new());
    let host = host(&key, "").await;
    let served_by = if through_mirror { MIRROR } else { REGISTRY };
    if through_mirror {
        host.use_mirror(REGISTRY);
    }
    let [good, bad, unsigned, late] =
        ["good", "by another", "not signed", "good after others"].map(Image::with_layer);
    for (tag, image, signatures) in [
        ("good", &good, vec![key.bundle(&good.manifest)]),
        ("bad", &bad, vec![stranger.bundle(&bad.manifest)]),
        ("old", &unsigned, vec![key.bundle(&good.manifest)]),
        (
            "late",
            &late,
            vec![
                stranger.bundle(&late.manifest),
                key.sign(&late.manifest, "registry.example/another"),
                key.bundle(&late.manifest),
            ],
        ),
    ] {
        let name = format!("{served_by}/team/app:{tag}");
        host.publish(&name, image).await;
        for signature in signatures {
            host.attach(&name, &image.manifest, signature).await;
        }
    }
    let (off, on) = (host.client(), accepting(&host).build().unwrap());
    for (tag, refused_without, expected) in [
        ("good", OFF, Ok(())),
        ("bad", OFF, Err("the signature was not made by the key")),
        ("old", OFF, Err("the statement is about other content")),
        ("late", "Signature for identity", Ok(())),
    ] {
        let error = pulled(&off, &name(tag)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected, "{tag}");
        assert!(error.to_string().contains(refused_without), "{tag}: {error}");
        match (pulled(&on, &name(tag)).await, expected) {
            (Ok(verdicts), Ok(())) => {
                assert_eq!(verdicts.len(), 1, "{tag}");
                assert_eq!(verdicts[0].met()[0].kind(), Some(Wanted::BUNDLES), "{tag}");
                assert_eq!(on.verify(name(tag).as_str()).await.unwrap(), verdicts[0], "{tag}");
            }
            (Err(error), Err(part)) => {
                let text = error.to_string();
                assert!(
                    Refusal::find(&error).is_some() && text.contains(part),
                    "{tag}: {text}"
                );
                assert!(!text.contains("not count"), "{tag}: {text}");
            }
            (result, _) => panic!("{tag}: {result:?}"),
        }
    }
    assert!(
        pulled(&off, &name("good"))
            .await
            .unwrap_err()
            .to_string()
            .contains(NONE)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_taken_where_the_program_says_so_and_nowhere_else() {
    for through_mirror in [false, true] {
        Box::pin(takes_bundles_where_the_program_says_so(through_mirror)).await;
    }
}

/// docs/threats.md, T171: the name of the option says what is given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_was_moved_to_another_signed_image_is_taken_by_its_bundle_alone() {
    let key = Cosign::new();
    let host = host(&key, "").await;
    let image = Image::with_layer("of another repository");
    let elsewhere = format!("{REGISTRY}/team/other:1");
    host.publish(&elsewhere, &image).await;
    host.publish(&name("moved"), &image).await;
    let client = accepting(&host).build().unwrap();
    // An attachment names the repository that it is for.
    let attached = key.sign(&image.manifest, &format!("{REGISTRY}/team/other"));
    host.attach(&name("moved"), &image.manifest, attached).await;
    let error = pulled(&client, &name("moved")).await.unwrap_err();
    assert!(error.to_string().contains("Signature for identity"), "{error}");
    host.attach(&name("moved"), &image.manifest, key.bundle(&image.manifest))
        .await;
    assert_eq!(pulled(&client, &name("moved")).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_cost_no_request_where_they_do_not_count() {
    let key = Cosign::new();
    let host = host(&key, "").await;
    let image = Image::with_layer("signed in both ways");
    host.publish(&name("1"), &image).await;
    let attached = key.sign(&image.manifest, &format!("{REGISTRY}/team/app"));
    host.attach(&name("1"), &image.manifest, attached).await;
    let count = async |client: Client| {
        let (all, listed) = (
            host.server.requests().len(),
            asks_for_referrers(&host, &image.manifest),
        );
        pulled(&client, &name("1")).await.unwrap();
        let all = host.server.requests().len() - all;
        (all, asks_for_referrers(&host, &image.manifest) - listed)
    };
    let (without, lists) = count(host.client()).await;
    assert_eq!(lists, 0);
    // Nor does a bundle that is there, nor a root.
    host.attach(&name("1"), &image.manifest, key.bundle(&image.manifest))
        .await;
    assert_eq!(count(host.client()).await, (without, 0));
    let rooted = host.builder().with_trusted_root(root()).build().unwrap();
    assert_eq!(count(rooted).await, (without, 0));
    // The list, the bundle's manifest and the bundle, beside the attachment.
    assert_eq!(count(accepting(&host).build().unwrap()).await, (without + 3, 1));
    // A rule that demands nothing demands no bundle.
    host.demand(r#"[{"type": "insecureAcceptAnything"}]"#);
    let (anything, lists) = count(host.client()).await;
    assert_eq!(
        (lists, count(accepting(&host).build().unwrap()).await),
        (0, (anything, 0))
    );
}

/// The root of golden data, whose log and authority sign nothing here.
fn root() -> TrustedRoot {
    TrustedRoot::parse(include_bytes!(
        "../../../crates/trust/tests/golden/bundles/trusted_root.json"
    ))
    .unwrap()
}

/// A requirement with logs needs the root that the program gives.
#[tokio::test(flavor = "multi_thread")]
async fn logs_of_a_requirement_need_a_root_of_the_program() {
    let (key, log) = (Cosign::new(), Cosign::new());
    let path = |host: &Host| host.path("etc/pki/rekor.pub").display().to_string();
    let host = host(&key, "").await;
    host.write("etc/pki/rekor.pub", log.pem());
    let keys = host.path("etc/pki/cosign.pub").display().to_string();
    host.demand(&format!(
        r#"[{{"type": "sigstoreSigned", "keyPath": {keys:?}, "rekorPublicKeyPath": {:?}}}]"#,
        path(&host)
    ));
    let image = Image::with_layer("signed");
    host.publish(&name("1"), &image).await;
    host.attach(&name("1"), &image.manifest, key.bundle(&image.manifest))
        .await;
    for (client, part, lists) in [
        (host.client(), OFF, 1), // it is counted, and not read
        (
            accepting(&host).build().unwrap(),
            "a trusted_root.json, and the program has none",
            1,
        ),
        (
            accepting(&host).with_trusted_root(root()).build().unwrap(),
            "no log in the trusted_root.json of the program has a Rekor key of the requirement",
            1,
        ),
    ] {
        let before = asks_for_referrers(&host, &image.manifest);
        let error = pulled(&client, &name("1")).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(
            asks_for_referrers(&host, &image.manifest) - before,
            lists,
            "{part}"
        );
    }
}

/// A layout keeps bundles, and its images have no name that could be signed.
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_came_with_an_image_counts_in_a_layout_too() {
    let key = Cosign::new();
    let host = host(&key, "").await;
    let image = Image::with_layer("signed");
    host.publish(&name("1"), &image).await;
    host.attach(&name("1"), &image.manifest, key.bundle(&image.manifest))
        .await;
    let layout = host.path("layout");
    let store = Layout::create(&layout).await.unwrap();
    let options = wharf::Options::default().with_signatures(wharf::Signatures::Carry);
    accepting(&host)
        .build()
        .unwrap()
        .pull_with(name("1").as_str(), &store, options)
        .await
        .unwrap();
    let rule = format!(
        r#"{{"default": [{{"type": "sigstoreSigned", "keyPath": {:?}}}]}}"#,
        host.path("etc/pki/cosign.pub").display().to_string()
    );
    host.write("etc/containers/policy.json", rule);
    let there = format!("oci:{}:@0", layout.display());
    let error = host.client().verify(there.as_str()).await.unwrap_err();
    assert!(error.to_string().contains(OFF), "{error}");
    let verdict = accepting(&host)
        .build()
        .unwrap()
        .verify(there.as_str())
        .await
        .unwrap();
    assert_eq!(verdict.digest(), image.manifest.digest());
}
