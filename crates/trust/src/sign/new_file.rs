//! Files that are made and never replaced.

use std::{
    env,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{self, Path, PathBuf},
};

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::public_key::hex;

/// Writes a file that does not exist yet, with these permissions where there are such. None is left after a failure.
pub(super) fn write(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(path)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path); // made above, and of no use
    }
    written
}

/// A file in the directory for temporary files, which its owner alone can read. It is removed on drop.
pub(super) struct Temporary {
    path: PathBuf,
}

impl Temporary {
    pub(super) fn with(content: &[u8]) -> io::Result<Self> {
        let mut name = [0; 16];
        let random = SystemRandom::new().fill(&mut name);
        random.map_err(|_| io::Error::other("the system gave no random bytes"))?;
        let name = format!("wharf-{}", hex(&name));
        let path = path::absolute(env::temp_dir())?.join(name);
        write(&path, 0o600, content)?;
        Ok(Self { path })
    }

    /// An absolute path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path); // what cannot be removed has no secret in it
    }
}
