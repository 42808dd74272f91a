//! Checkpoints: notes in which a log signs how large it is and which root it has (C2SP, tlog-checkpoint and
//! signed-note).

use crate::{
    json,
    problem::Problem,
    public_key::{Hash, PublicKey},
    root::Log,
};

/// The most bytes of a checkpoint.
const MAX_SIZE: usize = 16 << 10;
/// The most lines of a checkpoint.
const MAX_LINES: usize = 32;

/// The size and root that a log has signed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) size: u64,
    pub(super) root: Vec<u8>,
}

/// Reads a note and verifies that the log signed it. Lines of other signers, such as witnesses, are ignored.
pub(super) fn verify(note: &str, log: &Log) -> Result<Checkpoint, Problem> {
    if note.len() > MAX_SIZE || note.lines().count() > MAX_LINES {
        return Err(Problem::new("the checkpoint is too large"));
    }
    // The signed text ends with the line break before the empty line.
    let split = note.find("\n\n").and_then(|end| note.split_at_checked(end + 1));
    let (text, signatures) = split.ok_or_else(|| Problem::new("the checkpoint has no signature"))?;
    let checkpoint = read(text, log)?;
    let signed = signatures
        .trim_start_matches('\n')
        .lines()
        .filter_map(|line| signature(line, log))
        .any(|signature| log.key.verifies(text.as_bytes(), &signature));
    if !signed {
        return Err(Problem::new("the checkpoint is not signed by the log"));
    }
    Ok(checkpoint)
}

fn read(text: &str, log: &Log) -> Result<Checkpoint, Problem> {
    let mut lines = text.lines();
    let origin = lines.next().unwrap_or_default();
    // A log of version 1 has the number of its tree behind its name.
    let name = origin.split_once(" - ").map_or(origin, |(name, _)| name);
    if name != log.host {
        return Err(Problem::new("the checkpoint is another log's"));
    }
    let size = lines.next().unwrap_or_default();
    let size = size
        .parse()
        .ok()
        .filter(|number: &u64| number.to_string() == size && i64::try_from(*number).is_ok());
    let root = lines
        .next()
        .and_then(json::base64)
        .filter(|root| root.len() == 32);
    match (size, root) {
        (Some(size), Some(root)) => Ok(Checkpoint { size, root }),
        _ => Err(Problem::new(
            "the checkpoint does not say the size and root of the log",
        )),
    }
}

/// The signature of a line that names the log and its key.
fn signature(line: &str, log: &Log) -> Option<Vec<u8>> {
    let (name, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = json::base64(signature)?;
    let (hint, signature) = bytes.split_at_checked(4)?;
    let matches = name == log.host && hint == hint_of(name, &log.key).get(..4)?;
    matches.then(|| signature.to_vec())
}

/// A hash whose first four bytes name a key.
fn hint_of(name: &str, key: &PublicKey) -> Vec<u8> {
    match key.ed25519() {
        Some(key) => Hash::Sha256.of(&[name.as_bytes(), b"\n\x01", key].concat()),
        None => key.spki_hash(),
    }
}
