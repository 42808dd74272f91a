//! Registries that are known in the field, as far as their ways were observed from outside: a login, a
//! push, a pull, tags, copies and referrers go well with each.

use std::sync::Arc;

use http::Method;
use wharf_auth::{Credential, Fixed};
use wharf_content::{Blob, Descriptor, ErrorKind, MediaType, Name, Sink, Source, Target};
use wharf_copy::{Options, copy};
use wharf_distribution::{Client, Remote};
use wharf_reference::{Registry as Host, Repository, Tag};
use wharf_registry::{Fault, Profile, Registry, RouteKind};
use wharf_store::Memory;
use wharf_testkit::{
    Image, Index,
    hostile::{OriginOptions, Stage},
};

/// Those that differ in how they are asked rather than in what they answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Known(Profile),
    /// Tokens; blobs come from another host.
    RedHat,
    /// Tokens; user names are paths and passwords have every character.
    Oracle,
    /// Basic, and everything that the specification has.
    Zot,
}

impl Way {
    fn all() -> impl Iterator<Item = Self> {
        let known = Profile::ALL.into_iter().map(Self::Known);
        known.chain([Self::RedHat, Self::Oracle, Self::Zot])
    }

    const fn login(self) -> (&'static str, &'static str) {
        match self {
            Self::Oracle => (
                "tenancy/oracleidentitycloudservice/ada@example.test",
                "a:b\"c\\d{e}&f=g h",
            ),
            Self::Known(Profile::Ecr) => ("AWS", "a-very-long-token"),
            Self::Known(Profile::Nvcr) => ("$oauthtoken", "key"),
            _ => ("ada", "secret"),
        }
    }

    fn registry(self) -> Registry {
        let (user, password) = self.login();
        let registry = Registry::memory().with_basic(user, password);
        match self {
            Self::Known(Profile::Ecr) => registry.with_profile(Profile::Ecr),
            Self::Known(profile) => registry.with_profile(profile).with_tokens(),
            Self::RedHat | Self::Oracle => registry.with_tokens(),
            Self::Zot => registry,
        }
    }
}

fn client(name: &str, user: &str, password: &str) -> Client {
    let name = Host::parse(name).unwrap();
    let fixed = Fixed::new(name.clone(), Credential::basic(user, password));
    let builder = Client::builder().with_plain_http(name);
    builder.with_credentials(Arc::new(fixed)).build().unwrap()
}

fn remote(client: &Client, name: &str, path: &str) -> Remote {
    client.remote(&Repository::parse(&format!("{name}/{path}")).unwrap())
}

async fn push(remote: &Remote, image: &Image, tag: &str) {
    for (descriptor, bytes) in image.blobs() {
        let blob = Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
        remote.push_blob(blob).await.unwrap();
    }
    let tag = Tag::parse(tag).unwrap();
    remote.push_manifest(image.manifest(), Some(&tag)).await.unwrap();
}

async fn assert_pulls(remote: &Remote, image: &Image, tag: &str, way: Way) {
    let manifest = remote.manifest(&Tag::parse(tag).unwrap().into()).await.unwrap();
    assert_eq!(manifest, *image.manifest(), "{way:?}");
    let resolved = remote.resolve(&Tag::parse(tag).unwrap().into()).await.unwrap();
    assert_eq!(resolved.digest(), manifest.digest(), "{way:?}");
    for (descriptor, bytes) in image.blobs() {
        let read = remote
            .blob(descriptor)
            .unwrap()
            .read_to_end(u64::MAX)
            .await
            .unwrap();
        assert_eq!(read, *bytes, "{way:?}");
    }
}

#[tokio::test]
async fn a_login_is_checked_everywhere() {
    for way in Way::all() {
        let server = way.registry().serve().await.unwrap();
        let name = server.address().to_string();
        let registry = Host::parse(&name).unwrap();
        let (user, password) = way.login();
        client(&name, user, password)
            .check_credentials(&registry)
            .await
            .unwrap();
        let wrong = client(&name, user, "wrong")
            .check_credentials(&registry)
            .await
            .unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::Unauthorized, "{way:?}: {wrong}");
    }
}

#[tokio::test]
async fn images_go_in_and_come_out_everywhere() {
    for way in Way::all() {
        let stage = Stage::new();
        let registry = way.registry();
        let server = registry.clone().serve().await.unwrap();
        let name = server.address().to_string();
        let (user, password) = way.login();
        let client = client(&name, user, password);
        let app = remote(&client, &name, "team/app");
        let image = Image::builder()
            .files(&[("etc/motd", b"hello")])
            .noise(1, 300_000)
            .finish();
        push(&app, &image, "v1").await;
        if way == Way::RedHat {
            let cdn = stage
                .origin_with("127.0.0.1", OriginOptions::default().plain())
                .await;
            for (descriptor, bytes) in image.blobs() {
                let digest = descriptor.digest();
                cdn.serve_blob("team/app", digest.as_str(), bytes);
                let there = cdn.url(&format!("/v2/team/app/blobs/{digest}?signature=x"));
                let fault = Fault::redirect(&there)
                    .on(RouteKind::Blob)
                    .method(Method::GET)
                    .digest(digest);
                let _armed = registry.inject(fault);
            }
        }
        assert_pulls(&app, &image, "v1", way).await;
        assert_eq!(
            app.tags().collect().await.unwrap(),
            [Tag::parse("v1").unwrap()],
            "{way:?}"
        );

        // Into a store, within the registry, and back.
        let store = Arc::new(Memory::new());
        let target: Target = Tag::parse("v1").unwrap().into();
        let source: Arc<dyn Source> = Arc::new(app.clone());
        let into: Arc<dyn Sink> = Arc::clone(&store) as _;
        let named = || Options::default().with_name(Name::parse("v1").unwrap());
        copy(Arc::clone(&source), into, &target, named()).await.unwrap();
        let other = remote(&client, &name, "other/app");
        copy(source, Arc::new(other.clone()), &target, named())
            .await
            .unwrap();
        if way != Way::RedHat {
            assert_pulls(&other, &image, "v1", way).await;
        }
        let back = remote(&client, &name, "back/app");
        copy(store, Arc::new(back.clone()), &target, named())
            .await
            .unwrap();
        assert_eq!(
            back.manifest(&target).await.unwrap(),
            *image.manifest(),
            "{way:?}"
        );
    }
}

#[tokio::test]
async fn large_blobs_go_in_chunks_where_they_can() {
    for way in Way::all() {
        let registry = way.registry();
        // A proxy before it takes no more than it must at once.
        let refused = registry.inject(
            Fault::status(413)
                .on(RouteKind::Upload)
                .method(Method::PUT)
                .times(1),
        );
        let server = registry.clone().serve().await.unwrap();
        let name = server.address().to_string();
        let (user, password) = way.login();
        let app = remote(&client(&name, user, password), &name, "team/app");
        let image = Image::builder().noise(2, 9_000_000).finish();
        let (descriptor, bytes) = image.blobs().last().unwrap();
        let blob = Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
        app.push_blob(blob)
            .await
            .unwrap_or_else(|error| panic!("{way:?}: {error}"));
        assert_eq!(refused.hits(), 1, "{way:?}");
        let read = app.blob(descriptor).unwrap().read_to_end(u64::MAX).await.unwrap();
        assert!(read == *bytes, "{way:?}");
    }
}

#[tokio::test]
async fn referrers_are_found_everywhere() {
    for way in Way::all() {
        let server = way.registry().serve().await.unwrap();
        let name = server.address().to_string();
        let (user, password) = way.login();
        let app = remote(&client(&name, user, password), &name, "team/app");
        let index = Index::of(vec![Image::small("subject")]);
        let image = index.images().first().unwrap();
        push(&app, image, "v1").await;
        app.push_manifest(index.manifest(), Some(&Tag::parse("all").unwrap()))
            .await
            .unwrap();
        let kind = MediaType::parse("application/vnd.example.note").unwrap();
        for subject in [image.manifest().descriptor(), index.manifest().descriptor()] {
            for note in ["one", "two"] {
                let artifact = artifact(&kind, subject, note);
                push(&app, &artifact, note).await;
            }
            let found = app.referrers(subject.digest(), Some(&kind)).await.unwrap();
            assert_eq!(found.len(), 2, "{way:?}: {found:?}");
            for entry in &found {
                app.referrer(entry, subject.digest()).await.unwrap();
            }
        }
        let none = wharf_testkit::sha256(b"nobody refers to this");
        assert!(app.referrers(&none, None).await.unwrap().is_empty(), "{way:?}");
    }
}

fn artifact(kind: &MediaType, subject: &Descriptor, note: &str) -> Image {
    Image::builder()
        .artifact_type(kind.clone())
        .subject(subject)
        .annotation("note", note)
        .files(&[("note", note.as_bytes())])
        .finish()
}
