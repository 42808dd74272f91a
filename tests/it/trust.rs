//! Whose certificates are trusted, and what the user is warned of.

use std::{
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex},
};

use wharf::{
    Client, ClientBuilder, ErrorKind, Event, Progress, Roots,
    config::{AuthFormat, CredentialKey, Credentials, Locations},
};
use wharf_testkit::hostile::{Answer, Match, Origin, OriginOptions, Stage};

/// A registry of this machine with a certificate of the stage's authority.
async fn registry(stage: &Stage) -> Origin {
    let registry = stage
        .origin_with("localhost", OriginOptions::default().with_port())
        .await;
    let list = Answer::ok(r#"{"name":"app","tags":["v1"]}"#).header("Warning", r#"299 - "the end is near""#);
    registry
        .on(
            Match::any().and(|request| request.path().contains("/locked/") && request.basic().is_none()),
            Answer::challenge("Basic realm=\"r\""),
        )
        .on(Match::get("/tags/list"), list);
    registry
}

async fn tags(builder: ClientBuilder, registry: &Origin) -> Result<usize, ErrorKind> {
    let image = format!("{}/app", registry.name());
    let tags = builder.build().unwrap().tags(&image).await;
    tags.map(|tags| tags.len()).map_err(|error| error.kind())
}

#[tokio::test]
async fn the_caller_chooses_whom_to_trust() {
    let stage = Stage::new();
    let registry = registry(&stage).await;
    let pem = || stage.ca().pem().to_owned();
    let certificates = tempfile::tempdir().unwrap();
    std::fs::write(certificates.path().join("ours.crt"), pem()).unwrap();
    let certs_d = || Locations::none().with_cert_dir(certificates.path());

    for roots in [
        Roots::Platform,
        Roots::AddedOnly,
        #[cfg(feature = "webpki-roots")]
        Roots::Webpki,
    ] {
        let builder = || Client::builder().with_roots(roots);
        let nobody = if roots == Roots::AddedOnly {
            ErrorKind::Invalid // there is nobody to trust
        } else {
            ErrorKind::Tls
        };
        assert_eq!(tags(builder(), &registry).await, Err(nobody), "{roots:?}");
        assert_eq!(
            tags(builder().with_root_pem(pem()), &registry).await,
            Ok(1),
            "{roots:?}"
        );
        assert_eq!(
            tags(builder().with_locations(certs_d()), &registry).await,
            Ok(1),
            "{roots:?}"
        );
        let wrong = builder().with_root_pem("no certificate");
        assert!(tags(wrong, &registry).await.is_err(), "{roots:?}");
    }
}

/// Hears warnings.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Progress for Heard {
    fn event(&self, event: Event<'_>) {
        if let Event::Warning { message } = event {
            self.0.lock().unwrap().push(message.to_owned());
        }
    }
}

#[tokio::test]
async fn warnings_are_told_once() {
    let stage = Stage::new();
    let registry = registry(&stage).await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("auth.json");
    let credentials = Credentials::from_files([(file.clone(), AuthFormat::Containers)]);
    let key = CredentialKey::parse_argument(registry.name()).unwrap();
    let credential = wharf::Credential::basic("ada", "secret");
    credentials.store(&key, &credential).unwrap();
    for (mode, warned) in [(0o600, false), (0o644, true)] {
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        let heard = Arc::new(Heard::default());
        let client = Client::builder()
            .with_locations(Locations::none().with_auth_file(&file))
            .with_root_pem(stage.ca().pem())
            .with_warnings(Arc::clone(&heard) as Arc<dyn Progress>)
            .build()
            .unwrap();
        let image = format!("{}/locked", registry.name());
        for _ in 0..2 {
            assert_eq!(client.tags(&image).await.unwrap().len(), 1);
        }
        let heard = heard.0.lock().unwrap();
        let count = |part: &str| heard.iter().filter(|message| message.contains(part)).count();
        assert_eq!(count("the end is near"), 1, "{heard:?}");
        assert_eq!(count("auth.json"), usize::from(warned), "{heard:?}");
        assert_eq!(count("secret"), 0);
    }
}

/// A directory of certs.d, its files, what is named, and what becomes of a request.
type Ignored<'a> = (
    &'a str,
    &'a [(&'a str, &'a str)],
    &'a str,
    Result<usize, ErrorKind>,
);

/// What is ignored in certs.d, and what it cannot be used for, is told to the listener and kept by the client.
#[tokio::test]
async fn what_is_ignored_of_certificates_is_named() {
    let stage = Stage::new();
    let registry = registry(&stage).await;
    let pem = stage.ca().pem().to_owned();
    let with_port = registry.name().to_owned();
    let host = with_port.split(':').next().unwrap().to_owned();
    let damaged = format!("{}{pem}", pem.replacen("MII", "M!I", 1));
    let key = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let trusted = pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE");
    let table: [Ignored<'_>; 7] = [
        (&with_port, &[("ca.crt", &pem)], "", Ok(1)),
        (
            &with_port,
            &[("ca.crt", "\u{30}garbage")],
            "ca.crt",
            Err(ErrorKind::Tls),
        ),
        (&with_port, &[("ca.pem", &pem)], "ca.pem", Err(ErrorKind::Tls)),
        (
            &with_port,
            &[("ca.crt", &damaged)],
            "ca.crt:1: the certificate is damaged",
            Ok(1),
        ),
        (
            &with_port,
            &[("ca.crt", &trusted)],
            "TRUSTED CERTIFICATE",
            Err(ErrorKind::Tls),
        ),
        (
            &host,
            &[("ca.crt", &pem)],
            "its name must be exactly",
            Err(ErrorKind::Tls),
        ),
        (
            &with_port,
            &[("ca.crt", &pem), ("me.cert", &pem), ("me.key", key)],
            "",
            Err(ErrorKind::Invalid),
        ),
    ];
    for (directory, files, named, expected) in table {
        let base = tempfile::tempdir().unwrap();
        std::fs::create_dir(base.path().join(directory)).unwrap();
        for (name, content) in files {
            std::fs::write(base.path().join(directory).join(name), content).unwrap();
        }
        let heard = Arc::new(Heard::default());
        let client = Client::builder()
            .with_locations(Locations::none().with_certs_base(base.path()))
            .with_warnings(Arc::clone(&heard) as Arc<dyn Progress>)
            .build()
            .unwrap();
        let image = format!("{}/app", registry.name());
        for _ in 0..2 {
            let tags = client.tags(&image).await;
            if let Err(error) = &tags
                && error.kind() == ErrorKind::Invalid
            {
                let text = format!("{error}");
                assert!(text.contains("me.key is encrypted"), "{text}");
            }
            let got = tags.map(|tags| tags.len()).map_err(|error| error.kind());
            assert_eq!(got, expected, "{files:?}");
        }
        let heard = heard.0.lock().unwrap();
        let ours: Vec<_> = heard
            .iter()
            .filter(|text| !text.contains("the end is near"))
            .collect();
        assert_eq!(ours.len(), usize::from(!named.is_empty()), "{ours:?}");
        assert!(ours.iter().all(|text| text.contains(named)), "{ours:?}");
        assert_eq!(client.warnings().len(), heard.len());
    }
}

/// What the configuration says of an image and does not mean is told when the image is wanted, once.
#[tokio::test]
async fn what_does_not_apply_to_an_image_is_told_once() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("etc/containers");
    std::fs::create_dir_all(&directory).unwrap();
    let registries = "[[registry]]\nlocation = 'docker.io/alpine'\n\
                      [[registry]]\nlocation = 'docker.io'\nblocked = true\n\
                      [[registry]]\nlocation = 'r.lan'\nblocked = true\n\
                      [[registry.mirror]]\nlocation = 'docker.io'\n";
    std::fs::write(directory.join("registries.conf"), registries).unwrap();
    let policy = r#"{"default": [{"type": "insecureAcceptAnything"}],
        "transports": {"docker": {"docker.io/alpine": [{"type": "reject"}]}}}"#;
    std::fs::write(directory.join("policy.json"), policy).unwrap();
    let heard = Arc::new(Heard::default());
    let client = Client::builder()
        .with_locations(Locations::rooted(root.path()))
        .with_warnings(Arc::clone(&heard) as Arc<dyn Progress>)
        .build()
        .unwrap();
    assert!(client.warnings().is_empty());
    let store = wharf::store::Layout::create(root.path().join("store"))
        .await
        .unwrap();
    for image in ["docker.io/library/alpine", "docker.io/alpine/git", "r.lan/app"] {
        for _ in 0..2 {
            client.pull(image, &store).await.unwrap_err(); // blocked
        }
    }
    let heard = heard.0.lock().unwrap();
    let kept: Vec<String> = client.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(*heard, kept);
    for part in [
        "registries.conf:1: registry.prefix: docker.io/alpine does not match docker.io/library/alpine",
        "transports.docker.\"docker.io/alpine\": does not match docker.io/library/alpine",
        "registries.conf:9: registry.mirror.location: left out for r.lan/app",
    ] {
        let count = heard.iter().filter(|message| message.contains(part)).count();
        assert_eq!(count, 1, "{part}: {heard:?}");
    }
    assert_eq!(heard.len(), 3, "{heard:?}");
}
