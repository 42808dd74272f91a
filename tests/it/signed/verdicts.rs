//! Verdicts without a copy, of registries and stores, in programs and from the command line.

use serde_json::Value;
use wharf::{
    Client, ErrorKind, Name, Platform, Selection,
    config::{Identity, KeySource, Locations, Policy, SignedBy, SigstoreSigned, SigstoreSigner},
    store::{Layout, Memory},
    trust::{Refusal, RefusalKind, SignedTime, VerifiedSigner},
};
use wharf_testkit::{Sandbox, hostile::Answer};

use super::{
    NONE,
    host::{Host, Image, REGISTRY},
    keys::{Cosign, Kit},
};
use crate::program::run;

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_verified_without_copying_it() {
    let kit = Kit::golden();
    let host = Host::new().await;
    host.demand_keys(&kit.keyring);
    host.publish(&kit.name(), &kit.image).await;
    host.store
        .put(kit.path, &kit.image.manifest, 1, Answer::ok(kit.good.clone()));
    let before = host.server.requests().len();
    let verdict = host.client().verify(kit.name().as_str()).await.unwrap();
    assert!(verdict.is_signed());
    assert_eq!(verdict.digest(), kit.image.manifest.digest());
    assert_eq!(
        verdict.rule().and_then(|rule| rule.scope()),
        Some("registry.example")
    );
    let [met] = verdict.met() else {
        panic!("{verdict:?}");
    };
    assert!(
        matches!(met.signer(), Some(VerifiedSigner::OpenPgp { .. }))
            && matches!(met.time(), Some(SignedTime::Claimed(_)))
    );
    assert_eq!(met.time().unwrap().to_string(), "2024-06-01T00:00:00Z");
    assert_eq!(host.server.requests().len() - before, 2); // the manifest, and whether signatures are offered

    host.store.clear();
    let error = host.client().verify(kit.name().as_str()).await.unwrap_err();
    let refusal = Refusal::find(&error).unwrap();
    assert_eq!(
        (error.kind(), refusal.kind()),
        (ErrorKind::Rejected, RefusalKind::NoSignature)
    );
    assert_eq!(refusal.digest(), Some(kit.image.manifest.digest()));
    let missing = host
        .client()
        .verify("registry.example/app:missing")
        .await
        .unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn to_accept_anything_is_no_verification_and_can_be_refused() {
    let host = Host::new().await;
    let image = Image::with_layer("anything");
    let name = "registry.example/app:1";
    host.publish(name, &image).await;
    // Nobody demands anything, and there is no policy.
    let error = host.client().verify(name).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.to_string().contains("there is nothing to verify by"),
        "{error}"
    );
    let store = Memory::new();
    let strict = || host.builder().with_signature_required(true).build().unwrap();
    let refused = strict().pull(name, &store).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Rejected);
    assert!(
        refused
            .to_string()
            .contains("there is no trust policy and no requirement"),
        "{refused}"
    );

    host.demand(r#"[{"type": "insecureAcceptAnything"}]"#);
    let verdict = host.client().verify(name).await.unwrap();
    assert!(!verdict.is_signed() && verdict.met()[0].signer().is_none());
    for error in [
        strict().verify(name).await.unwrap_err(),
        strict().pull(name, &store).await.unwrap_err(),
    ] {
        let refusal = Refusal::find(&error).unwrap();
        assert_eq!(refusal.kind(), RefusalKind::NothingVerified);
    }
    let lax = host
        .builder()
        .with_signature_required(true)
        .with_signature_required(false);
    lax.build().unwrap().pull(name, &store).await.unwrap();
}

/// Images of a layout have no name that a signature could be for, but the attachments that it keeps.
#[tokio::test(flavor = "multi_thread")]
async fn images_of_a_layout_are_judged_by_what_the_layout_keeps() {
    let host = Host::new().await;
    let key = Cosign::new();
    let image = Image::with_layer("signed");
    let name = format!("{REGISTRY}/team/app:1");
    host.publish(&name, &image).await;
    let directory = host.path("images");
    let layout = Layout::create(&directory).await.unwrap();
    let publisher = host.publisher();
    publisher.pull(name.as_str(), &layout).await.unwrap();
    let rule = |identity: &str| {
        let key = host.path("cosign.pub").display().to_string();
        format!(r#"{{"type": "sigstoreSigned", "keyPath": "{key}", "signedIdentity": {identity}}}"#)
    };
    host.write("cosign.pub", key.pem());
    let exact = rule(&format!(
        r#"{{"type": "exactRepository", "dockerRepository": "{REGISTRY}/team/app"}}"#
    ));
    let client = |rule: &str| {
        let oci = directory.canonicalize().unwrap().display().to_string();
        let policy = format!(
            r#"{{"default": [{{"type": "reject"}}], "transports": {{"oci": {{"{oci}": [{rule}]}}}}}}"#
        );
        host.builder()
            .with_policy(Policy::parse(&policy).unwrap())
            .build()
            .unwrap()
    };
    let pushed_as = format!("{REGISTRY}/team/copied:1");
    let in_store = Name::parse(&name).unwrap();
    let push = async |client: Client| {
        let pushed = client.push(&layout, in_store.clone(), pushed_as.as_str()).await;
        pushed
            .map(|pushed| pushed.verdicts().len())
            .map_err(|error| error.to_string())
    };
    let text = push(client(&exact)).await.unwrap_err();
    assert!(text.contains(NONE), "{text}");
    let line = format!(
        r#"to accept the images of this directory, add "oci": {{"{}": [{{"type": "insecureAcceptAnything"}}]}} to "transports""#,
        directory.canonicalize().unwrap().display()
    );
    assert!(text.contains(&line), "{text}");
    {
        use wharf::Sink as _;
        let signature = key.sign(&image.manifest, &format!("{REGISTRY}/team/app"));
        layout
            .push_signatures(image.manifest.descriptor(), None, &[signature])
            .await
            .unwrap();
    }
    assert_eq!(push(client(&exact)).await, Ok(1));
    let by_name = rule(r#"{"type": "matchRepository"}"#);
    assert!(
        push(client(&by_name))
            .await
            .unwrap_err()
            .contains("Signature for identity")
    );
    let location = format!("oci:{}:{name}", directory.display());
    assert!(
        client(&exact)
            .verify(location.as_str())
            .await
            .unwrap()
            .is_signed()
    );
    assert!(client(&by_name).verify(location.as_str()).await.is_err());
}

/// A host whose registry is a program's, with a lookaside store in a directory.
struct Shell {
    sandbox: Sandbox,
    server: wharf_registry::Server,
    kit: Kit,
}

impl Shell {
    async fn new() -> Self {
        let kit = Kit::golden();
        let sandbox = Sandbox::new();
        let server = wharf_registry::Registry::memory().serve().await.unwrap();
        let client = Client::builder()
            .with_locations(Locations::none())
            .with_plain_http(server.registry())
            .build()
            .unwrap();
        let reference = server.reference("app:1").unwrap();
        let remote = client.distribution().remote(&reference.repository());
        for (descriptor, bytes) in &kit.image.blobs {
            let blob = wharf::content::Blob::from_bytes(descriptor.clone(), bytes.clone().into()).unwrap();
            remote.push_blob(blob).await.unwrap();
        }
        for tag in ["1", "unsigned"] {
            let tag = wharf::Tag::parse(tag).unwrap();
            remote
                .push_manifest(&kit.image.manifest, Some(&tag))
                .await
                .unwrap();
        }
        std::fs::create_dir(sandbox.path("sigstores.d")).unwrap();
        let shell = Self { sandbox, server, kit };
        let lookaside = format!(
            "default-docker:\n  lookaside: file://{}\n",
            shell.sandbox.path("sigs").display()
        );
        std::fs::write(shell.sandbox.path("sigstores.d/a.yaml"), lookaside).unwrap();
        std::fs::write(shell.sandbox.path("key.gpg"), &shell.kit.keyring).unwrap();
        shell
    }

    fn sign(&self, blobs: &[&[u8]]) {
        let digest = self.kit.image.manifest.digest().to_string().replace(':', "=");
        let directory = self.sandbox.path("sigs").join(format!("app@{digest}"));
        std::fs::create_dir_all(&directory).unwrap();
        for (number, blob) in blobs.iter().enumerate() {
            std::fs::write(directory.join(format!("signature-{}", number + 1)), blob).unwrap();
        }
    }

    fn name(&self, tag: &str) -> String {
        self.server.reference(&format!("app:{tag}")).unwrap().to_string()
    }

    /// What `verify` prints, and how it ends.
    fn verify(&self, arguments: &[&str]) -> (i32, Value) {
        let common = ["--tls-verify=false", "--registries-d", "sigstores.d"];
        let ended = run(&self.sandbox, "verify", &[&common, arguments].concat());
        let printed = serde_json::from_str(&ended.stdout).unwrap_or(Value::Null);
        (ended.code.unwrap(), printed)
    }
}

/// The golden signature is for another name, which a policy may ask for.
fn policy(requirement: &str) -> String {
    format!(r#"{{"default": [{requirement}]}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_prints_its_verdict_whether_the_image_is_accepted_or_not() {
    let shell = Shell::new().await;
    let key = shell.sandbox.path("key.gpg").display().to_string();
    let signed = format!(
        r#"{{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "{key}", "signedIdentity": {{"type": "exactReference", "dockerReference": "registry.example/app:1"}}}}"#
    );
    std::fs::write(shell.sandbox.path("signed.json"), policy(&signed)).unwrap();
    std::fs::write(
        shell.sandbox.path("open.json"),
        policy(r#"{"type": "insecureAcceptAnything"}"#),
    )
    .unwrap();
    std::fs::write(shell.sandbox.path("shut.json"), policy(r#"{"type": "reject"}"#)).unwrap();
    let name = shell.name("1");
    let digest = shell.kit.image.manifest.digest().to_string();

    let (code, printed) = shell.verify(&["--policy", "signed.json", &name]);
    assert_eq!(code, 1);
    assert_eq!(printed["accepted"], false);
    assert_eq!(printed["signatures"], serde_json::json!([]));

    shell.sign(&[&shell.kit.by_stranger, &shell.kit.good]);
    let (code, printed) = shell.verify(&["--policy", "signed.json", &name]);
    assert_eq!(code, 0, "{printed}");
    assert_eq!(printed["digest"], digest.as_str());
    assert_eq!(printed["reference"], name.as_str());
    assert_eq!(printed["rule"], "the default of the trust policy signed.json");
    assert_eq!(
        (&printed["accepted"], &printed["signed"]),
        (&true.into(), &true.into())
    );
    let [bad, good] = printed["signatures"].as_array().unwrap().as_slice() else {
        panic!("{printed}");
    };
    assert_eq!(
        (&bad["kind"], &bad["accepted"], &bad["time"]),
        (&"simple".into(), &false.into(), &Value::Null)
    );
    assert!(
        bad["reason"].as_str().unwrap().contains("not in the keyring"),
        "{bad}"
    );
    assert_eq!((&good["accepted"], &good["reason"]), (&true.into(), &Value::Null));
    assert_eq!(good["time"], "2024-06-01T00:00:00Z");
    assert_eq!(good["signer"].as_str().unwrap().len(), 40, "{good}");

    // By a key alone the image's own name counts, whatever a policy says.
    let (code, printed) = shell.verify(&["--key", "key.gpg", &name]);
    assert_eq!(
        (code, &printed["rule"], &printed["signed"]),
        (1, &Value::Null, &false.into()),
        "{printed}"
    );
    let reasons = printed["signatures"].to_string();
    assert!(reasons.contains("Signature for identity"), "{reasons}");

    for (policy, allowed, code, accepted) in [
        ("open.json", false, 1, false),
        ("open.json", true, 0, true),
        ("shut.json", true, 1, false),
    ] {
        let flags = ["--policy", policy, name.as_str(), "--allow-unsigned"];
        let flags = if allowed { &flags[..] } else { &flags[..3] };
        let (ended, printed) = shell.verify(flags);
        assert_eq!(
            (ended, &printed["accepted"], &printed["signed"]),
            (code, &accepted.into(), &false.into())
        );
    }
    let (code, printed) = shell.verify(&["--policy", "signed.json", &shell.name("missing")]);
    assert_eq!((code, printed), (3, Value::Null));
    let (code, printed) = shell.verify(&["--key", "missing.gpg", &name]);
    assert_eq!((code, printed), (1, Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_takes_keys_of_both_kinds() {
    let shell = Shell::new().await;
    let (key, stranger) = (Cosign::new(), Cosign::new());
    for (name, key) in [("cosign.pub", &key), ("stranger.pub", &stranger)] {
        std::fs::write(shell.sandbox.path(name), key.pem()).unwrap();
    }
    std::fs::write(
        shell.sandbox.path("sigstores.d/b.yaml"),
        format!(
            "docker:\n  {}:\n    use-sigstore-attachments: true\n",
            shell.server.registry()
        ),
    )
    .unwrap();
    let reference = shell.server.reference("app:1").unwrap();
    let client = Client::builder()
        .with_plain_http(shell.server.registry())
        .with_signature_locations(wharf::config::SignatureStore::default().with_attachments(true))
        .build()
        .unwrap();
    let signature = key.sign(&shell.kit.image.manifest, reference.repository().as_str());
    let remote = client.distribution().remote(&reference.repository());
    let subject = shell.kit.image.manifest.descriptor();
    remote.push_signatures(subject, None, &[signature]).await.unwrap();
    for (keys, code) in [
        (&["--key", "cosign.pub"][..], 0),
        (&["--key", "stranger.pub"], 1),
        (&["--key", "cosign.pub", "--key", "stranger.pub"], 1),
        (&["--key", "cosign.pub", "--key", "cosign.pub"], 0),
        (&["--key", "cosign.pub", "--key", "key.gpg"], 1),
    ] {
        let (ended, printed) = shell.verify(&[keys, &[&shell.name("1")]].concat());
        assert_eq!(
            (ended, &printed["accepted"]),
            (code, &(code == 0).into()),
            "{keys:?} {printed}"
        );
        if code == 0 {
            assert_eq!(printed["signatures"][0]["kind"], "attachment");
        }
    }
}

/// Requirements of a program, in the place of the policy and beside it.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_demands_keys_from_code() {
    let kit = Kit::golden();
    let host = Host::new().await;
    host.publish(&kit.name(), &kit.image).await;
    host.store
        .put(kit.path, &kit.image.manifest, 1, Answer::ok(kit.good.clone()));
    host.demand(r#"[{"type": "reject"}]"#);
    let keyring = || SignedBy::new(KeySource::data(kit.keyring.clone()));
    let by_key = host
        .builder()
        .dangerous()
        .ignore_policy()
        .with_requirement(keyring());
    let client = by_key.build().unwrap();
    let verdict = client
        .verify_with(kit.name().as_str(), Platform::host())
        .await
        .unwrap();
    assert!(verdict.is_signed() && verdict.rule().is_none());
    let store = Memory::new();
    client
        .pull_with(kit.name(), &store, Selection::All)
        .await
        .unwrap();
    // The policy rejects in any case.
    let beside = host.builder().with_requirement(keyring()).build().unwrap();
    assert_eq!(
        beside.pull(kit.name(), &store).await.unwrap_err().kind(),
        ErrorKind::Rejected
    );
    let cosign = SigstoreSigned::new(SigstoreSigner::Keys {
        keys: KeySource::data(Cosign::new().pem()),
        rekor: None,
    });
    let both = host.builder().dangerous().ignore_policy();
    let both = both
        .with_requirement(keyring())
        .with_requirement(cosign.with_identity(Identity::MatchRepository));
    let error = both.build().unwrap().pull(kit.name(), &store).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the program demands a signature by a key of"),
        "{error}"
    );
}
