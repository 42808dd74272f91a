//! PAX extended headers (POSIX.1-2017, pax, *pax Interchange Format*): records `LENGTH KEY=VALUE\n`.

use std::collections::BTreeMap;

use super::{
    problem::{Problem, shown},
    time::Time,
};
use crate::ErrorKind;

/// Before the name of an extended attribute, as star and all who followed write it.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// The values in the records of one member. Other keys are ignored: times of access and change, comments.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) linkpath: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) uname: Option<Vec<u8>>,
    pub(super) gname: Option<Vec<u8>>,
    pub(super) mtime: Option<Time>,
    pub(super) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Records {
    /// The records of a header `x`. Of one key that is there twice, the last counts.
    ///
    /// A value that is empty, which by POSIX means that the header's own field counts, is refused where
    /// readers differ about it: for paths and numbers.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let mut records = Self::default();
        for record in Scan(bytes) {
            let (key, value) = record?;
            match key {
                b"path" => records.path = Some(text(key, value)?),
                b"linkpath" => records.linkpath = Some(text(key, value)?),
                b"size" => records.size = Some(number(key, value)?),
                b"uid" => records.uid = Some(number(key, value)?),
                b"gid" => records.gid = Some(number(key, value)?),
                b"uname" => records.uname = owner(key, value)?,
                b"gname" => records.gname = owner(key, value)?,
                b"mtime" => {
                    records.mtime = Some(Time::parse(value).ok_or_else(|| bad(key, value, "no time"))?);
                }
                _ => {
                    refuse_sparse(key)?;
                    if let Some(name) = key.strip_prefix(XATTR) {
                        if name.is_empty() {
                            return Err(Problem::corrupt("an extended attribute has no name"));
                        }
                        records.xattrs.insert(name.to_vec(), value.to_vec());
                    }
                }
            }
        }
        Ok(records)
    }

    /// Checks the records of a header `g`, which are ignored as all container tools ignore them.
    ///
    /// Where Python and GNU tar would place other bytes under another name because of one, it is refused.
    pub(super) fn check_global(bytes: &[u8]) -> Result<(), Problem> {
        for record in Scan(bytes) {
            let (key, _) = record?;
            refuse_sparse(key)?;
            if [b"path".as_slice(), b"linkpath", b"size"].contains(&key) {
                return Err(Problem::new(
                    ErrorKind::Ambiguous,
                    format!(
                        "a global PAX header sets {}, which some readers apply and others ignore",
                        shown(key)
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// Sparse files have content that is not the file's own: a map first, or holes left out.
fn refuse_sparse(key: &[u8]) -> Result<(), Problem> {
    if key.starts_with(b"GNU.sparse.") || key == b"SCHILY.realsize" {
        return Err(Problem::new(
            ErrorKind::Unsupported,
            format!("a sparse file, by the PAX record {}", shown(key)),
        ));
    }
    Ok(())
}

fn text(key: &[u8], value: &[u8]) -> Result<Vec<u8>, Problem> {
    if value.is_empty() {
        return Err(bad(key, value, "empty"));
    }
    if value.contains(&0) {
        return Err(bad(key, value, "not text: it has a NUL byte"));
    }
    Ok(value.to_vec())
}

fn owner(key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>, Problem> {
    if value.is_empty() {
        return Ok(None);
    }
    text(key, value).map(Some)
}

/// Decimal digits alone, at most 2^63-1.
fn number(key: &[u8], value: &[u8]) -> Result<u64, Problem> {
    let digits = value.iter().try_fold(0_i64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    });
    match digits.and_then(|number| u64::try_from(number).ok()) {
        Some(number) if !value.is_empty() => Ok(number),
        _ => Err(bad(key, value, "no number from 0 to 2^63-1")),
    }
}

fn bad(key: &[u8], value: &[u8], why: &str) -> Problem {
    Problem::corrupt(format!(
        "the PAX record {} is {}, which is {why}",
        shown(key),
        shown(value)
    ))
}

/// The records, one after another; after a problem none.
struct Scan<'a>(&'a [u8]);

type Record<'a> = (&'a [u8], &'a [u8]);

impl<'a> Iterator for Scan<'a> {
    type Item = Result<Record<'a>, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.0);
        Some(match record(bytes) {
            Ok((record, rest)) => {
                self.0 = rest;
                Ok(record)
            }
            Err(problem) => Err(Problem::corrupt(problem)),
        })
    }
}

fn record(bytes: &[u8]) -> Result<(Record<'_>, &[u8]), &'static str> {
    const NO_LENGTH: &str = "a PAX record does not begin with its length";
    let digits = bytes
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .ok_or(NO_LENGTH)?;
    let length = bytes
        .get(..digits)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| digits.parse::<usize>().ok())
        .ok_or(NO_LENGTH)?;
    let (whole, rest) = bytes
        .split_at_checked(length)
        .ok_or("a PAX record is longer than its header")?;
    let record = whole
        .get(digits..)
        .and_then(|record| record.strip_prefix(b" "))
        .ok_or("a PAX record has no space after its length, or is shorter than that")?;
    let record = record
        .strip_suffix(b"\n")
        .ok_or("a PAX record does not end with a line feed where its length says")?;
    let equals = record.iter().position(|byte| *byte == b'=');
    let (key, value) = equals
        .and_then(|at| record.split_at_checked(at))
        .ok_or("a PAX record has no `=`")?;
    if key.is_empty() || key.contains(&0) {
        return Err("the key of a PAX record is empty or has a NUL byte in it");
    }
    Ok(((key, value.get(1..).unwrap_or_default()), rest))
}

/// Appends a record.
pub(super) fn write(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while digits(length) + rest != length {
        length = digits(length) + rest;
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// Appends the record of an extended attribute. False if its name cannot stand in one.
pub(super) fn write_xattr(records: &mut Vec<u8>, name: &[u8], value: &[u8]) -> bool {
    if name.is_empty() || name.contains(&0) || name.contains(&b'=') {
        return false;
    }
    write(records, &[XATTR, name].concat(), value);
    true
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Owned = (Vec<u8>, Vec<u8>);

    fn scan(bytes: &[u8]) -> Result<Vec<Owned>, Problem> {
        Scan(bytes)
            .map(|record| record.map(|(key, value)| (key.to_vec(), value.to_vec())))
            .collect()
    }

    #[test]
    fn records_are_exactly_as_long_as_they_say() {
        let good: &[(&[u8], usize)] = &[
            (b"", 0),
            (b"6 a=b\n", 1),
            (b"06 a=b\n", 0),
            (b"007 a=b\n", 0),
            (b"08 a=bb\n", 1),
            (b"6 a=b\n6 a=c\n", 2),
            (b"5 a=\n", 1),
            (b"8 a=b=c\n", 1),
            (b"9 a=b\nc\n\n", 1),
            (b"30 mtime=1350244992.023960108\n", 1),
        ];
        for (bytes, count) in good {
            let read = scan(bytes);
            match count {
                0 if !bytes.is_empty() => assert!(read.is_err(), "{bytes:?}"),
                count => assert_eq!(read.unwrap().len(), *count, "{bytes:?}"),
            }
        }
        let bad: &[&[u8]] = &[
            b"a=b\n",
            b" 6 a=b\n",
            b"-6 a=b\n",
            b"+6 a=b\n",
            b"0 a=b\n",
            b"1 a=b\n",
            b"5 a=b\n",
            b"7 a=b\n",
            b"6 a=b\0",
            b"6\ta=b\n",
            b"4 =\n\n",
            b"5 =b\n",
            b"5 ab\n",
            b"7 a\0=b\n",
            b"6 a=b\n\0",
            b"6 a=b\n\n",
            b"99999999999999999999 a=b\n",
            b"18446744073709551615 a=b\n",
            b"6",
            b"3 \n",
        ];
        for bytes in bad {
            assert!(scan(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn records_that_are_written_are_read() {
        for length in (0..120).chain(970..1010).chain(9_970..10_010) {
            let value = vec![b'v'; length];
            let mut bytes = Vec::new();
            write(&mut bytes, b"path", &value);
            write(&mut bytes, b"b", b"");
            let expected = vec![(b"path".to_vec(), value), (b"b".to_vec(), Vec::new())];
            assert_eq!(scan(&bytes).unwrap(), expected);
        }
        assert!(!write_xattr(&mut Vec::new(), b"user.a=b", b""));
        assert!(!write_xattr(&mut Vec::new(), b"", b""));
    }
}
