use std::sync::Arc;

use wharf_auth::{Credential, Fixed};
use wharf_content::{Blob, Sink as _, Target};
use wharf_distribution::{Client, ClientBuilder, Error, Remote};
use wharf_http::TlsSettings;
use wharf_reference::{Registry, Repository, Tag};
use wharf_testkit::{Image, TestCa};

pub(crate) fn registry(name: &str) -> Registry {
    Registry::parse(name).unwrap()
}

pub(crate) fn plain(name: &str) -> ClientBuilder {
    Client::builder().with_plain_http(registry(name))
}

pub(crate) fn trusting(ca: &TestCa) -> ClientBuilder {
    let pem = ca.pem().to_owned();
    Client::builder().with_tls(Arc::new(move |_: &Registry| {
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
