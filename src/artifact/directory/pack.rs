//! Packs a directory. The same tree gives the same bytes, so that nothing is kept between its hash and its push.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;
use wharf_content::{ByteStream, Descriptor, Error, ErrorKind, MediaType, OpenBlob};
use wharf_fs::{Stamp, open_regular_itself};
use wharf_layer::{
    Codec, Encoded, Encoder, Level, Profile,
    tar::{Member, Writer},
};

use super::{TAR_DIGEST, UNPACK, stays_inside};
use crate::artifact::{
    chunks::{PIECE, Received},
    hashed_file::failed,
    title::Title,
};

/// The pieces that wait to be sent.
const WAITING: usize = 4;

/// A directory that was packed once for its digest, and must not change until it is sent.
#[derive(Debug, Clone)]
pub(in crate::artifact) struct PackedDirectory {
    path: PathBuf,
    title: Title,
    pub(in crate::artifact) descriptor: Descriptor,
}

/// Packs a directory for its digests. Blocks.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] if there is none; [`ErrorKind::Invalid`] for a symbolic link that leads out of it, for pipes,
/// sockets and devices; [`ErrorKind::Conflict`] for a file that changes meanwhile.
pub(in crate::artifact) fn pack(
    path: &Path,
    title: &Title,
    media_type: MediaType,
) -> Result<PackedDirectory, Error> {
    let encoded = Packing::new(|_| Ok(())).run(path, title)?;
    let (Some(digest), Some(tar)) = (encoded.digest, encoded.diff_id) else {
        return Err(Error::new(ErrorKind::Other, "the encoder has computed no digest"));
    };
    let descriptor = Descriptor::new(media_type, digest, encoded.size)?
        .with_annotation(UNPACK, "true")
        .with_annotation(TAR_DIGEST, tar.to_string());
    Ok(PackedDirectory {
        path: path.to_owned(),
        title: title.clone(),
        descriptor,
    })
}

/// A blob that reads it verifies the bytes, so that a directory that has changed is an error.
#[async_trait]
impl OpenBlob for PackedDirectory {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        let (this, mut skip) = (self.clone(), offset);
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::task::spawn_blocking(move || {
            let send = |mut bytes: Bytes| {
                let skipped = bytes.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
                skip -= skipped as u64;
                let _ = bytes.split_to(skipped);
                let sent = sender.blocking_send(Ok(bytes));
                sent.map_err(|_| Error::new(ErrorKind::Cancelled, "nobody reads the directory any more"))
            };
            if let Err(error) = Packing::new(send).run(&this.path, &this.title) {
                let _ = sender.blocking_send(Err(error));
            }
        });
        Ok(Box::pin(Received(receiver)))
    }
}

struct Packing<S> {
    writer: Writer,
    encoder: Encoder,
    output: Vec<u8>,
    send: S,
}

impl<S: FnMut(Bytes) -> Result<(), Error>> Packing<S> {
    fn new(send: S) -> Self {
        let encoder = Encoder::new(Profile::V1, Level::default_of(Codec::Gzip), 1)
            .with_digest(true)
            .with_diff_id(true);
        Self {
            writer: Writer::new(),
            encoder,
            output: Vec::new(),
            send,
        }
    }

    /// Packs a tree in the order of its names. Owners are root, times are the epoch.
    fn run(mut self, top: &Path, title: &Title) -> Result<Encoded, Error> {
        let mut pending = vec![(top.to_owned(), title.to_string(), 0)];
        while let Some((path, name, depth)) = pending.pop() {
            let at = |error| failed(&path, error);
            let metadata = fs::symlink_metadata(&path).map_err(at)?;
            let kind = metadata.file_type();
            if kind.is_dir() {
                let member = Member::directory(&name)?.with_mode(mode(&metadata));
                self.member(&member)?;
                self.end()?;
                let mut below = Vec::new();
                for entry in fs::read_dir(&path).map_err(at)? {
                    let entry = entry.map_err(at)?;
                    let file_name = entry.file_name();
                    let file_name = file_name
                        .to_str()
                        .ok_or_else(|| invalid(&entry.path(), "its name is no UTF-8"))?;
                    below.push((entry.path(), format!("{name}/{file_name}"), depth + 1));
                }
                below.sort_unstable_by(|one, other| other.1.cmp(&one.1)); // the first is taken first
                pending.extend(below);
            } else if depth == 0 {
                return Err(invalid(&path, "it is no directory"));
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).map_err(at)?;
                let inside = target.to_str().filter(|target| stays_inside(depth - 1, target));
                let target =
                    inside.ok_or_else(|| invalid(&path, "it is a symbolic link out of the directory"))?;
                self.member(&Member::symlink(&name, target)?)?;
                self.end()?;
            } else {
                self.file(&path, &name, mode(&metadata))?;
            }
        }
        let end = self.writer.finish()?;
        self.encoder.encode(end, &mut self.output)?;
        let encoded = self.encoder.finish(&mut self.output)?;
        (self.send)(Bytes::from(self.output))?;
        Ok(encoded)
    }

    fn file(&mut self, path: &Path, name: &str, mode: u32) -> Result<(), Error> {
        let at = |error: io::Error| failed(path, error);
        let file: File = open_regular_itself(path).map_err(at)?;
        let size = Stamp::of(&file).map_err(at)?.size;
        self.member(&Member::file(name, size)?.with_mode(mode))?;
        let (mut content, mut buffer, mut read) = (file.take(size), vec![0; PIECE], 0);
        loop {
            let length = content.read(&mut buffer).map_err(at)?;
            let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else {
                break;
            };
            read += length as u64;
            self.writer.content(length)?;
            self.encode(piece)?;
        }
        if read != size {
            let message = format!("{} changed while it was packed; push it again", path.display());
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        self.end()
    }

    fn member(&mut self, member: &Member) -> Result<(), Error> {
        let header = self.writer.member(member)?;
        self.encode(&header)
    }

    fn end(&mut self) -> Result<(), Error> {
        let padding = self.writer.end_member()?;
        self.encode(padding)
    }

    fn encode(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.encoder.encode(bytes, &mut self.output)?;
        if self.output.len() >= PIECE {
            (self.send)(Bytes::from(std::mem::take(&mut self.output)))?;
        }
        Ok(())
    }
}

#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::mode(metadata) & 0o777
}

#[cfg(not(unix))]
fn mode(metadata: &fs::Metadata) -> u32 {
    if metadata.is_dir() { 0o755 } else { 0o644 }
}

fn invalid(path: &Path, why: &str) -> Error {
    let message = format!("{} cannot be packed: {why}", path.display());
    Error::new(ErrorKind::Invalid, message)
}
