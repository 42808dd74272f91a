//! The check of one layer: digest, compression, `diff_id` and tar in one pass.

use std::sync::Arc;

use tokio::sync::mpsc;
use wharf_content::{Blob, Error, ErrorKind};
use wharf_layer::{
    Codec, Decoder, Limits,
    tar::{Event, Member, Reader},
};
use wharf_reference::Digest;

use super::{Check, Finding};
use crate::layers::{Unpacked, feed};

/// The most findings about the members of one layer.
const MAX_FINDINGS: usize = 20;

/// A layer to check, and where it stands.
pub(super) struct Layer {
    pub(super) manifest: Digest,
    /// The number of the layer, counted from one; 0 for a config.
    pub(super) number: usize,
    /// `None` for a blob that is no layer of a container image: its digest is checked alone.
    pub(super) codec: Option<Codec>,
    /// The digest of the tar by the config, if there is one.
    pub(super) diff_id: Option<Digest>,
}

impl Layer {
    /// Reads the layer.
    ///
    /// # Errors
    ///
    /// Those of the source that are not about the content.
    pub(super) async fn check(
        self,
        blob: Blob,
        limits: Limits,
        unpacked: Arc<Unpacked>,
    ) -> Result<Vec<Finding>, Error> {
        let (mut pieces, feeder) = feed(blob);
        let checked = tokio::task::spawn_blocking(move || self.run(&mut pieces, limits, &unpacked)).await;
        feeder.abort();
        checked.map_err(|error| Error::wrap(ErrorKind::Other, error))?
    }

    fn run(
        &self,
        pieces: &mut mpsc::Receiver<Result<Option<bytes::Bytes>, Error>>,
        limits: Limits,
        unpacked: &Unpacked,
    ) -> Result<Vec<Finding>, Error> {
        let mut members = Members::new(self);
        let mut decoder = Decoder::new(self.codec.unwrap_or(Codec::Plain), limits);
        if let Some(diff_id) = &self.diff_id {
            decoder = match decoder.with_diff_id(diff_id.clone()) {
                Ok(decoder) => decoder,
                Err(error) => return Ok(vec![self.finding(Check::DiffId, error)]),
            };
        }
        let is_layer = self.codec.is_some();
        let mut broken = None;
        let mut buffer = vec![0; 256 << 10];
        loop {
            let piece = match pieces.blocking_recv() {
                Some(Ok(Some(piece))) => piece,
                Some(Ok(None)) => break,
                Some(Err(error)) => {
                    // The digest of the layer itself: nothing else is known of it then.
                    return Ok(vec![self.unreadable(error)?]);
                }
                None => {
                    return Err(Error::new(
                        ErrorKind::Cancelled,
                        "the check of a layer was given up",
                    ));
                }
            };
            let mut input = piece.as_ref();
            // A layer that cannot be decoded is still read to its end, for its digest.
            while is_layer && broken.is_none() {
                match decoder.decode(&mut input, &mut buffer) {
                    Ok(0) => break,
                    Ok(count) => {
                        broken = unpacked.add(count).err();
                        members.read(buffer.get(..count).unwrap_or_default());
                    }
                    Err(error) => broken = Some(error),
                }
            }
        }
        let mut findings = Vec::new();
        if !is_layer {
            return Ok(findings);
        }
        match broken.map_or_else(|| decoder.finish().map(|_| ()), Err) {
            Ok(()) => members.finish(),
            Err(error) if error.kind() == ErrorKind::Mismatch => {
                findings.push(self.finding(Check::DiffId, error));
                members.finish();
            }
            Err(error) => findings.push(self.finding(Check::Compression, error)),
        }
        findings.extend(members.findings);
        Ok(findings)
    }

    /// The finding for a blob that cannot be read.
    ///
    /// # Errors
    ///
    /// The error, if it is not about the content.
    pub(super) fn unreadable(&self, error: Error) -> Result<Finding, Error> {
        Finding::of(error, &self.manifest, self.position())
    }

    fn position(&self) -> Option<usize> {
        (self.number > 0).then_some(self.number)
    }

    fn finding(&self, check: Check, message: impl std::fmt::Display) -> Finding {
        Finding::error(check, &self.manifest, self.position(), message)
    }
}

/// The members of the tar of a layer.
struct Members<'a> {
    layer: &'a Layer,
    /// `None` after an error.
    reader: Option<Reader>,
    findings: Vec<Finding>,
}

impl<'a> Members<'a> {
    fn new(layer: &'a Layer) -> Self {
        Self {
            layer,
            reader: Some(Reader::new(wharf_layer::tar::Limits::default())),
            findings: Vec::new(),
        }
    }

    fn read(&mut self, mut tar: &[u8]) {
        while let Some(reader) = &mut self.reader {
            match reader.next_event(&mut tar) {
                Ok(None) => return,
                Ok(Some(Event::Member {
                    member, duplicate, ..
                })) => self.member(&member, duplicate),
                Ok(Some(_)) => {}
                Err(error) => self.fail(&error),
            }
        }
    }

    fn finish(&mut self) {
        let Some(reader) = self.reader.take() else {
            return;
        };
        match reader.finish() {
            Ok(summary) if summary.trailing > 0 => {
                let message = format!("{} bytes follow the end of the tar", summary.trailing);
                self.warn(Check::Tar, message);
            }
            Ok(_) => {}
            Err(error) => self.fail(&error),
        }
    }

    fn member(&mut self, member: &Member, duplicate: bool) {
        let name = String::from_utf8_lossy(member.name()).into_owned();
        if duplicate {
            self.warn(Check::Duplicate, format!("the name {name:?} occurs twice"));
        }
        let last = name.rsplit('/').next().unwrap_or_default();
        let Some(hidden) = last.strip_prefix(".wh.") else {
            return;
        };
        if matches!(hidden, "" | "." | "..") {
            let message = format!("the whiteout {name:?} names no file");
            self.findings.push(self.layer.finding(Check::Whiteout, message));
        } else if hidden.starts_with(".wh.") && hidden != ".wh..opq" {
            self.warn(
                Check::Whiteout,
                format!("{name:?} is a name of aufs, which tools leave out"),
            );
        }
    }

    fn fail(&mut self, error: &Error) {
        self.reader = None;
        self.findings.push(self.layer.finding(Check::Tar, error));
    }

    fn warn(&mut self, check: Check, message: String) {
        if self.findings.len() < MAX_FINDINGS {
            let layer = self.layer;
            let finding = Finding::warning(check, &layer.manifest, layer.position(), message);
            self.findings.push(finding);
        }
    }
}
