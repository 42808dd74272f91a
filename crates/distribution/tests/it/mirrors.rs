//! Several places for one repository.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use wharf_auth::{Credential, Fixed};
use wharf_config::{Candidate, Intent, Registries, Resolve, ResolveError, Role};
use wharf_content::{Blob, Descriptor, ErrorKind, Hint, Manifest, MediaType, Target};
use wharf_distribution::Client;
use wharf_http::{ReqwestConnector, RetryPolicy, TlsSettings};
use wharf_reference::{Repository, Tag};
use wharf_registry::{Quirk, Registry};
use wharf_testkit::{
    Image,
    hostile::{Answer, Fault, Match, OriginOptions, Rule, Stage, Step, blob_answer},
    noise,
};

use crate::support::{Insecure, on_stage, plain, registry, remote};

/// Pulls look at the mirror first.
#[derive(Debug)]
struct Mirrored;

impl Resolve for Mirrored {
    fn resolve(&self, repository: &Repository, intent: Intent) -> Result<Vec<Candidate>, ResolveError> {
        let mut mirror = Candidate::primary(Repository::new(&registry("mirror.test"), "cache/app").unwrap());
        mirror.role = Role::Mirror;
        let primary = Candidate::primary(repository.clone());
        Ok(match intent {
            Intent::PullTag | Intent::PullDigest => vec![mirror, primary],
            _ => vec![primary],
        })
    }
}

fn tag() -> Target {
    Target::Name(Tag::parse("v1").unwrap().into())
}

#[tokio::test]
async fn a_digest_is_continued_at_the_next_place() {
    let stage = Stage::new();
    let mirror = stage.origin("mirror.test").await;
    let primary = stage.origin("reg.test").await;
    let bytes = Bytes::from(noise(5, 100_000));
    let descriptor = Descriptor::of(MediaType::OCTET_STREAM, &bytes);
    let whole = bytes.clone();
    mirror.rule(
        Rule::call(Match::get("/v2/cache/app/blobs/"), move |request| {
            blob_answer(request, &whole).fault(Fault::Cut(40_000))
        })
        .times(1),
    );
    mirror.on(Match::any(), Answer::new(404));
    primary.serve_blob("app", descriptor.digest().as_str(), &bytes);
    let client = on_stage(&stage).with_resolve(Arc::new(Mirrored)).build().unwrap();
    let blob = remote(&client, "reg.test", "app").blob(&descriptor).unwrap();
    assert_eq!(blob.read_to_end(u64::MAX).await.unwrap(), bytes);
    assert_eq!(primary.requests()[0].header("range"), Some("bytes=40000-"));
}

#[tokio::test]
async fn a_mirror_that_fails_is_passed_over_and_named_in_the_error() {
    let stage = Stage::new();
    let mirror = stage.origin("mirror.test").await;
    let primary = stage.origin("reg.test").await;
    let image = Image::small("x");
    mirror.on(Match::any(), Answer::error(403, "DENIED", "not for you"));
    primary.serve_image("app", "v1", &image);
    let client = on_stage(&stage).with_resolve(Arc::new(Mirrored)).build().unwrap();
    let app = remote(&client, "reg.test", "app");
    assert_eq!(app.manifest(&tag()).await.unwrap(), *image.manifest());
    let before = mirror.requests().len();
    let (descriptor, _) = &image.blobs()[0];
    app.blob(descriptor).unwrap().read_to_end(u64::MAX).await.unwrap();
    assert_eq!(
        mirror.requests().len(),
        before,
        "the place that gave the manifest is asked first"
    );

    primary.clear();
    primary.on(
        Match::any(),
        Answer::error(404, "MANIFEST_UNKNOWN", "nothing here"),
    );
    let error = app.manifest(&tag()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.earlier()[0].kind(), ErrorKind::Denied);
    assert!(
        error
            .to_string()
            .contains("also tried: https://mirror.test/v2/cache/app/manifests/v1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_busy_mirror_is_not_waited_for() {
    let stage = Stage::new();
    let mirror = stage.origin("mirror.test").await;
    let primary = stage.origin("reg.test").await;
    let image = Image::small("x");
    mirror.on(
        Match::any(),
        Answer::error(503, "UNAVAILABLE", "later").header("retry-after", "30"),
    );
    primary.rule(Rule::new(Match::any(), Answer::new(503)).times(1));
    primary.serve_image("app", "v1", &image);
    let client = on_stage(&stage).with_resolve(Arc::new(Mirrored)).build().unwrap();
    let app = remote(&client, "reg.test", "app");
    assert_eq!(app.manifest(&tag()).await.unwrap(), *image.manifest());
    assert_eq!(mirror.requests().len(), 1, "the next place is the second try");
    assert_eq!(primary.requests().len(), 2, "the last place is asked again");
}

/// The list at the fallback tag is changed where it is written: what a mirror has of it may be old.
#[tokio::test]
async fn the_list_of_referrers_is_read_at_the_registry_itself() {
    let stage = Stage::new();
    let mirror = stage.origin("mirror.test").await;
    let primary = stage.origin("reg.test").await;
    primary.serve_registry(&Registry::memory().with_quirk(Quirk::NoReferrers));
    let subject = Image::small("subject");
    let tag = subject.manifest().digest().as_str().replace(':', "-");
    let old = Manifest::parse(
        Bytes::from_static(
            br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
        ),
        None,
    )
    .unwrap();
    mirror.serve_manifest("cache/app", &tag, &old);
    mirror.on(Match::any(), Answer::new(404));
    let client = on_stage(&stage).with_resolve(Arc::new(Mirrored)).build().unwrap();
    let app = remote(&client, "reg.test", "app");
    let kind = MediaType::parse("application/vnd.example.note").unwrap();
    for name in ["one", "two"] {
        let note = Image::builder()
            .files(&[("x", name.as_bytes())])
            .subject(subject.manifest().descriptor())
            .artifact_type(kind.clone())
            .finish();
        for (descriptor, bytes) in note.blobs() {
            app.push_blob(Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap())
                .await
                .unwrap();
        }
        app.push_manifest(note.manifest(), None).await.unwrap();
    }
    let listed = app.referrers(subject.manifest().digest(), None).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(mirror.traffic().requests, 0);
}

#[tokio::test]
async fn n20_a_mirror_does_not_get_the_registry_s_login() {
    let stage = Stage::new();
    let mirror = stage.origin("mirror.test").await;
    let primary = stage.origin("reg.test").await;
    let password = stage.secret("password", &[&primary]);
    mirror.on(Match::any(), Answer::challenge("Basic realm=\"m\""));
    primary.on(Match::any(), Answer::challenge("Basic realm=\"p\""));
    let fixed = Fixed::new(registry("reg.test"), Credential::basic("ada", password));
    let client = on_stage(&stage)
        .with_resolve(Arc::new(Mirrored))
        .with_credentials(Arc::new(fixed))
        .build()
        .unwrap();
    let error = remote(&client, "reg.test", "app")
        .manifest(&tag())
        .await
        .unwrap_err();
    let error = stage.inspect(error);
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(
        mirror
            .requests()
            .iter()
            .all(|request| request.header("authorization").is_none())
    );
    assert!(primary.requests().iter().any(|request| request.basic().is_some()));
}

#[tokio::test]
async fn an_insecure_registry_may_speak_either() {
    let stage = Stage::new();
    let image = Image::small("x");
    let untrusted = stage
        .origin_with("self.test", OriginOptions::default().untrusted().with_port())
        .await;
    let clear = stage
        .origin_with("plain.test", OriginOptions::default().plain().with_port())
        .await;
    let client = on_stage(&stage).with_resolve(Insecure).build().unwrap();
    for origin in [&untrusted, &clear] {
        origin.serve_image("app", "v1", &image);
        let app = remote(&client, origin.name(), "app");
        assert_eq!(app.manifest(&tag()).await.unwrap(), *image.manifest());
        for (descriptor, _) in image.blobs() {
            app.blob(descriptor).unwrap().read_to_end(u64::MAX).await.unwrap();
        }
    }
    let wary = on_stage(&stage).build().unwrap();
    // The plain one waits for the rest of our greeting.
    for (origin, kind) in [(&untrusted, ErrorKind::Tls), (&clear, ErrorKind::Timeout)] {
        let error = remote(&wary, origin.name(), "app")
            .manifest(&tag())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn n10_no_plain_byte_is_sent_unless_configured() {
    let stage = Stage::new();
    for greeting in [
        vec![Step::Reset],
        vec![Step::Send(Bytes::from_static(b"junk")), Step::Close],
        vec![Step::Stall],
    ] {
        let origin = stage
            .origin_with("only.test", OriginOptions::default().plain().with_port())
            .await;
        origin.greet(greeting);
        let client = on_stage(&stage).build().unwrap();
        remote(&client, origin.name(), "app")
            .manifest(&tag())
            .await
            .unwrap_err();
        assert!(origin.requests().is_empty());
    }
}

#[tokio::test]
async fn logins_are_not_sent_in_clear_text() {
    let stage = Stage::new();
    let origin = stage
        .origin_with("far.test", OriginOptions::default().plain().with_port())
        .await;
    let password = stage.secret("password", &[]);
    origin.on(Match::any(), Answer::challenge("Basic realm=\"x\""));
    let name = origin.name().to_owned();
    let fixed = || {
        Arc::new(Fixed::new(
            registry(&name),
            Credential::basic("ada", password.clone()),
        ))
    };
    let client = on_stage(&stage)
        .with_plain_http(registry(&name))
        .with_credentials(fixed())
        .build()
        .unwrap();
    let error = remote(&client, &name, "app").manifest(&tag()).await.unwrap_err();
    assert_eq!(stage.inspect(error).kind(), ErrorKind::Blocked);

    stage.allow(&password, &origin);
    let client = on_stage(&stage)
        .with_plain_http(registry(&name))
        .with_credentials(fixed())
        .dangerous()
        .allow_plaintext_credentials(registry(&name))
        .build()
        .unwrap();
    let error = remote(&client, &name, "app").manifest(&tag()).await.unwrap_err();
    assert_eq!(stage.inspect(error).kind(), ErrorKind::Unauthorized);
    assert!(origin.requests().iter().any(|request| request.basic().is_some()));
    drop(plain(&name));
}

/// What is wrong with the settings for a mirror is no reason not to ask the registry.
#[tokio::test]
async fn a_mirror_whose_certificates_cannot_be_used_is_passed_over() {
    let stage = Stage::new();
    let primary = stage.origin("reg.test").await;
    let image = Image::small("x");
    primary.serve_image("app", "v1", &image);
    let client = |broken: &'static str| {
        let pem = stage.ca().pem().to_owned();
        let tls = move |name: &wharf_reference::Registry| {
            if *name == broken {
                return Err("no PEM".into());
            }
            Ok(TlsSettings::default().with_root_pem(pem.clone()))
        };
        let builder = on_stage(&stage).with_resolve(Arc::new(Mirrored));
        builder.with_certificates(Arc::new(tls)).build().unwrap()
    };
    let app = remote(&client("mirror.test"), "reg.test", "app");
    assert_eq!(app.manifest(&tag()).await.unwrap(), *image.manifest());
    let app = remote(&client("reg.test"), "reg.test", "app");
    let error = app.push_manifest(image.manifest(), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.to_string().contains("the certificates for reg.test"),
        "{error}"
    );
}

#[tokio::test]
async fn a_place_that_is_no_repository_is_to_be_corrected_not_allowed() {
    let registries = "[[registry]]\nprefix = 'reg.test/app'\nlocation = 'other.test'";
    let client = Client::builder()
        .with_resolve(Arc::new(Registries::parse(registries).unwrap()))
        .build()
        .unwrap();
    let error = remote(&client, "reg.test", "app")
        .manifest(&tag())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.hint(), Some(&Hint::CorrectConfiguration));
}

/// A mirror that is silent is left soon; if nothing else can be reached it is asked again, and waited for.
#[tokio::test(start_paused = true)]
async fn a_silent_mirror_is_left_sooner_than_the_registry() {
    let secs = Duration::from_secs;
    // How long each needs to answer, whether the registry can be reached, how long the whole may take, and
    // whether it ends well.
    let table = [
        ("both are quick", 0, 0, true, 5, true),
        ("a mirror that needs 10 s", 10, 0, true, 20, true),
        ("a silent mirror", 100_000, 0, true, 30, true),
        (
            "a silent mirror, and a registry that needs 2 min",
            100_000,
            120,
            true,
            160,
            true,
        ),
        (
            "a mirror that needs 2 min, and no registry",
            120,
            0,
            false,
            400,
            true,
        ),
        ("nobody answers", 100_000, 100_000, true, 4_000, false),
    ];
    for (what, mirror_needs, registry_needs, reachable, longest, ends_well) in table {
        let stage = Stage::new();
        let (mirror, registry) = (stage.origin("mirror.test").await, stage.origin("reg.test").await);
        let image = Image::small("x");
        for (origin, needs) in [(&mirror, mirror_needs), (&registry, registry_needs)] {
            let manifest = Answer::ok(image.manifest().bytes().clone())
                .header("Content-Type", image.manifest().media_type().as_str());
            let mut steps = vec![Step::Delay(secs(needs))];
            steps.extend(manifest.steps());
            origin.on(Match::any(), steps);
        }
        if !reachable {
            registry.greet(vec![Step::Reset]);
        }
        let connect = ReqwestConnector::new().with_dns_resolver(Arc::new(stage.names()));
        let client = on_stage(&stage)
            .with_connect(Arc::new(connect))
            .with_resolve(Arc::new(Mirrored))
            .with_retry(RetryPolicy::never())
            .build()
            .unwrap();
        let started = tokio::time::Instant::now();
        let got = remote(&client, "reg.test", "app").manifest(&tag()).await;
        assert_eq!(got.is_ok(), ends_well, "{what}: {got:?}");
        assert!(
            started.elapsed() < secs(longest),
            "{what}: {:?}",
            started.elapsed()
        );
    }
}
