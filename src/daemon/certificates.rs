//! The certificates of a connection to a daemon.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use wharf_content::{Error, ErrorKind};
use wharf_http::{Identity, Roots, TlsSettings};

/// The most bytes of a file.
const MAX_FILE: u64 = 1 << 20;

/// The settings of a directory as Docker has them: `ca.pem` alone is trusted, if it is there, and `cert.pem` is
/// presented with `key.pem`, which go together.
pub(super) fn of_directory(directory: &Path) -> Result<TlsSettings, Error> {
    match fs::metadata(directory) {
        Ok(metadata) if metadata.is_dir() => {}
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unreadable(directory, error)),
        _ => {
            let message = format!("there is no directory {} with certificates", directory.display());
            return Err(Error::new(ErrorKind::NotFound, message));
        }
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
    let mut bytes = Vec::new();
    // One byte more than is allowed: a file may be without an end.
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    match read {
        Ok(length) if length as u64 > MAX_FILE => {
            let message = format!("{} has more than {} MiB", path.display(), MAX_FILE >> 20);
            Err(Error::new(ErrorKind::TooLarge, message))
        }
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, error)),
    }
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("cannot read {}", path.display())).with_source(error)
}
