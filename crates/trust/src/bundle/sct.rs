//! Signed certificate timestamps: that a CT log has a certificate (RFC 6962, 3.2 and 3.3).

use crate::{
    der::{self, Reader},
    problem::Problem,
    public_key::Hash,
    root::Log,
    time::Seconds,
    x509::Certificate,
};

/// The most timestamps of CT logs in a certificate.
const MAX_TIMESTAMPS: usize = 32;

/// Verifies that at least one of the logs has signed a timestamp for the certificate that `issuer` issued,
/// while the log was valid.
pub(super) fn verify(
    certificate: &Certificate,
    issuer: &Certificate,
    logs: &[Log],
    now: Seconds,
) -> Result<(), Problem> {
    let value = certificate.timestamps();
    let value = value.ok_or_else(|| Problem::new("the certificate has no timestamp of a CT log"))?;
    let mut reader = Reader::new(value, "list of the certificate's timestamps");
    let list = reader.expect(der::OCTET_STRING)?.contents;
    reader.finish()?;
    let malformed = || Problem::new("the certificate's list of timestamps is malformed");
    let mut bytes = Bytes(list);
    let mut entries = Bytes(
        bytes
            .vector()
            .filter(|_| bytes.0.is_empty())
            .ok_or_else(malformed)?,
    );
    let mut last = Problem::new("the certificate has no timestamp of a CT log");
    for _ in 0..MAX_TIMESTAMPS {
        if entries.0.is_empty() {
            return Err(last);
        }
        let entry = entries.vector().ok_or_else(malformed)?;
        let timestamp = Timestamp::read(entry).ok_or_else(malformed)?;
        match timestamp.verify(certificate, issuer, logs, now) {
            Ok(()) => return Ok(()),
            Err(problem) => last = problem,
        }
    }
    Err(Problem::new("the certificate has too many timestamps"))
}

struct Timestamp<'a> {
    log_id: &'a [u8],
    /// In milliseconds.
    time: u64,
    extensions: &'a [u8],
    hash: Hash,
    signature: &'a [u8],
}

impl<'a> Timestamp<'a> {
    fn read(entry: &'a [u8]) -> Option<Self> {
        let mut bytes = Bytes(entry);
        // Version 1.
        if bytes.number(1)? != 0 {
            return None;
        }
        let log_id = bytes.take(32)?;
        let time = bytes.number(8)?;
        let extensions = bytes.vector()?;
        let hash = match bytes.number(1)? {
            4 => Hash::Sha256,
            5 => Hash::Sha384,
            6 => Hash::Sha512,
            _ => return None,
        };
        // The algorithm follows from the log's key.
        bytes.number(1)?;
        let signature = bytes.vector()?;
        bytes.0.is_empty().then_some(Self {
            log_id,
            time,
            extensions,
            hash,
            signature,
        })
    }

    fn verify(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        logs: &[Log],
        now: Seconds,
    ) -> Result<(), Problem> {
        let time = i64::try_from(self.time / 1000).unwrap_or(i64::MAX);
        if time > now {
            return Err(Problem::new("the certificate's timestamp is from the future"));
        }
        let mut known = logs.iter().filter(|log| log.id == self.log_id).peekable();
        if known.peek().is_none() {
            return Err(Problem::new(
                "the certificate's timestamp is by a CT log that is not known",
            ));
        }
        let signed = self.signed(certificate, issuer)?;
        let good = known
            .any(|log| log.valid.contains(time) && log.key.verifies_with(self.hash, &signed, self.signature));
        if !good {
            return Err(Problem::new(
                "the certificate's timestamp is not the CT log's, or from when the log was not valid",
            ));
        }
        Ok(())
    }

    /// The bytes that the log signed: a timestamp of a certificate before it had timestamps, with its issuer's key.
    fn signed(&self, certificate: &Certificate, issuer: &Certificate) -> Result<Vec<u8>, Problem> {
        let too_large = |_| Problem::new("the certificate is too large");
        let tbs = certificate.before_timestamps();
        let length = u32::try_from(tbs.len()).map_err(too_large)?.to_be_bytes();
        let [0, length @ ..] = length else {
            return Err(Problem::new("the certificate is too large"));
        };
        let extensions = u16::try_from(self.extensions.len())
            .map_err(too_large)?
            .to_be_bytes();
        Ok([
            &[0, 0][..],
            &self.time.to_be_bytes(),
            &[0, 1],
            &Hash::Sha256.of(&issuer.spki),
            &length,
            &tbs,
            &extensions,
            self.extensions,
        ]
        .concat())
    }
}

/// Takes fixed and counted bytes off a slice.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A big-endian number of at most eight bytes.
    fn number(&mut self, count: usize) -> Option<u64> {
        let bytes = self.take(count)?;
        Some(
            bytes
                .iter()
                .fold(0, |number, byte| (number << 8) | u64::from(*byte)),
        )
    }

    /// Bytes that follow their count in two bytes.
    fn vector(&mut self) -> Option<&'a [u8]> {
        let count = self.number(2)?;
        self.take(usize::try_from(count).ok()?)
    }
}

#[cfg(test)]
mod tests;
