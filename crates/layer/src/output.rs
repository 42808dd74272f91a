//! A tar on its way to where it is written.

use std::io::{self, Write};

use crate::{
    Error, ErrorKind,
    tar::{Member, Writer},
};

/// A tar on its way to its destination.
pub(crate) struct Output<W> {
    out: W,
    writer: Writer,
}

impl<W: Write> Output<W> {
    pub(crate) const fn new(out: W, writer: Writer) -> Self {
        Self { out, writer }
    }

    pub(crate) fn begin(&mut self, member: &Member) -> Result<(), Error> {
        let headers = self.writer.member(member)?;
        self.put(&headers)
    }

    pub(crate) fn content(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.writer.content(bytes.len())?;
        self.put(bytes)
    }

    pub(crate) fn end(&mut self) -> Result<(), Error> {
        let padding = self.writer.end_member()?;
        self.put(padding)
    }

    /// Writes a member with its content and padding. `headers` are the bytes of its headers.
    #[cfg(all(feature = "apply", target_os = "linux"))]
    pub(crate) fn encoded(
        &mut self,
        name: &[u8],
        headers: usize,
        size: u64,
        member: &[u8],
    ) -> Result<(), Error> {
        self.writer.encoded(name, headers, size)?;
        self.put(member)
    }

    pub(crate) fn without_content(&mut self, member: &Member) -> Result<(), Error> {
        self.begin(member)?;
        self.end()
    }

    /// Ends the tar. Returns its length in bytes.
    pub(crate) fn finish(mut self) -> Result<u64, Error> {
        let end = self.writer.finish()?;
        self.put(end)?;
        self.out.flush().map_err(of_output)?;
        Ok(self.writer.position().saturating_add(end.len() as u64))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.out.write_all(bytes).map_err(of_output)
    }
}

fn of_output(error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
        _ => ErrorKind::Storage,
    };
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::new(kind, format!("the tar cannot be written: {error}")).with_source(error),
    }
}
