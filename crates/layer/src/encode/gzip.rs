use zlib_rs::crc32::crc32_combine;

use super::{
    block::{self, BLOCK, Block, DICTIONARY, Job},
    pool::Pool,
};
use crate::{Error, level::Level};

/// One gzip member, in the manner of pigz: blocks are compressed each for itself, with the end of the block before
/// as the dictionary, and joined. So it does not matter how many threads compress them.
pub(super) struct Gzip {
    level: u8,
    /// To be started when there is more than one block.
    threads: usize,
    pool: Option<Pool>,
    /// The content of the block that is being filled.
    content: Vec<u8>,
    dictionary: Vec<u8>,
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
            content: Vec::new(),
            dictionary: Vec::new(),
            header_written: false,
            checksum: 0,
            length: 0,
        }
    }

    pub(super) fn encode(&mut self, mut input: &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
        self.header(output);
        while !input.is_empty() {
            if self.content.len() == BLOCK {
                self.compress(false, output)?;
            }
            let room = BLOCK - self.content.len();
            let (bytes, rest) = input.split_at_checked(room).unwrap_or((input, &[]));
            self.content.extend_from_slice(bytes);
            input = rest;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, output: &mut Vec<u8>) -> Result<(), Error> {
        self.header(output);
        self.compress(true, output)?;
        while let Some(pool) = &mut self.pool
            && let Some(block) = pool.next()?
        {
            self.append(&block, output);
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

    fn compress(&mut self, last: bool, output: &mut Vec<u8>) -> Result<(), Error> {
        let content = std::mem::take(&mut self.content);
        let start = content.len().saturating_sub(DICTIONARY);
        let next = content.get(start..).unwrap_or_default().to_vec();
        let job = Job {
            content,
            dictionary: std::mem::replace(&mut self.dictionary, next),
            last,
        };
        if self.pool.is_none() && !last {
            self.start_threads();
        }
        let block = match &mut self.pool {
            Some(pool) => pool.push(job)?,
            None => Some(block::compress(self.level, &job)?),
        };
        if let Some(block) = block {
            self.append(&block, output);
        }
        Ok(())
    }

    /// Starts threads, unless one was asked for or the system refuses them all.
    fn start_threads(&mut self) {
        if self.threads > 1 {
            self.pool = Pool::start(self.level, self.threads).ok();
            self.threads = 1;
        }
    }

    fn append(&mut self, block: &Block, output: &mut Vec<u8>) {
        output.extend_from_slice(&block.bytes);
        self.checksum = crc32_combine(self.checksum, block.checksum, block.length);
        self.length = self.length.wrapping_add(block.length);
    }
}
