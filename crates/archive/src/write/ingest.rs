//! Writes blobs whose digest and size are known last: their headers are written over zeros that keep their place.

use std::sync::Arc;

use bytes::Bytes;
use wharf_content::{Error, ErrorKind, Verified};
use wharf_reference::{Algorithm, Digest};

use super::members::{Exclusive, Inner};
use crate::{
    error::At as _,
    output::Output,
    runtime::blocking,
    stream::{Hashed, next},
};

/// The bytes of a block of a tar archive.
const BLOCK: u64 = 512;

/// A PAX header of one block of records.
const ZEROS: [u8; 1024] = [0; 1024];

impl Inner {
    /// Writes a blob whose digest and size are known last.
    pub(super) async fn ingest(self: &Arc<Self>, mut bytes: Hashed) -> Result<(Digest, u64), Error> {
        let exclusive = self.lock().await;
        drop(self.open_state()?);
        let extension = extension_of(bytes.hasher.algorithm());
        let (offset, header) = self.with_tar(&exclusive, |tar| {
            let offset = tar.drop_member();
            let header = tar.reserve_member()?;
            tar.content(extension.len())?;
            Ok((offset, header))
        })?;
        let (destination, path) = (self.destination.clone(), Arc::clone(&self.path));
        let mut output = Output::new(destination, path, offset, Arc::clone(&exclusive));
        output.write(header).await?;
        output.write(extension).await?;
        while let Some(chunk) = next(&mut bytes).await {
            let chunk = chunk?;
            self.with_tar(&exclusive, |tar| tar.content(chunk.len()))?;
            output.write(chunk).await?;
        }
        output.finish().await?;
        let verified = bytes.hasher.prove()?;
        let inner = Arc::clone(self);
        blocking(move || {
            inner.complete(&exclusive, offset, extension.len() as u64, &verified)?;
            Ok((verified.digest().clone(), verified.size()))
        })
        .await
    }

    /// Writes the headers of a blob whose content is there, or drops the blob if there is another of its digest.
    fn complete(
        &self,
        exclusive: &Exclusive,
        offset: u64,
        extension: u64,
        blob: &Verified,
    ) -> Result<(), Error> {
        let (digest, size) = (blob.digest(), blob.size());
        let place = (offset + BLOCK + extension, size);
        if self.state().content.blobs.contains_key(digest) {
            return self.with_tar(exclusive, |tar| {
                tar.drop_member();
                Ok(())
            });
        }
        let member = self.file(&self.name_of(digest), size)?;
        let headers = self.with_tar(exclusive, |tar| {
            if extension == 0 {
                return Ok(tar.complete_member(&member)?.header.to_vec());
            }
            tar.drop_member();
            let headers = tar.member(&member)?;
            tar.content(usize::try_from(size).unwrap_or(usize::MAX))?;
            tar.end_member()?;
            Ok(headers)
        })?;
        let mut written = Ok(());
        if headers.len() as u64 != BLOCK + extension {
            let message = format!(
                "the headers of {} do not fit in their place",
                self.name_of(digest)
            );
            written = Err(Error::new(ErrorKind::Unsupported, message));
        }
        let written = written.and_then(|()| {
            let end = self
                .destination
                .write(&[Bytes::from_static(padding(size))], place.0 + size);
            let written = end.and_then(|()| self.destination.write(&[headers.into()], offset));
            written.at("write", &self.path)
        });
        match written {
            Ok(()) => {
                self.state().content.blobs.insert(digest.clone(), place);
                Ok(())
            }
            Err(failure) => {
                self.cut_off(exclusive, offset, &failure);
                Err(failure)
            }
        }
    }
}

/// The zeros after content of this size.
pub(super) fn padding(size: u64) -> &'static [u8] {
    let length = usize::try_from(size.next_multiple_of(BLOCK) - size).unwrap_or(0);
    ZEROS.get(..length).unwrap_or_default()
}

/// The zeros in place of the headers that the name of a blob needs beside its own: that of sha512 is too long for
/// one header and is in a PAX header before it.
const fn extension_of(algorithm: Algorithm) -> &'static [u8] {
    match algorithm {
        Algorithm::Sha512 => &ZEROS,
        _ => &[],
    }
}
