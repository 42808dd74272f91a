//! One block of a gzip member, which is compressed without the others.

use zlib_rs::{Deflate, DeflateError, DeflateFlush, Status, crc32::crc32};

use crate::{Error, ErrorKind};

/// Bytes of content in each block but the last. Part of profile 1.
const BLOCK: usize = 1 << 20;

/// Bytes of content before a block that it may refer to: the window of deflate. Part of profile 1.
const DICTIONARY: usize = 32 * 1024;

/// Content to compress, and then the compressed bytes. The memory of a block serves for many, one after the other.
#[derive(Default)]
pub(super) struct Block {
    /// The end of the block before, then the content.
    buffer: Vec<u8>,
    /// The length of the former.
    dictionary: usize,
    /// The compressed bytes, and room.
    compressed: Vec<u8>,
    /// The length of the former.
    written: usize,
    /// Of the content, once it is compressed.
    checksum: u32,
}

impl Block {
    /// Empties the block, to be filled with what follows the content of `previous`.
    pub(super) fn follow(&mut self, previous: &Self) {
        let content = previous.content();
        let start = content.len().saturating_sub(DICTIONARY);
        let end = content.get(start..).unwrap_or_default();
        self.buffer.clear();
        self.buffer.extend_from_slice(end);
        self.dictionary = end.len();
        self.written = 0;
    }

    /// Empties the block, to be filled with what follows its own content.
    pub(super) fn advance(&mut self) {
        let start = self.dictionary + self.content().len().saturating_sub(DICTIONARY);
        self.dictionary = self.buffer.len() - start;
        self.buffer.copy_within(start.., 0);
        self.buffer.truncate(self.dictionary);
        self.written = 0;
    }

    /// Appends content from the front of `input`, until the block is full.
    pub(super) fn fill(&mut self, input: &mut &[u8]) {
        let room = BLOCK.saturating_sub(self.content().len());
        let (bytes, rest) = input.split_at_checked(room).unwrap_or((input, &[]));
        if self.buffer.capacity() - self.buffer.len() < bytes.len() {
            self.buffer.reserve_exact(DICTIONARY + BLOCK - self.buffer.len());
        }
        self.buffer.extend_from_slice(bytes);
        *input = rest;
    }

    pub(super) fn is_full(&self) -> bool {
        self.content().len() == BLOCK
    }

    /// The content.
    pub(super) fn content(&self) -> &[u8] {
        self.buffer.get(self.dictionary..).unwrap_or_default()
    }

    /// The compressed bytes.
    pub(super) fn compressed(&self) -> &[u8] {
        self.compressed.get(..self.written).unwrap_or_default()
    }

    /// The checksum of the content that was compressed.
    pub(super) const fn checksum(&self) -> u32 {
        self.checksum
    }

    /// Deflates the content, in the same calls whatever the block was used for before. All blocks but the last end at a whole byte, with an empty stored block.
    ///
    /// The state is new for each block: one that is reset keeps bytes of the block before in its window, and they
    /// change which matches are found.
    pub(super) fn compress(&mut self, level: u8, last: bool) -> Result<(), Error> {
        let mut deflate = Deflate::new(effort(level), false, 15);
        let (dictionary, mut rest) = self
            .buffer
            .split_at_checked(self.dictionary)
            .unwrap_or((&[], self.buffer.as_slice()));
        self.checksum = crc32(0, rest);
        if !dictionary.is_empty() {
            deflate.set_dictionary(dictionary).map_err(problem)?;
        }
        let flush = if last {
            DeflateFlush::Finish
        } else {
            DeflateFlush::SyncFlush
        };
        self.written = 0;
        loop {
            let end = self.written + ROOM;
            if self.compressed.len() < end {
                self.compressed.resize(end, 0);
            }
            let room = self.compressed.get_mut(self.written..end).unwrap_or_default();
            let before = deflate.total_in();
            let status = deflate.compress(rest, room, flush).map_err(problem)?;
            let used = usize::try_from(deflate.total_in() - before).unwrap_or(rest.len());
            rest = rest.get(used..).unwrap_or_default();
            self.written = usize::try_from(deflate.total_out()).unwrap_or(self.compressed.len());
            // With room left, nothing is pending.
            let pending = self.written == end;
            if status == Status::StreamEnd || (!last && rest.is_empty() && !pending) {
                return Ok(());
            }
        }
    }
}

/// Room for the compressed bytes of one call. Part of profile 1: where a call ends for want of room, zlib-rs forgets the
/// match that it has looked up ahead.
const ROOM: usize = 256 * 1024;

/// The level of zlib-rs for a level of gzip. Part of profile 1.
///
/// Its level 6 takes a fifth more time than its 5 for a layer that is 0.2 % smaller, and its level 8 takes as much time
/// as its 9 for a layer that is 2 % larger. All but level 1 give smaller layers than pgzip does at the level's number.
const fn effort(level: u8) -> i32 {
    match level {
        3..=8 => level as i32 - 1,
        _ => level as i32,
    }
}

fn problem(error: DeflateError) -> Error {
    Error::new(ErrorKind::Other, format!("gzip: {}", error.as_str()))
}
