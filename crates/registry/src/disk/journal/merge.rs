//! The current records of a journal: its sorted part, with the changes that were appended.

use std::collections::BTreeMap;

use wharf_content::Error;

use super::scan::Scan;

/// Passes the current records at an acknowledged length of the journal to `each`, in the order of their keys, and leaves the
/// scan at that length. The appended changes are in memory meanwhile.
pub(super) fn current(
    scan: &mut Scan,
    length: u64,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut appended = BTreeMap::<Box<[u8]>, Option<Box<[u8]>>>::new();
    scan.seek(scan.sorted())?;
    scan.each(length, &mut |key, value| {
        let value = value.map(Box::from);
        match appended.get_mut(key) {
            Some(before) => *before = value,
            None => drop(appended.insert(key.into(), value)),
        }
        Ok(())
    })?;
    let mut appended = appended.into_iter().peekable();
    let mut put = |key: &[u8], value: Option<&[u8]>| value.map_or(Ok(()), |value| each(key, value));
    let end = scan.sorted();
    scan.rewind()?;
    scan.each(end, &mut |key, value| {
        while let Some((before, value)) = appended.next_if(|(other, _)| **other < *key) {
            put(&before, value.as_deref())?;
        }
        match appended.next_if(|(other, _)| **other == *key) {
            Some((_, value)) => put(key, value.as_deref()),
            None => put(key, value),
        }
    })?;
    appended.try_for_each(|(key, value)| put(&key, value.as_deref()))?;
    scan.seek(length)
}
