use super::{Member, Writer};
use crate::Error;

/// A tar of regular files with these names and contents, in this order: permissions 0644, user and group 0, time 0. It
/// is for layers that a program makes of what it has in memory; for others there are [`Writer`] and, with the feature
/// `apply`, `diff`.
///
/// ```
/// let layer = wharf_layer::tar::of_files([("etc/motd", "welcome"), ("srv/index.html", "<p>hello")])?;
/// assert_eq!(layer.len() % 512, 0);
/// # Ok::<(), wharf_layer::Error>(())
/// ```
///
/// # Errors
///
/// Those of [`Member::file`] for a name that no layer can have; [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) for one
/// that comes twice.
pub fn of_files<N, C>(files: impl IntoIterator<Item = (N, C)>) -> Result<Vec<u8>, Error>
where
    N: AsRef<[u8]>,
    C: AsRef<[u8]>,
{
    let (mut writer, mut tar) = (Writer::new(), Vec::new());
    for (name, content) in files {
        let content = content.as_ref();
        tar.extend(writer.member(&Member::file(name, content.len() as u64)?)?);
        writer.content(content.len())?;
        tar.extend_from_slice(content);
        tar.extend_from_slice(writer.end_member()?);
    }
    tar.extend_from_slice(writer.finish()?);
    Ok(tar)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ErrorKind,
        tar::{Event, Limits, Reader},
    };

    #[test]
    fn files_are_read_as_they_were_given() {
        let tar = of_files([("a", &b"1"[..]), ("d/b", &[7; 1000]), ("empty", b"")]).unwrap();
        let (mut reader, mut input, mut found) = (Reader::new(Limits::default()), tar.as_slice(), Vec::new());
        while let Some(event) = reader.next_event(&mut input).unwrap() {
            if let Event::Member { member, .. } = event {
                found.push((member.name().to_vec(), member.size(), member.mode()));
            }
        }
        reader.finish().unwrap();
        let expected = [(&b"a"[..], 1, 0o644), (b"d/b", 1000, 0o644), (b"empty", 0, 0o644)];
        assert_eq!(
            found,
            expected.map(|(name, size, mode)| (name.to_vec(), size, mode))
        );
        let twice = of_files(["a", "a"].map(|name| (name, ""))).unwrap_err();
        assert_eq!(twice.kind(), ErrorKind::Conflict, "{twice}");
        assert!(of_files([("../a", "")]).is_err());
    }
}
