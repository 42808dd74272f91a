//! What the programs that build images share.

use std::{
    io::{IsTerminal as _, stdin},
    path::Path,
};

use wharf::{
    Copied, Error, ErrorKind, ImageLocation,
    content::{History, format_timestamp},
    image::{Edit, NewLayer, Set},
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
