//! One block of a gzip member, which is compressed without the others.

use zlib_rs::{Deflate, DeflateError, DeflateFlush, Status, crc32::crc32};

use crate::{Error, ErrorKind};

/// Bytes of content in each block but the last. Part of profile 1.
pub(super) const BLOCK: usize = 1 << 20;

/// Bytes of content before a block that it may refer to: the window of deflate. Part of profile 1.
pub(super) const DICTIONARY: usize = 32 * 1024;

/// A block to compress.
pub(super) struct Job {
    pub(super) content: Vec<u8>,
    pub(super) dictionary: Vec<u8>,
    pub(super) last: bool,
}

/// A block that was compressed.
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    pub(super) checksum: u32,
    pub(super) length: u64,
}

/// Deflates the content. All blocks but the last end at a whole byte, with an empty stored block.
///
/// The state is new for each block: one that is reset keeps bytes of the block before in its window, and they change
/// which matches are found.
pub(super) fn compress(level: u8, job: &Job) -> Result<Block, Error> {
    let mut deflate = Deflate::new(i32::from(level), false, 15);
    if !job.dictionary.is_empty() {
        deflate.set_dictionary(&job.dictionary).map_err(problem)?;
    }
    let flush = if job.last {
        DeflateFlush::Finish
    } else {
        DeflateFlush::SyncFlush
    };
    let mut bytes = Vec::new();
    let mut rest = job.content.as_slice();
    loop {
        let start = bytes.len();
        bytes.resize(start + ROOM, 0);
        let room = bytes.get_mut(start..).unwrap_or_default();
        let (before_in, before_out) = (deflate.total_in(), deflate.total_out());
        let status = deflate.compress(rest, room, flush).map_err(problem)?;
        let used = usize::try_from(deflate.total_in() - before_in).unwrap_or(rest.len());
        let written = usize::try_from(deflate.total_out() - before_out).unwrap_or(ROOM);
        rest = rest.get(used..).unwrap_or_default();
        bytes.truncate(start + written);
        // With room left, nothing is pending.
        if status == Status::StreamEnd || (!job.last && rest.is_empty() && written < ROOM) {
            break;
        }
    }
    Ok(Block {
        bytes,
        checksum: crc32(0, &job.content),
        length: job.content.len() as u64,
    })
}

/// Bytes of room for one call.
const ROOM: usize = 256 * 1024;

fn problem(error: DeflateError) -> Error {
    Error::new(ErrorKind::Other, format!("gzip: {}", error.as_str()))
}
