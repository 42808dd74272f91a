//! What the programs that build images share.

use std::{
    io::{IsTerminal as _, stdin},
    path::Path,
};

use wharf::{
    Copied, Error, ErrorKind, ImageLocation,
    content::History,
    image::{Edit, NewLayer, Set},
};

use super::archives;

/// The time of `SOURCE_DATE_EPOCH`, as RFC 3339 writes it. The clock is not read.
pub(crate) fn created() -> Result<Option<String>, Error> {
    Ok(archives::source_date_epoch()?.map(rfc3339))
}

/// Seconds since 1970 as a date and time in UTC.
fn rfc3339(seconds: i64) -> String {
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (mut year, mut day) = (1970, days);
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while day >= 365 + i64::from(is_leap(year)) {
        day -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + i64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    let day = day + 1;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
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
