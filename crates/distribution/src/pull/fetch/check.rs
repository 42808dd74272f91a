//! Checks of the head of an answer (I9). A failed check is the reason for an error.

use http::StatusCode;
use wharf_http::content_coding;

use super::content_range::ContentRange;
use crate::send::RegistryAnswer;

/// Checks an answer to a request for the bytes from `offset` on of a blob of `size` bytes: exactly these, or
/// the whole blob. Returns the number of bytes to pass over.
pub(super) fn check_rest(answer: &RegistryAnswer, offset: u64, size: u64) -> Result<u64, String> {
    if answer.status == StatusCode::PARTIAL_CONTENT {
        if offset == 0 {
            return Err("the server sends a part although the whole blob was asked for".to_owned());
        }
        check_range(answer, offset, size, size)?;
        return Ok(0);
    }
    if answer.status != StatusCode::OK {
        return Err(format!("the server answered {}", answer.status.as_u16()));
    }
    check_length(answer, size)?;
    Ok(offset)
}

/// Checks that an answer holds exactly the bytes from `first` to before `end` of a blob of `size` bytes.
pub(super) fn check_range(answer: &RegistryAnswer, first: u64, end: u64, size: u64) -> Result<(), String> {
    if answer.status != StatusCode::PARTIAL_CONTENT {
        return Err("the server does not send the part that was asked for".to_owned());
    }
    let range = ContentRange::of(&answer.headers)
        .ok_or("the server sends a part without one valid Content-Range header")?;
    let fits = range.first == first
        && range.last.checked_add(1) == Some(end)
        && range.complete.is_none_or(|complete| complete == size);
    if !fits {
        return Err("the server sends another part than the one that was asked for".to_owned());
    }
    check_length(answer, end.saturating_sub(first))
}

fn check_length(answer: &RegistryAnswer, expected: u64) -> Result<(), String> {
    match answer.body.length() {
        Some(declared) if declared != expected => {
            let coding = content_coding(&answer.headers);
            Err(format!(
                "the server announces {declared} bytes instead of {expected}{}",
                coding_note(coding.as_deref())
            ))
        }
        _ => Ok(()),
    }
}

/// The end of a message about a wrong number of bytes: the coding that explains it, if there is one.
pub(super) fn coding_note(coding: Option<&str>) -> String {
    coding.map_or_else(String::new, |coding| {
        format!(", encoded as {coding} although it was asked not to encode them")
    })
}
