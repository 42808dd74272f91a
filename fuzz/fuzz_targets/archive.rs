//! Archives of images: see `README.md`.
#![no_main]

use std::collections::BTreeSet;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use wharf_archive::{Archive, Form, load};
use wharf_content::{Error, Source as _};
use wharf_fuzz::{Scratch, block_on};
use wharf_store::Memory;

/// The digests of what an archive lists, as it is opened and as it is loaded from a stream.
fn listed(bytes: &[u8]) -> (Result<BTreeSet<String>, Error>, Result<BTreeSet<String>, Error>) {
    let scratch = Scratch::new();
    let path = scratch.path("archive.tar");
    std::fs::write(&path, bytes).unwrap();
    block_on(async {
        let mut opened = Err(Error::new(wharf_content::ErrorKind::Other, "not opened"));
        for form in [Form::Oci, Form::Docker, Form::Detect] {
            opened = match Archive::open(&path, form).await {
                Ok(archive) => {
                    read(&archive).await;
                    let images = archive.images().iter();
                    Ok(images
                        .map(|image| image.descriptor().digest().to_string())
                        .collect())
                }
                Err(error) => Err(error),
            };
        }
        let pieces: Vec<_> = bytes
            .chunks(1000)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let stream = Box::pin(futures_util::stream::iter(pieces));
        let loaded = load(stream, &Memory::new()).await;
        let digests = |image: &wharf_archive::Loaded| image.descriptor.digest().to_string();
        (opened, loaded.map(|images| images.iter().map(digests).collect()))
    })
}

/// Reads what an archive lists: all of it has its digest, or is an error.
async fn read(archive: &Archive) {
    for image in archive.images() {
        let Ok(manifest) = archive.manifest(&image.target()).await else {
            continue;
        };
        for descriptor in manifest.config().into_iter().chain(manifest.layers()) {
            if let Ok(blob) = archive.blob(descriptor).await {
                let _ = blob.read_to_end(1 << 20).await;
            }
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let (opened, loaded) = listed(bytes);
    for error in [opened.as_ref().err(), loaded.as_ref().err()]
        .into_iter()
        .flatten()
    {
        let text = error.to_string();
        assert!(text.len() < 4096 && !text.contains(char::is_control), "{text}");
    }
    // What comes as a stream is what is read in place.
    if let (Ok(opened), Ok(loaded)) = (opened, loaded) {
        assert_eq!(opened, loaded);
    }
});
