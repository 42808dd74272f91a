use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, get_error_name};

use super::problem::Problem;
use crate::{ErrorKind, limits::Limits};

/// All frames of a zstd file, one after the other, without those to skip.
pub(super) struct Zstd {
    context: DCtx<'static>,
    state: State,
    /// The first bytes of a frame: its header, of a skippable one its magic number and size.
    start: [u8; LONGEST_HEADER],
    frames: u64,
    trailing: u64,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// So many bytes of the next frame were read.
    Start(usize),
    /// The header is complete, of this length, and from this byte on to be decoded.
    Header {
        length: usize,
        decoded: usize,
    },
    Frame,
    /// So many bytes of a skippable frame are left.
    Skip(u64),
    Zeros,
}

/// Bytes of the longest header of a frame (RFC 8878, section 3.1.1.1).
const LONGEST_HEADER: usize = 18;

const MAGIC: u32 = 0xfd2f_b528;
const SKIPPABLE: u32 = 0x184d_2a50;

impl Zstd {
    pub(super) fn new(limits: &Limits) -> Result<Self, Problem> {
        let no_memory = || Problem::new(ErrorKind::Other, "there is no memory for zstd");
        let mut context = DCtx::try_create().ok_or_else(no_memory)?;
        context.init().map_err(|_| no_memory())?;
        context
            .set_parameter(DParameter::WindowLogMax(limits.window_log))
            .map_err(|_| {
                Problem::new(
                    ErrorKind::Invalid,
                    format!(
                        "the limit `window_log` is {}, which zstd does not know",
                        limits.window_log
                    ),
                )
            })?;
        Ok(Self {
            context,
            state: State::Start(0),
            start: [0; LONGEST_HEADER],
            frames: 0,
            trailing: 0,
        })
    }

    pub(super) fn decode(
        &mut self,
        input: &mut &[u8],
        output: &mut [u8],
        limits: &Limits,
    ) -> Result<usize, Problem> {
        loop {
            match self.state {
                State::Start(count) => {
                    if self.frames > 0 && count == 0 && input.first() == Some(&0) {
                        self.state = State::Zeros;
                        continue;
                    }
                    let Some((byte, rest)) = input.split_first() else {
                        return Ok(0);
                    };
                    *input = rest;
                    if let Some(to) = self.start.get_mut(count) {
                        *to = *byte;
                    }
                    self.state = self.begin(count + 1, limits)?;
                }
                State::Header { length, decoded } => {
                    let start = self.start;
                    let mut header = start.get(decoded..length).unwrap_or_default();
                    let count = self.run(&mut header, output, limits)?;
                    let decoded = length - header.len();
                    self.state = if decoded == length {
                        State::Frame
                    } else {
                        State::Header { length, decoded }
                    };
                    if count > 0 {
                        return Ok(count);
                    }
                }
                State::Frame => {
                    let given = input.len();
                    let count = self.run(input, output, limits)?;
                    if count > 0 {
                        return Ok(count);
                    }
                    if matches!(self.state, State::Frame) {
                        if input.is_empty() {
                            return Ok(0);
                        }
                        if input.len() == given {
                            return Err(Problem::corrupt("a zstd frame leads nowhere"));
                        }
                    }
                }
                State::Skip(rest) => {
                    let skipped = usize::try_from(rest).unwrap_or(usize::MAX).min(input.len());
                    *input = input.get(skipped..).unwrap_or_default();
                    let rest = rest - skipped as u64;
                    self.state = if rest == 0 {
                        State::Start(0)
                    } else {
                        State::Skip(rest)
                    };
                    if rest > 0 {
                        return Ok(0);
                    }
                }
                State::Zeros => {
                    if input.iter().any(|byte| *byte != 0) {
                        return Err(Problem::corrupt(
                            "bytes other than zero after the last zstd frame and zeros",
                        ));
                    }
                    self.trailing = self.trailing.saturating_add(input.len() as u64);
                    *input = &[];
                    return Ok(0);
                }
            }
        }
    }

    /// The element that `count` bytes of `start` begin.
    ///
    /// The header of a frame is collected before the library sees any of it: where it gets a part first and
    /// then the rest with the whole frame, it takes the rest for a frame of its own.
    fn begin(&mut self, count: usize, limits: &Limits) -> Result<State, Problem> {
        let number = |at| {
            let bytes = self.start.get(at..).and_then(<[u8]>::first_chunk);
            bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
        };
        let (magic, descriptor) = (number(0), self.start[4]);
        let skippable = magic & 0xffff_fff0 == SKIPPABLE;
        let state = match count {
            ..4 => return Ok(State::Start(count)),
            4.. if magic == MAGIC => {
                let length = if count > 4 { header_length(descriptor) } else { 5 };
                if count < length {
                    return Ok(State::Start(count));
                }
                State::Header { length, decoded: 0 }
            }
            4..8 if skippable => return Ok(State::Start(count)),
            8 if skippable => match number(4) {
                0 => State::Start(0),
                size => State::Skip(u64::from(size)),
            },
            _ => {
                return Err(Problem::corrupt(
                    "bytes where a zstd frame should begin that are neither a frame nor zeros after the last one",
                ));
            }
        };
        self.frames += 1;
        if self.frames > limits.members {
            return Err(Problem::limit("too many zstd frames", "members", limits.members));
        }
        Ok(state)
    }

    fn run(&mut self, input: &mut &[u8], output: &mut [u8], limits: &Limits) -> Result<usize, Problem> {
        let mut from = InBuffer::around(input);
        let mut to = OutBuffer::around(output);
        let hint = self
            .context
            .decompress_stream(&mut to, &mut from)
            .map_err(|code| problem(code, limits))?;
        let (used, count) = (from.pos(), to.pos());
        *input = input.get(used..).unwrap_or_default();
        if hint == 0 {
            self.state = State::Start(0);
        }
        Ok(count)
    }

    /// The number of zeros after the last frame.
    pub(super) fn end(&self) -> Result<u64, Problem> {
        match self.state {
            State::Start(0) | State::Zeros if self.frames > 0 => Ok(self.trailing),
            _ => Err(Problem::corrupt("the content ends within a zstd frame")),
        }
    }
}

/// Bytes of the header of a frame, by its descriptor, the fifth of them (RFC 8878, section 3.1.1.1.1).
const fn header_length(descriptor: u8) -> usize {
    let single_segment = descriptor & 0x20 != 0;
    let window = if single_segment { 0 } else { 1 };
    let dictionary = match descriptor & 3 {
        0 => 0,
        1 => 1,
        2 => 2,
        _ => 4,
    };
    let content_size = match descriptor >> 6 {
        0 if single_segment => 1,
        0 => 0,
        1 => 2,
        2 => 4,
        _ => 8,
    };
    5 + window + dictionary + content_size
}

fn problem(code: usize, limits: &Limits) -> Problem {
    let name = get_error_name(code);
    if name.contains("too much memory") {
        return Problem::limit(
            "the window of a zstd frame needs more memory than that",
            "window_log",
            limits.window_log,
        );
    }
    if name.contains("allocation") {
        return Problem::new(ErrorKind::Other, "there is no memory for the window of zstd");
    }
    Problem::corrupt(format!("a zstd frame is damaged: {name}"))
}
