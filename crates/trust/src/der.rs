//! A reader of DER (X.690): definite lengths in their shortest form, tags below 31, nothing left over.
//!
//! Threat row T187: what has two spellings is refused.

use crate::{
    problem::Problem,
    time::{self, Scanner, Seconds},
};

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// The tag `[number]` of a constructed element.
pub(crate) const fn constructed(number: u8) -> u8 {
    0xa0 | number
}

/// The tag `[number]` of a primitive element.
pub(crate) const fn primitive(number: u8) -> u8 {
    0x80 | number
}

/// One element: its tag, its contents, and both with the length between them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) contents: &'a [u8],
    pub(crate) whole: &'a [u8],
}

/// Reads elements one after another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// The structure whose elements these are, for messages.
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    /// The elements of the one sequence that the bytes are.
    pub(crate) fn sequence(bytes: &'a [u8], what: &'static str) -> Result<Self, Problem> {
        let mut outer = Self::new(bytes, what);
        let inner = outer.inner(SEQUENCE, what)?;
        outer.finish()?;
        Ok(inner)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn problem(&self, message: &str) -> Problem {
        Problem::new(format!("the {} {message}", self.what))
    }

    /// Nothing is left.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.problem("has more elements than it may have"))
    }

    pub(crate) fn element(&mut self) -> Result<Element<'a>, Problem> {
        let read = read(self.rest).ok_or_else(|| self.problem("is not DER"))?;
        self.rest = read.1;
        Ok(read.0)
    }

    /// The next element, which has this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<Element<'a>, Problem> {
        let element = self.element()?;
        if element.tag != tag {
            return Err(self.problem("has an element of another type than it must"));
        }
        Ok(element)
    }

    /// The next element if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, Problem> {
        if self.rest.first() != Some(&tag) {
            return Ok(None);
        }
        self.element().map(Some)
    }

    /// The elements within the next one, which has this tag.
    pub(crate) fn inner(&mut self, tag: u8, what: &'static str) -> Result<Self, Problem> {
        Ok(Reader::new(self.expect(tag)?.contents, what))
    }

    /// A number that is not negative: its bytes without the leading zero.
    pub(crate) fn unsigned(&mut self) -> Result<&'a [u8], Problem> {
        let contents = self.expect(INTEGER)?.contents;
        unsigned(contents)
            .ok_or_else(|| self.problem("has a number that is negative or not in its shortest form"))
    }

    /// A small number that is not negative.
    pub(crate) fn small(&mut self) -> Result<u64, Problem> {
        let bytes = self.unsigned()?;
        if bytes.len() > 8 {
            return Err(self.problem("has too large a number"));
        }
        Ok(bytes
            .iter()
            .fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    /// The encoded parts of an object identifier.
    pub(crate) fn oid(&mut self) -> Result<&'a [u8], Problem> {
        let contents = self.expect(OID)?.contents;
        if !is_oid(contents) {
            return Err(self.problem("has a malformed object identifier"));
        }
        Ok(contents)
    }

    /// A bit string of whole bytes.
    pub(crate) fn bytes_of_bits(&mut self) -> Result<&'a [u8], Problem> {
        match self.expect(BIT_STRING)?.contents.split_first() {
            Some((0, bytes)) => Ok(bytes),
            _ => Err(self.problem("has a bit string that is not of whole bytes")),
        }
    }

    /// A boolean whose default is `false`, which DER leaves out.
    pub(crate) fn default_false(&mut self) -> Result<bool, Problem> {
        match self.optional(BOOLEAN)? {
            None => Ok(false),
            Some(Element { contents: [0xff], .. }) => Ok(true),
            Some(_) => Err(self.problem("has a boolean that is not DER")),
        }
    }

    /// A time of a certificate or a timestamp, in UTC. A part of a second is cut off.
    pub(crate) fn time(&mut self) -> Result<Seconds, Problem> {
        let element = self.element()?;
        time_of(element).ok_or_else(|| self.problem("has a malformed time"))
    }
}

/// The first element and what follows it.
fn read(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        // At most 64 MiB, and no shorter form.
        if digits.is_empty() || digits.len() > 4 || digits.first() == Some(&0) {
            return None;
        }
        let length = digits
            .iter()
            .fold(0usize, |length, byte| (length << 8) | usize::from(*byte));
        if !(0x80..=1 << 26).contains(&length) {
            return None;
        }
        (length, rest)
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    let whole = bytes.get(..bytes.len().checked_sub(rest.len())?)?;
    Some((
        Element {
            tag: *tag,
            contents,
            whole,
        },
        rest,
    ))
}

fn unsigned(contents: &[u8]) -> Option<&[u8]> {
    match contents {
        [0] => Some(contents),
        [0, second, ..] if *second < 0x80 => None,
        [0, rest @ ..] => Some(rest),
        [first, ..] if *first < 0x80 => Some(contents),
        _ => None,
    }
}

fn is_oid(contents: &[u8]) -> bool {
    let ends = contents.last().is_some_and(|last| *last < 0x80);
    let mut starts = true;
    ends && contents.iter().all(|byte| {
        let bad = starts && *byte == 0x80;
        starts = *byte < 0x80;
        !bad
    })
}

fn time_of(element: Element<'_>) -> Option<Seconds> {
    let mut scanner = Scanner(element.contents);
    let year = match element.tag {
        UTC_TIME => {
            let year = scanner.digits(2)?;
            year + if year < 50 { 2000 } else { 1900 }
        }
        GENERALIZED_TIME => scanner.digits(4)?,
        _ => return None,
    };
    let date = [year, scanner.digits(2)?, scanner.digits(2)?];
    let time = [scanner.digits(2)?, scanner.digits(2)?, scanner.digits(2)?];
    if element.tag == GENERALIZED_TIME && scanner.take(b'.') {
        // Zeros in the end are no DER, but timestamps of some authorities have them.
        scanner.fraction()?;
    }
    let ends = scanner.take(b'Z') && scanner.0.is_empty();
    ends.then(|| time::seconds(date, time))?
}

/// An element of this tag and contents.
pub(crate) fn encode(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut encoded = vec![tag];
    let length = contents.len();
    if length < 0x80 {
        encoded.extend(u8::try_from(length));
    } else {
        let bytes = length.to_be_bytes();
        let digits: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
        encoded.push(0x80 | u8::try_from(digits.len()).unwrap_or_default());
        encoded.extend(digits);
    }
    encoded.extend_from_slice(contents);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> Result<Element<'_>, Problem> {
        let mut reader = Reader::new(bytes, "test");
        let element = reader.element()?;
        reader.finish()?;
        Ok(element)
    }

    #[test]
    fn t187_lengths_have_one_spelling() {
        for (bytes, good) in [
            (&[0x04, 0x00][..], true),
            (&[0x04, 0x01, 0xaa], true),
            (&[0x04, 0x81, 0x01, 0xaa], false),
            (&[0x04, 0x82, 0x00, 0x01, 0xaa], false),
            (&[0x04, 0x80, 0x00, 0x00], false),
            (&[0x04, 0xff], false),
            (&[0x04, 0x85, 1, 1, 1, 1, 1], false),
            (&[0x04, 0x84, 0xff, 0xff, 0xff, 0xff], false),
            (&[0x04, 0x02, 0xaa], false),
            (&[0x04, 0x01, 0xaa, 0x00], false),
            (&[0x1f, 0x81, 0x01, 0x00], false),
            (&[0x04], false),
            (&[], false),
        ] {
            assert_eq!(whole(bytes).is_ok(), good, "{bytes:02x?}");
        }
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x1_0000] {
            let encoded = encode(OCTET_STRING, &vec![7; length]);
            assert_eq!(whole(&encoded).unwrap().contents.len(), length);
        }
    }

    #[test]
    fn t187_numbers_and_identifiers_have_one_spelling() {
        for (contents, value) in [
            (&[0][..], Some(0)),
            (&[0x7f], Some(0x7f)),
            (&[0, 0x80], Some(0x80)),
            (&[0, 0x7f], None),
            (&[0x80], None),
            (&[], None),
            (&[0, 1, 2, 3, 4, 5, 6, 7, 8], None),
        ] {
            let encoded = encode(INTEGER, contents);
            assert_eq!(
                Reader::new(&encoded, "test").small().ok(),
                value,
                "{contents:02x?}"
            );
        }
        for (contents, good) in [
            (&[0x2a, 0x86, 0x48][..], true),
            (&[0x2a, 0x80, 0x01], false),
            (&[0x80], false),
            (&[0x2a, 0x86], false),
            (&[], false),
        ] {
            let encoded = encode(OID, contents);
            assert_eq!(
                Reader::new(&encoded, "test").oid().is_ok(),
                good,
                "{contents:02x?}"
            );
        }
        for (contents, value) in [(&[0xff][..], Some(true)), (&[0], None), (&[1], None), (&[], None)] {
            let encoded = encode(BOOLEAN, contents);
            assert_eq!(Reader::new(&encoded, "test").default_false().ok(), value);
        }
    }

    #[test]
    fn times_are_in_utc_and_complete() {
        for (tag, text, value) in [
            (UTC_TIME, "700101000001Z", Some(1)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (GENERALIZED_TIME, "19700101000001Z", Some(1)),
            (GENERALIZED_TIME, "19700101000001.5Z", Some(1)),
            (GENERALIZED_TIME, "19700101000001.50Z", Some(1)),
            (GENERALIZED_TIME, "19700101000001.Z", None),
            (UTC_TIME, "700101000001.5Z", None),
            (UTC_TIME, "7001010000Z", None),
            (UTC_TIME, "700101000001+0000", None),
            (UTC_TIME, "700101000001", None),
            (UTC_TIME, "701301000001Z", None),
            (OCTET_STRING, "700101000001Z", None),
        ] {
            let encoded = encode(tag, text.as_bytes());
            assert_eq!(Reader::new(&encoded, "test").time().ok(), value, "{text}");
        }
    }
}
