use std::{
    fmt,
    fs::{self, File},
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
/// let passphrase = SecretFile::read("passphrase")?.passphrase()?;
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
        let path = path.into();
        match read(&path) {
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

fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, Option<Exposure>), String> {
    let failed = |error: io::Error| error.to_string();
    let irregular = || "it is not a regular file".to_owned();
    // Before it is opened, which waits for a writer if it is a pipe; and after, as it may have been replaced.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(irregular());
    }
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(irregular());
    }
    // As large as it gets, so that no part of the content is left behind where it was before it grew.
    let mut content = Zeroizing::new(Vec::with_capacity(MAX_SIZE + 2));
    let most = MAX_SIZE as u64;
    file.take(most + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() > MAX_SIZE {
        return Err(format!("it is larger than {} KiB", MAX_SIZE >> 10));
    }
    Ok((content, Exposure::of(&metadata)))
}
