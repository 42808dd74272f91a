//! What is read in place is what is loaded from a stream.

use std::{fs, io::Cursor};

use wharf_archive::{Archive, Form, load, read_stream};
use wharf_content::{ErrorKind, Hasher, Source as _};
use wharf_reference::{Algorithm, Digest};
use wharf_store::Memory;

use crate::{
    support::Scratch,
    tarball::{M, archive},
};

/// A docker-archive of one layer, and whether it is read in place and loaded: to the same manifest, or to the same kind of
/// error.
async fn read_both_ways(config: (&str, String), layer: (&str, Vec<u8>)) -> Result<Digest, ErrorKind> {
    let manifest = format!(r#"[{{"Config":"{}","Layers":["{}"]}}]"#, config.0, layer.0);
    let scratch = Scratch::new();
    let path = scratch.path("saved.tar");
    let bytes = archive([
        (config.0, M::text(config.1)),
        (layer.0, M::File(layer.1)),
        ("manifest.json", M::text(manifest)),
    ]);
    fs::write(&path, &bytes).unwrap();
    let loaded = load(read_stream(Cursor::new(bytes)), &Memory::new()).await;
    let loaded = loaded
        .map(|images| images[0].descriptor.digest().clone())
        .map_err(|error| error.kind());
    let opened = match Archive::open(&path, Form::Docker).await {
        Ok(archive) => {
            let image = archive.only().unwrap();
            let manifest = archive.manifest(&image.target()).await.unwrap();
            let mut read = Ok(manifest.digest().clone());
            for descriptor in manifest.blobs() {
                let blob = archive.blob(descriptor).await.unwrap();
                if let Err(error) = blob.read_to_end(u64::MAX).await {
                    read = Err(error.kind());
                }
            }
            read
        }
        Err(error) => Err(error.kind()),
    };
    assert_eq!(
        opened,
        loaded,
        "in place, and as a stream: {manifest}",
        manifest = config.0
    );
    opened
}

#[tokio::test]
async fn a_docker_archive_is_the_same_in_place_and_as_a_stream() {
    let layer = vec![0; 1024];
    let json = b"{} as a layer that begins as a document".to_vec();
    let config = |diff_id: &str| {
        format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#
        )
    };
    let sha256 = |bytes: &[u8]| Hasher::sha256(bytes).to_string();
    let sha512 = |bytes: &[u8]| Hasher::digest(Algorithm::Sha512, bytes).unwrap().to_string();
    let right = config(&sha256(&layer));
    let blob = |digest: &str| format!("blobs/{}", digest.replace(':', "/"));
    let rows = [
        (
            "config.json".to_owned(),
            right.clone(),
            "layer.tar".to_owned(),
            &layer,
            Ok(()),
        ),
        (
            blob(&sha256(right.as_bytes())),
            right.clone(),
            blob(&sha256(&layer)),
            &layer,
            Ok(()),
        ),
        // Of another algorithm: a diff_id is no digest of the blob then, and a name is one.
        (
            "config.json".to_owned(),
            config(&sha512(&layer)),
            "layer.tar".to_owned(),
            &layer,
            Ok(()),
        ),
        (
            "config.json".to_owned(),
            right.clone(),
            blob(&sha512(&layer)),
            &layer,
            Ok(()),
        ),
        (
            "config.json".to_owned(),
            config(&sha256(&json)),
            blob(&sha512(&json)),
            &json,
            Ok(()),
        ),
        // Bytes that are not those of the name, or of the config.
        (
            blob(&sha256(b"x")),
            right.clone(),
            "layer.tar".to_owned(),
            &layer,
            Err(ErrorKind::Mismatch),
        ),
        (
            "config.json".to_owned(),
            right.clone(),
            blob(&sha256(b"x")),
            &layer,
            Err(ErrorKind::Mismatch),
        ),
        (
            "config.json".to_owned(),
            config(&sha256(&json)),
            blob(&sha256(b"x")),
            &json,
            Err(ErrorKind::Mismatch),
        ),
        (
            "config.json".to_owned(),
            right,
            "layer.tar".to_owned(),
            &json,
            Err(ErrorKind::Mismatch),
        ),
    ];
    for (number, (config_name, config, layer_name, layer, expected)) in rows.into_iter().enumerate() {
        let read = read_both_ways((&config_name, config), (&layer_name, layer.clone())).await;
        assert_eq!(read.map(drop), expected, "row {number}");
    }
}
