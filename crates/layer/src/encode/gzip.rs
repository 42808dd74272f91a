use zlib_rs::crc32::crc32_combine;

use super::block::Block;
use crate::{Error, level::Level, pool::Pool};

/// The most threads of one encoder.
const MAX_THREADS: usize = 64;

/// A block to compress.
struct Job {
    block: Block,
    /// True for the last block of the member.
    last: bool,
}

/// One gzip member, in the manner of pigz: blocks are compressed each for itself, with the end of the block before
/// as the dictionary, and joined. So it does not matter how many threads compress them.
pub(super) struct Gzip {
    level: u8,
    /// To be started when there is more than one block.
    threads: usize,
    pool: Option<Pool<Job, Result<Block, Error>>>,
    /// The block that is being filled.
    block: Block,
    /// A block that is not in use.
    spare: Option<Block>,
    header_written: bool,
    checksum: u32,
    length: u64,
}

impl Gzip {
    pub(super) fn new(level: Level, threads: usize) -> Self {
        Self {
            level: level.number(),
            threads,
            pool: None,
            block: Block::default(),
            spare: None,
            header_written: false,
            checksum: 0,
            length: 0,
        }
    }

    pub(super) fn encode(&mut self, mut input: &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
        self.header(output);
        self.length = self.length.wrapping_add(input.len() as u64);
        while !input.is_empty() {
            if self.block.is_full() {
                self.compress(false, output)?;
            }
            self.block.fill(&mut input);
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, output: &mut Vec<u8>) -> Result<(), Error> {
        self.header(output);
        self.compress(true, output)?;
        while let Some(pool) = &mut self.pool
            && let Some(block) = pool.next()?
        {
            self.checksum = append(&block?, self.checksum, output);
        }
        self.pool = None;
        output.extend_from_slice(&self.checksum.to_le_bytes());
        let [a, b, c, d, ..] = self.length.to_le_bytes();
        output.extend_from_slice(&[a, b, c, d]);
        Ok(())
    }

    /// No time, no name, no system (RFC 1952, section 2.3).
    fn header(&mut self, output: &mut Vec<u8>) {
        if std::mem::replace(&mut self.header_written, true) {
            return;
        }
        let effort = match self.level {
            1 => 4,
            9 => 2,
            _ => 0,
        };
        output.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, effort, 255]);
    }

    /// Compresses the block, or has it compressed, and begins the next one.
    fn compress(&mut self, last: bool, output: &mut Vec<u8>) -> Result<(), Error> {
        if self.pool.is_none() && !last {
            self.start_threads();
        }
        let Some(pool) = &mut self.pool else {
            self.block.compress(self.level, last)?;
            self.checksum = append(&self.block, self.checksum, output);
            self.block.advance();
            return Ok(());
        };
        let mut next = self.spare.take().unwrap_or_default();
        next.follow(&self.block);
        let block = std::mem::replace(&mut self.block, next);
        if let Some(block) = pool.push(Job { block, last })?.transpose()? {
            self.checksum = append(&block, self.checksum, output);
            self.spare = Some(block);
        }
        Ok(())
    }

    /// Starts threads, unless one was asked for or the system refuses them all.
    fn start_threads(&mut self) {
        if self.threads > 1 {
            let (level, threads) = (self.level, self.threads.min(MAX_THREADS));
            let compress = move |Job { mut block, last }: Job| block.compress(level, last).map(|()| block);
            self.pool = Pool::start("wharf-gzip", threads, compress).ok();
            self.threads = 1;
        }
    }
}

/// Appends the compressed bytes of a block. Returns the checksum of the content up to its end.
fn append(block: &Block, before: u32, output: &mut Vec<u8>) -> u32 {
    output.extend_from_slice(block.compressed());
    crc32_combine(before, block.checksum(), block.content().len() as u64)
}
