use std::{
    fmt,
    fs::{self, File, Metadata},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use wharf_config::Exposure;
use zeroize::Zeroizing;

use crate::Problem;

/// The largest file with a private key or a passphrase that is read, in bytes.
const MAX_SIZE: usize = 256 << 10;

/// A file with a secret in it: a private key, a passphrase. Its content is wiped from memory on drop, and
/// `Debug` prints its path alone.
///
/// ```no_run
/// use wharf_trust::{SecretFile, Signer};
///
/// let passphrase = SecretFile::read_passphrase("passphrase")?.passphrase()?;
/// let key = SecretFile::read("cosign.key")?;
/// let signer = Signer::cosign(&key, &passphrase)?;
/// if let Some(warning) = key.warning() {
///     eprintln!("warning: {warning}");
/// }
/// # Ok::<(), wharf_trust::Problem>(())
/// ```
pub struct SecretFile {
    path: PathBuf,
    content: Zeroizing<Vec<u8>>,
    exposure: Option<Exposure>,
}

impl SecretFile {
    /// Reads a regular file of at most 256 KiB.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that names the file and the reason.
    pub fn read(path: impl Into<PathBuf>) -> Result<Self, Problem> {
        Self::read_of(path.into(), Kinds::REGULAR)
    }

    /// Reads a file with a passphrase: a regular file of at most 256 KiB, or the first line of a pipe, of at most as many
    /// bytes. A pipe is a named one (`mkfifo`), or what a shell makes of `<(command)`.
    ///
    /// The call waits until a pipe has a writer, and has ended a line or is closed.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that names the file and the reason.
    pub fn read_passphrase(path: impl Into<PathBuf>) -> Result<Self, Problem> {
        Self::read_of(path.into(), Kinds::REGULAR_OR_PIPE)
    }

    fn read_of(path: PathBuf, kinds: Kinds) -> Result<Self, Problem> {
        match read(&path, kinds) {
            Ok((content, exposure)) => Ok(Self {
                path,
                content,
                exposure,
            }),
            Err(why) => Err(Problem::new(format!("{} cannot be read: {why}", path.display()))),
        }
    }

    /// A warning for the user if the file is not private: others can read or change it, or it is another user's.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let path = self.path.display().to_string();
        let path = path.escape_debug();
        Some(match self.exposure? {
            Exposure::OfAnotherUser => format!("{path} has a secret and belongs to another user"),
            _ => format!("{path} has a secret and is open to others; make it private with chmod 600"),
        })
    }

    /// The first line as a passphrase, without the end of the line.
    ///
    /// # Errors
    ///
    /// A [`Problem`] if it is not UTF-8.
    pub fn passphrase(&self) -> Result<wharf_auth::Secret, Problem> {
        let line = self
            .content
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match str::from_utf8(line) {
            Ok(line) => Ok(line.into()),
            Err(_) => Err(Problem::new(format!(
                "the passphrase in {} is not UTF-8",
                self.path.display()
            ))),
        }
    }
}

/// The content.
impl AsRef<[u8]> for SecretFile {
    fn as_ref(&self) -> &[u8] {
        &self.content
    }
}

impl fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretFile({:?})", self.path)
    }
}

/// The kinds of files that are read.
#[derive(Clone, Copy)]
struct Kinds {
    pipes: bool,
}

impl Kinds {
    const REGULAR: Self = Self { pipes: false };
    const REGULAR_OR_PIPE: Self = Self { pipes: true };

    fn check(self, metadata: &Metadata) -> Result<(), String> {
        if metadata.is_file() || self.pipes && is_pipe(metadata) {
            return Ok(());
        }
        Err(if self.pipes {
            "it is neither a regular file nor a pipe".to_owned()
        } else {
            "it is not a regular file".to_owned()
        })
    }
}

fn read(path: &Path, kinds: Kinds) -> Result<(Zeroizing<Vec<u8>>, Option<Exposure>), String> {
    let failed = |error: io::Error| error.to_string();
    // Before it is opened, which waits for a writer if it is a pipe; and after, as it may have been replaced.
    kinds.check(&fs::metadata(path).map_err(failed)?)?;
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    kinds.check(&metadata)?;
    let content = if is_pipe(&metadata) {
        first_line(file)
    } else {
        whole(file)
    };
    let content = content.map_err(failed)?;
    if content.len() > MAX_SIZE {
        return Err(format!("it is larger than {} KiB", MAX_SIZE >> 10));
    }
    Ok((content, Exposure::of(&metadata)))
}

/// Reads a file, up to one byte more than may be in it.
fn whole(file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    // As large as it gets, so that no part of the content is left behind where it was before it grew.
    let mut content = Zeroizing::new(Vec::with_capacity(MAX_SIZE + 2));
    file.take(MAX_SIZE as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// Reads up to the end of a line, up to one byte more than may be in it. The writer may keep the pipe open after it.
fn first_line(mut file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(vec![0; MAX_SIZE + 1]);
    let mut length = 0;
    while let Some(rest) = content.get_mut(length..).filter(|rest| !rest.is_empty()) {
        let count = match file.read(rest) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let end = rest.iter().take(count).position(|byte| *byte == b'\n');
        length += end.map_or(count, |end| end + 1);
        if count == 0 || end.is_some() {
            break;
        }
    }
    content.truncate(length);
    Ok(content)
}

#[cfg(unix)]
fn is_pipe(metadata: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    metadata.file_type().is_fifo()
}

#[cfg(not(unix))]
const fn is_pipe(_: &Metadata) -> bool {
    false
}
