use zlib_rs::{Inflate, InflateError, InflateFlush, Status, crc32::crc32};

use super::{gzip_header::Header, problem::Problem};
use crate::limits::Limits;

/// All members of a gzip file, one after the other.
pub(super) struct Gzip {
    inflate: Inflate,
    state: State,
    members: u64,
    trailing: u64,
    /// Of what came out of the current member.
    checksum: u32,
    /// Its length, modulo 2^32.
    length: u32,
}

enum State {
    Header(Header),
    Body,
    /// The checksum and the length, as far as they were read.
    Trailer {
        bytes: [u8; 8],
        count: usize,
    },
    /// Between two members, or after the last one.
    Between,
    /// Zeros after the last one.
    Zeros,
}

impl Default for Gzip {
    fn default() -> Self {
        Self {
            inflate: Inflate::new(false, 15),
            state: State::Header(Header::default()),
            members: 1,
            trailing: 0,
            checksum: 0,
            length: 0,
        }
    }
}

impl Gzip {
    pub(super) fn decode(
        &mut self,
        input: &mut &[u8],
        output: &mut [u8],
        limits: &Limits,
    ) -> Result<usize, Problem> {
        loop {
            match &mut self.state {
                State::Header(header) => {
                    if !header.read(input, limits)? {
                        return Ok(0);
                    }
                    self.state = State::Body;
                }
                State::Body => {
                    let count = self.inflate(input, output)?;
                    if count > 0 {
                        return Ok(count);
                    }
                    if input.is_empty() && matches!(self.state, State::Body) {
                        return Ok(0);
                    }
                }
                State::Trailer { bytes, count } => {
                    let Some((byte, rest)) = input.split_first() else {
                        return Ok(0);
                    };
                    *input = rest;
                    if let Some(to) = bytes.get_mut(*count) {
                        *to = *byte;
                    }
                    *count += 1;
                    if *count == bytes.len() {
                        let stated = u64::from_le_bytes(*bytes);
                        self.check(stated)?;
                        self.state = State::Between;
                    }
                }
                State::Between => match input.first() {
                    None => return Ok(0),
                    Some(0) => self.state = State::Zeros,
                    Some(0x1f) => self.next_member(limits)?,
                    Some(_) => {
                        return Err(Problem::corrupt(
                            "bytes after the last gzip member that are neither a member nor zeros",
                        ));
                    }
                },
                State::Zeros => {
                    if input.iter().any(|byte| *byte != 0) {
                        return Err(Problem::corrupt(
                            "bytes other than zero after the last gzip member and zeros",
                        ));
                    }
                    self.trailing = self.trailing.saturating_add(input.len() as u64);
                    *input = &[];
                    return Ok(0);
                }
            }
        }
    }

    /// Inflates once. The result may be 0 at the end of the member.
    fn inflate(&mut self, input: &mut &[u8], output: &mut [u8]) -> Result<usize, Problem> {
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(input, output, InflateFlush::NoFlush)
            .map_err(|error| match error {
                InflateError::MemError => Problem::new(
                    crate::ErrorKind::Other,
                    "there is no memory for the window of gzip",
                ),
                _ => Problem::corrupt("the deflated bytes of a gzip member are damaged"),
            })?;
        let used = usize::try_from(self.inflate.total_in() - before_in).unwrap_or(input.len());
        *input = input.get(used..).unwrap_or_default();
        let count = usize::try_from(self.inflate.total_out() - before_out).unwrap_or(output.len());
        let written = output.get(..count).unwrap_or(output);
        self.checksum = crc32(self.checksum, written);
        // Modulo 2^32, as the trailer has it.
        self.length = self
            .length
            .wrapping_add(u32::try_from(written.len()).unwrap_or(u32::MAX));
        if status == Status::StreamEnd {
            self.state = State::Trailer {
                bytes: [0; 8],
                count: 0,
            };
        } else if used == 0 && count == 0 && !input.is_empty() {
            return Err(Problem::corrupt(
                "the deflated bytes of a gzip member lead nowhere",
            ));
        }
        Ok(count)
    }

    fn check(&self, stated: u64) -> Result<(), Problem> {
        if stated & 0xffff_ffff != u64::from(self.checksum) {
            return Err(Problem::corrupt("the checksum of a gzip member is wrong"));
        }
        if stated >> 32 != u64::from(self.length) {
            return Err(Problem::corrupt("the length that a gzip member states is wrong"));
        }
        Ok(())
    }

    fn next_member(&mut self, limits: &Limits) -> Result<(), Problem> {
        self.members += 1;
        if self.members > limits.members {
            return Err(Problem::limit("too many gzip members", "members", limits.members));
        }
        self.inflate.reset(false);
        self.checksum = 0;
        self.length = 0;
        self.state = State::Header(Header::default());
        Ok(())
    }

    /// The number of zeros after the last member.
    pub(super) fn end(&self) -> Result<u64, Problem> {
        match self.state {
            State::Between | State::Zeros => Ok(self.trailing),
            _ => Err(Problem::corrupt("the content ends within a gzip member")),
        }
    }
}
