use std::{ops::Range, sync::Arc, time::Duration};

use wharf_auth::{Credential, Fixed};
use wharf_config::{Candidate, Intent, Resolve, ResolveError, TlsMode};
use wharf_content::{Blob, Sink as _, Target};
use wharf_distribution::{Client, ClientBuilder, Error, Remote};
use wharf_http::{ReqwestConnector, RetryPolicy, Timeouts, TlsSettings};
use wharf_reference::{Registry, Repository, Tag};
use wharf_testkit::{Image, TestCa, hostile::Stage};

pub(crate) fn registry(name: &str) -> Registry {
    Registry::parse(name).unwrap()
}

pub(crate) fn plain(name: &str) -> ClientBuilder {
    Client::builder().with_plain_http(registry(name))
}

pub(crate) fn trusting(ca: &TestCa) -> ClientBuilder {
    let pem = ca.pem().to_owned();
    Client::builder().with_certificates(Arc::new(move |_: &Registry| {
        Ok(TlsSettings::default().with_root_pem(pem.clone()))
    }))
}

pub(crate) fn login(builder: ClientBuilder, name: &str, user: &str, password: &str) -> Client {
    let fixed = Fixed::new(registry(name), Credential::basic(user, password));
    builder.with_credentials(Arc::new(fixed)).build().unwrap()
}

pub(crate) fn remote(client: &Client, registry_name: &str, path: &str) -> Remote {
    client.remote(&Repository::new(&registry(registry_name), path).unwrap())
}

pub(crate) async fn push_image(remote: &Remote, image: &Image, tag: &str) -> Result<(), Error> {
    for (descriptor, bytes) in image.blobs() {
        let blob = Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
        remote.push_blob(blob).await?;
    }
    remote
        .push_manifest(image.manifest(), Some(&Tag::parse(tag).unwrap()))
        .await
}

pub(crate) async fn assert_pulls(remote: &Remote, image: &Image, tag: &str) {
    let manifest = remote
        .manifest(&Target::Name(Tag::parse(tag).unwrap().into()))
        .await
        .unwrap();
    assert_eq!(&manifest, image.manifest());
    for (descriptor, bytes) in image.blobs() {
        let read = remote
            .blob(descriptor)
            .unwrap()
            .read_to_end(u64::MAX)
            .await
            .unwrap();
        assert_eq!(read, bytes);
        assert!(remote.contains(descriptor).await.unwrap());
    }
}

/// A client that knows the names and the authority of a stage, and is quick to try again and to give up.
pub(crate) fn on_stage(stage: &Stage) -> ClientBuilder {
    let timeouts = Timeouts::default()
        .with_connect(Duration::from_secs(2))
        .with_head(Duration::from_secs(2))
        .with_idle(Duration::from_secs(1));
    let connect = ReqwestConnector::new()
        .with_timeouts(timeouts)
        .with_dns_resolver(Arc::new(stage.names()));
    trusting(stage.ca())
        .with_connect(Arc::new(connect))
        .with_retry(RetryPolicy::default().with_initial_backoff(Duration::from_millis(5)))
}

/// Reads a blob as a store does: each piece where it belongs, and back once those before it are there. How
/// many bytes came early, too.
pub(crate) async fn read_in_pieces(blob: Blob) -> Result<(Vec<u8>, u64), wharf_content::Error> {
    let mut pieces = blob.into_pieces()?;
    let mut bytes = vec![0; usize::try_from(pieces.descriptor().size()).unwrap()];
    let mut early = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        let place =
            |range: Range<u64>| usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        let written = bytes.get_mut(place(piece.offset..piece.end())).unwrap();
        written.copy_from_slice(&piece.bytes);
        while let Some(due) = pieces.due() {
            early += due.end - due.start;
            pieces.give_back(bytes.get(place(due)).unwrap());
        }
    }
    Ok((bytes, early))
}

/// Every repository is where its name says, and no certificate need verify: `insecure = true` in registries.conf.
#[derive(Debug)]
pub(crate) struct Insecure;

impl Resolve for Insecure {
    fn resolve(&self, repository: &Repository, _: Intent) -> Result<Vec<Candidate>, ResolveError> {
        let mut candidate = Candidate::primary(repository.clone());
        candidate.tls = TlsMode::Insecure;
        Ok(vec![candidate])
    }
}
