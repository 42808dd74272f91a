//! Small content to put into stores.

use bytes::Bytes;
use wharf_content::{Blob, Descriptor, MediaType, Name, Sink};
use wharf_testkit::Image;

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn describe(media_type: MediaType, bytes: &[u8]) -> Descriptor {
    Descriptor::new(media_type, wharf_testkit::sha256(bytes), bytes.len() as u64).unwrap()
}

pub(crate) fn layer(bytes: impl Into<Bytes>) -> (Descriptor, Bytes) {
    let bytes = bytes.into();
    (describe(MediaType::OCI_LAYER, &bytes), bytes)
}

pub(crate) fn blob((descriptor, bytes): &(Descriptor, Bytes)) -> Blob {
    Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap()
}

pub(crate) async fn push(image: &Image, sink: &dyn Sink, as_name: &str) {
    for content in image.blobs() {
        sink.push_blob(blob(content)).await.unwrap();
    }
    let as_name = name(as_name);
    sink.push_manifest(image.manifest(), Some(&as_name))
        .await
        .unwrap();
}
