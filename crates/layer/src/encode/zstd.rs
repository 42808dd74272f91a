use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, get_error_name};

use crate::{Error, ErrorKind, level::Level};

/// One frame of zstd, of one thread.
///
/// The library has workers, which this never asks for: with none it writes other bytes than with one.
pub(super) struct Zstd {
    context: Option<CCtx<'static>>,
}

impl Zstd {
    pub(super) fn new(level: Level) -> Self {
        let context = CCtx::try_create().and_then(|mut context| {
            let parameters = [
                CParameter::CompressionLevel(i32::from(level.number())),
                CParameter::ChecksumFlag(true),
            ];
            let set = parameters
                .into_iter()
                .all(|parameter| context.set_parameter(parameter).is_ok());
            set.then_some(context)
        });
        Self { context }
    }

    pub(super) fn encode(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
        let context = self.context.as_mut().ok_or_else(no_memory)?;
        let mut from = InBuffer::around(input);
        while from.pos() < input.len() {
            append(output, |to| context.compress_stream(to, &mut from))?;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, output: &mut Vec<u8>) -> Result<(), Error> {
        let context = self.context.as_mut().ok_or_else(no_memory)?;
        while append(output, |to| context.end_stream(to))? > 0 {}
        Ok(())
    }
}

/// Room for a call's output, in bytes: that of a block of zstd.
const ROOM: usize = 128 * 1024;

fn append(
    output: &mut Vec<u8>,
    call: impl FnOnce(&mut OutBuffer<'_, Vec<u8>>) -> Result<usize, usize>,
) -> Result<usize, Error> {
    let start = output.len();
    output.reserve(ROOM);
    let rest = call(&mut OutBuffer::around_pos(output, start));
    rest.map_err(|code| Error::new(ErrorKind::Other, format!("zstd: {}", get_error_name(code))))
}

fn no_memory() -> Error {
    Error::new(ErrorKind::Other, "there is no memory for zstd")
}
