use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, get_error_name};

use super::problem::Problem;
use crate::{ErrorKind, limits::Limits};

/// All frames of a zstd file, one after the other, without those to skip.
pub(super) struct Zstd {
    context: DCtx<'static>,
    state: State,
    /// The first bytes of a frame: its magic number, and of a skippable one its size.
    start: [u8; 8],
    frames: u64,
    trailing: u64,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// So many bytes of the next frame were read.
    Start(usize),
    /// The magic number from this byte on is to be decoded, then the rest of the frame.
    Magic(usize),
    Frame,
    /// So many bytes of a skippable frame are left.
    Skip(u64),
    Zeros,
}

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
            start: [0; 8],
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
                State::Magic(at) => {
                    let start = self.start;
                    let mut magic = start.get(at..4).unwrap_or_default();
                    let count = self.run(&mut magic, output, limits)?;
                    self.state = if magic.is_empty() {
                        State::Frame
                    } else {
                        State::Magic(4 - magic.len())
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

    /// What `count` bytes of `start` are the beginning of.
    fn begin(&mut self, count: usize, limits: &Limits) -> Result<State, Problem> {
        let [a, b, c, d, size @ ..] = self.start;
        let magic = u32::from_le_bytes([a, b, c, d]);
        let skippable = magic & 0xffff_fff0 == SKIPPABLE;
        let state = match count {
            ..4 => return Ok(State::Start(count)),
            4 if magic == MAGIC => State::Magic(0),
            4..8 if skippable => return Ok(State::Start(count)),
            8 if skippable => match u32::from_le_bytes(size) {
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
