//! The certificates of a connection to a daemon.

use std::{fs, io, path::Path};

use wharf_content::{Error, ErrorKind};
use wharf_http::{Identity, Roots, TlsSettings};

/// The most bytes of a file.
const MAX_FILE: u64 = 1 << 20;

/// The settings of a directory as Docker has them: `ca.pem` alone is trusted, if it is there, and `cert.pem` is
/// presented with `key.pem`, which go together.
pub(super) fn of_directory(directory: &Path) -> Result<TlsSettings, Error> {
    if !directory.is_dir() {
        let message = format!("there is no directory {} with certificates", directory.display());
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    let mut settings = TlsSettings::default();
    if let Some(authorities) = read(&directory.join("ca.pem"))? {
        settings = settings.with_roots(Roots::AddedOnly).with_root_pem(authorities);
    }
    let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    match (read(&certificate)?, read(&key)?) {
        (Some(chain), Some(secret)) => {
            let identity = Identity::from_pem(chain, secret);
            let identity = identity.with_names(certificate.display().to_string(), key.display().to_string());
            Ok(settings.with_identity(identity))
        }
        (None, None) => Ok(settings),
        (Some(_), None) => Err(alone(&certificate, &key)),
        (None, Some(_)) => Err(alone(&key, &certificate)),
    }
}

fn alone(there: &Path, missing: &Path) -> Error {
    let message = format!("{} is there without {}", there.display(), missing.display());
    Error::new(ErrorKind::Invalid, message)
}

/// The content of a file; `None` if it does not exist.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let read = fs::metadata(path).and_then(|metadata| {
        if metadata.len() > MAX_FILE {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "it has more than 1 MiB",
            ));
        }
        fs::read(path)
    });
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let message = format!("cannot read {}", path.display());
            Err(Error::new(ErrorKind::Storage, message).with_source(error))
        }
    }
}
