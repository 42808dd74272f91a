//! What the programs that build images share.

use std::{
    io::{IsTerminal as _, stdin},
    path::Path,
};

use clap::Args;
use wharf::{
    Copied, Error, ErrorKind, ImageLocation,
    content::{History, format_timestamp},
    image::{Codec, Edit, Level, NewLayer, Set},
};

use super::archives;

/// The time of `SOURCE_DATE_EPOCH`, as RFC 3339 writes it. The clock is not read.
pub(crate) fn created() -> Result<Option<String>, Error> {
    let Some(seconds) = archives::source_date_epoch()? else {
        return Ok(None);
    };
    let time = format_timestamp(seconds).ok_or_else(|| {
        let message = format!("SOURCE_DATE_EPOCH is {seconds}, which is outside of the years 0000 to 9999");
        Error::new(ErrorKind::Invalid, message)
    })?;
    Ok(Some(time))
}

/// An entry of the history, at the time of `SOURCE_DATE_EPOCH`.
pub(crate) fn history(created_by: &str, comment: Option<&str>) -> Result<History, Error> {
    let mut history = History::default().with_created_by(created_by);
    if let Some(comment) = comment {
        history = history.with_comment(comment);
    }
    if let Some(time) = created()? {
        history = history.with_created(time);
    }
    Ok(history)
}

/// An edit that is not in the history. It sets the time of `SOURCE_DATE_EPOCH`, too.
pub(crate) fn unrecorded(mut sets: Vec<Set>) -> Result<Edit, Error> {
    if let Some(time) = created()? {
        sets.push(Set::Created(Some(time)));
    }
    Ok(Edit::from(sets).without_history())
}

/// How new layers are made.
#[derive(Args)]
pub(crate) struct Layers {
    /// Compress new layers so; without it, directories and plain tars with gzip, and other files keep their bytes
    #[arg(long, value_name = "gzip|zstd", value_parser = super::changes::codec)]
    compression_format: Option<Codec>,
    /// How hard to compress new layers: 1 to 9 for gzip, 1 to 20 for zstd
    #[arg(long, value_name = "LEVEL")]
    compression_level: Option<u8>,
    /// Files of a directory keep the owners that they have here; without it they belong to root
    #[arg(long)]
    keep_owners: bool,
}

impl Layers {
    /// A layer of a file, a directory, a pipe or standard input.
    pub(crate) fn layer(&self, path: &Path) -> Result<NewLayer, Error> {
        let is_directory = !archives::is_standard_input(path) && path.is_dir();
        if is_directory {
            return self.tree(path);
        }
        Ok(layer(path)?.with_level(self.level()?))
    }

    /// A layer of a directory.
    pub(crate) fn tree(&self, path: &Path) -> Result<NewLayer, Error> {
        Ok(directory(path, self.keep_owners)?.with_level(self.level()?))
    }

    fn level(&self) -> Result<Option<Level>, Error> {
        let codec = self.compression_format.unwrap_or(Codec::Gzip);
        match (self.compression_format, self.compression_level) {
            (_, Some(number)) => Level::new(codec, number).map(Some),
            (Some(codec), None) => Ok(Some(Level::default_of(codec))),
            (None, None) => Ok(None),
        }
    }
}

/// A layer of all that is in a directory, with no time later than `SOURCE_DATE_EPOCH`.
#[cfg(target_os = "linux")]
fn directory(path: &Path, keep_owners: bool) -> Result<NewLayer, Error> {
    use wharf::layer::{DiffOptions, Ownership, tar::Time};

    let mut options = DiffOptions::default();
    if !keep_owners {
        options = options.with_ownership(Ownership::Current);
    }
    if let Some(seconds) = archives::source_date_epoch()? {
        options = options.with_latest_time(Time::new(seconds, 0));
    }
    Ok(NewLayer::from_directory(path, options))
}

#[cfg(not(target_os = "linux"))]
fn directory(path: &Path, _: bool) -> Result<NewLayer, Error> {
    let message = format!(
        "{} is a directory, which becomes a layer on Linux only: make a tar of it",
        path.display()
    );
    Err(Error::new(ErrorKind::Unsupported, message))
}

/// A layer of a file, a pipe or standard input.
pub(crate) fn layer(path: &Path) -> Result<NewLayer, Error> {
    if archives::is_standard_input(path) {
        if stdin().is_terminal() {
            let message = "a layer is not read from a terminal: redirect standard input, or name a file";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        return Ok(NewLayer::from_reader(stdin()));
    }
    let opened = std::fs::File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) = opened.map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Storage,
        };
        Error::new(kind, format!("cannot open {}", path.display())).with_source(error)
    })?;
    if metadata.is_file() {
        return Ok(NewLayer::from_file(path));
    }
    if metadata.is_dir() {
        let message = format!(
            "{} is a directory, and a layer is a tar: make one with tar(1), or use build-from",
            path.display()
        );
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(NewLayer::from_reader(file))
}

/// A location that a built image is written to.
pub(crate) fn destination(text: &str) -> Result<ImageLocation, String> {
    match super::location(text)? {
        ImageLocation::Archive { path, .. } if archives::is_standard_output(&path) => {
            Err("an image is not built to standard output: name a file, and copy from it".to_owned())
        }
        location => Ok(location),
    }
}

/// Tells what was lost, and prints the digest.
pub(crate) fn finish(copied: &Copied, is_quiet: bool) -> Result<(), Error> {
    for remark in copied.changes().map(super::changes::remarks).unwrap_or_default() {
        if !is_quiet {
            super::note(remark);
        }
    }
    super::print(copied.digest())
}
