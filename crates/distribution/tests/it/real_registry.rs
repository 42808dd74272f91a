use std::sync::Arc;

use wharf_content::{Blob, ErrorKind, Location, Sink, Target};
use wharf_distribution::Client;
use wharf_http::{Identity, TlsSettings};
use wharf_reference::{Registry, Tag};
use wharf_testkit::{DockerRegistry, Grant, Image, TestCa, TokenServer, peers_present};

use crate::support::{assert_pulls, login, plain, push_image, registry, remote, trusting};

#[tokio::test]
async fn plain_http() {
    if !peers_present(&["docker-registry"]) {
        return;
    }
    let server = DockerRegistry::start();
    let client = plain(&server.name()).build().unwrap();
    let image = Image::small("plain");
    let first = remote(&client, &server.name(), "team/app");
    push_image(&first, &image, "v1").await.unwrap();
    assert_pulls(&first, &image, "v1").await;

    let second = remote(&client, &server.name(), "team/other");
    for (descriptor, _) in image.blobs() {
        assert!(!second.contains(descriptor).await.unwrap());
        let from = Location::Repository(first.repository().clone());
        assert!(Sink::mount(&second, descriptor, &from).await.unwrap());
        assert!(second.contains(descriptor).await.unwrap());
    }
    second
        .push_manifest(image.manifest(), Some(&Tag::latest()))
        .await
        .unwrap();
    assert_eq!(first.tags().collect().await.unwrap(), [Tag::parse("v1").unwrap()]);

    let missing = second
        .manifest(&Target::Name(Tag::parse("nope").unwrap().into()))
        .await
        .unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(
        missing.to_string(),
        format!(
            "cannot read manifest {name}/team/other:nope at http://{name}/v2/team/other/manifests/nope: not found \
             (MANIFEST_UNKNOWN: manifest unknown ({{\"Tag\":\"nope\"}})); check the name and the tag",
            name = server.name()
        )
    );
    client.check_credentials(&registry(&server.name())).await.unwrap();
}

#[tokio::test]
async fn tls_and_a_password() {
    if !peers_present(&["docker-registry"]) {
        return;
    }
    let ca = TestCa::new();
    let server = DockerRegistry::builder().tls(&ca).user("ada", "s3cret").start();
    let name = server.name();
    let image = Image::small("tls");
    let client = login(trusting(&ca), &name, "ada", "s3cret");
    client.check_credentials(&registry(&name)).await.unwrap();
    let app = remote(&client, &name, "app");
    push_image(&app, &image, "v1").await.unwrap();
    assert_pulls(&app, &image, "v1").await;

    let wrong = login(trusting(&ca), &name, "ada", "CANARY");
    let error = wrong.check_credentials(&registry(&name)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(!format!("{error} {error:?}").contains("CANARY"));
    assert_eq!(
        error.to_string(),
        format!(
            "cannot log in to {name} at https://{name}/v2/: not authenticated (UNAUTHORIZED: authentication required); \
             check the user name and password, or the access token, for {name}"
        )
    );

    let nobody = trusting(&ca).build().unwrap();
    let error = push_image(&remote(&nobody, &name, "app"), &Image::small("other"), "v2")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(
        error.to_string().ends_with(&format!("log in to {name} first")),
        "{error}"
    );

    let untrusting = Client::builder().build().unwrap();
    let error = untrusting.check_credentials(&registry(&name)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(
        error.to_string().ends_with(&format!(
            "add the certificate of its authority to those that are trusted for {name}"
        )),
        "{error}"
    );
}

#[tokio::test]
async fn tokens() {
    if !peers_present(&["docker-registry"]) {
        return;
    }
    let tokens = TokenServer::builder()
        .user(
            "ada",
            "s3cret",
            &[Grant::new("app", "pull,push"), Grant::new("other", "pull,push")],
        )
        .anonymous(&[Grant::new("app", "pull")])
        .start();
    let server = DockerRegistry::builder().token_server(&tokens).start();
    let name = server.name();
    let image = Image::small("tokens");
    let client = login(plain(&name), &name, "ada", "s3cret");
    let app = remote(&client, &name, "app");
    push_image(&app, &image, "v1").await.unwrap();
    assert_eq!(tokens.issued().len(), 1, "{:?}", tokens.issued());
    assert_pulls(&app, &image, "v1").await;
    assert_eq!(tokens.issued().len(), 1, "the token to push serves to pull");

    let other = remote(&client, &name, "other");
    let (descriptor, bytes) = &image.blobs()[0];
    assert!(
        Sink::mount(
            &other,
            descriptor,
            &Location::Repository(app.repository().clone())
        )
        .await
        .unwrap()
    );
    other
        .push_blob(Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap())
        .await
        .unwrap();

    let nobody = plain(&name).build().unwrap();
    let anonymous = remote(&nobody, &name, "app");
    let manifest = anonymous
        .manifest(&Target::Name(Tag::parse("v1").unwrap().into()))
        .await
        .unwrap();
    assert_eq!(&manifest, image.manifest());
    let error = push_image(&anonymous, &Image::small("more"), "v2")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
}

#[tokio::test]
async fn a_tls_client_at_a_plain_port_says_so() {
    if !peers_present(&["docker-registry"]) {
        return;
    }
    let server = DockerRegistry::start();
    let client = Client::builder().build().unwrap();
    let error = client
        .check_credentials(&registry(&server.name()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    assert!(
        error.to_string().contains("it seems to speak plain http"),
        "{error}"
    );
}

#[tokio::test]
async fn a_client_certificate_is_the_login() {
    if !peers_present(&["docker-registry"]) {
        return;
    }
    let ca = TestCa::new();
    let server = DockerRegistry::builder()
        .tls_with_client_certificates(&ca)
        .start();
    let name = server.name();
    let ours = ca.issue_client("ada");
    let settings = TlsSettings::default().with_root_pem(ca.pem());
    let with = settings
        .clone()
        .with_identity(Identity::from_pem(ours.pem(), ours.key_pem()));
    let client = |settings: TlsSettings| {
        let tls = move |_: &Registry| Ok(settings.clone());
        Client::builder()
            .with_certificates(Arc::new(tls))
            .build()
            .unwrap()
    };
    let known = client(with);
    let image = Image::small("mutual");
    push_image(&remote(&known, &name, "app"), &image, "v1")
        .await
        .unwrap();
    assert_pulls(&remote(&known, &name, "app"), &image, "v1").await;
    let error = client(settings.clone())
        .check_credentials(&registry(&name))
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Tls | ErrorKind::Network),
        "{error:?}"
    );
    let broken = settings.with_identity(Identity::from_pem("no certificate", "no key"));
    let error = client(broken)
        .check_credentials(&registry(&name))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
}
