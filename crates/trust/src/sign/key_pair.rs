use std::{
    ffi::OsString,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use wharf_auth::Secret;
use zeroize::Zeroizing;

use super::{
    encrypted, new_file,
    private_key::{self, PrivateKey},
};
use crate::{Problem, PublicKey};

/// A new pair of keys, ECDSA on P-256, in the files of cosign and Skopeo: an encrypted private key, which
/// [`Signer::cosign`](crate::Signer::cosign) reads, and a public key.
pub struct KeyPair {
    private: Zeroizing<String>,
    public: PublicKey,
}

impl KeyPair {
    /// Makes a pair. The private key is encrypted by the passphrase, which may be empty: scrypt with N=65536, r=8,
    /// p=1, and `nacl/secretbox`, in a PEM block `ENCRYPTED COSIGN PRIVATE KEY`.
    ///
    /// # Errors
    ///
    /// A [`Problem`] if the system has no random bytes.
    pub fn generate(passphrase: &Secret) -> Result<Self, Problem> {
        let pkcs8 = private_key::generate()?;
        let public = PrivateKey::from_pkcs8(&pkcs8)?.public().clone();
        Ok(Self {
            private: Zeroizing::new(encrypted::seal(&pkcs8, passphrase)?),
            public,
        })
    }

    /// The private key, encrypted, in PEM.
    #[must_use]
    pub fn private_pem(&self) -> &str {
        &self.private
    }

    /// The public key; [`PublicKey::to_pem`] is the content of its file.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Writes `PREFIX.private`, which its owner alone may read, and `PREFIX.pub`, and returns the paths. Neither is
    /// ever overwritten, and a symbolic link in its place is not followed.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that names the file that exists or cannot be written. No file is left then.
    pub fn write(&self, prefix: &Path) -> Result<(PathBuf, PathBuf), Problem> {
        let path = |ending: &str| {
            let mut path = OsString::from(prefix);
            path.push(ending);
            PathBuf::from(path)
        };
        let (private, public) = (path(".private"), path(".pub"));
        write_new(&private, 0o600, self.private.as_bytes())?;
        if let Err(problem) = write_new(&public, 0o644, self.public.to_pem().as_bytes()) {
            let _ = fs::remove_file(&private); // the failure that matters is the first one
            return Err(problem);
        }
        Ok((private, public))
    }
}

/// The public key alone.
impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.public)
    }
}

fn write_new(path: &Path, mode: u32, content: &[u8]) -> Result<(), Problem> {
    new_file::write(path, mode, content).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Problem::new(format!(
            "{} exists already; a key is never overwritten: choose another name, or move that file away",
            path.display()
        )),
        _ => Problem::new(format!("{} cannot be written: {error}", path.display())),
    })
}
