use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use wharf_auth::Secret;
use wharf_reference::Registry;

use crate::{ConfigError, ConfigErrorKind, ConfigWarning, HostOs, Locations, file};

/// The certificates configured for one registry, as PEM text for the TLS layer (containers-certs.d(5)).
///
/// The directory is named after the registry exactly as names write it, with its port if there is one:
/// `registry.example` and `registry.example:443` are different, Docker Hub's is `docker.io`, and a mirror has
/// its own. Of the places where it may be, the first that has it counts, even if it is empty there:
///
/// | [generation](crate::Generation) | searched for `HOST[:PORT]`, in this order |
/// |---|---|
/// | new | the user's `certs.d`; in `/etc/containers`, then `/usr/share/containers`: `certs.rootless.d/UID` and `certs.rootless.d`, or `certs.rootful.d`, and `certs.d`; `/etc/docker/certs.d` |
/// | classic | `certs.d` in `~/.config/containers`, then `/etc/containers`; `/etc/docker/certs.d` |
///
/// Nothing is parsed here beyond the PEM headers: whether a key fits its certificate is for the TLS layer.
///
/// # Deviation
///
/// On Windows, where a file name has no colon, the directory's name leaves it out, as Docker does.
#[derive(Debug, Clone, Default)]
pub struct Certificates {
    dir: Option<PathBuf>,
    authorities: Vec<PemFile>,
    clients: Vec<ClientCertificate>,
    warnings: Vec<ConfigWarning>,
}

/// A file of certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemFile {
    path: PathBuf,
    pem: Vec<u8>,
}

impl PemFile {
    /// Where it was read.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its content, with at least one `CERTIFICATE` block.
    #[must_use]
    pub fn pem(&self) -> &[u8] {
        &self.pem
    }
}

/// A certificate with which to identify oneself, and its key.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    certificate: PemFile,
    key_path: PathBuf,
    key: Secret,
}

impl ClientCertificate {
    /// The certificate and what leads from it to its authority.
    #[must_use]
    pub const fn certificate(&self) -> &PemFile {
        &self.certificate
    }

    /// Where the key was read.
    #[must_use]
    pub fn key_path(&self) -> &Path {
        &self.key_path
    }

    /// The private key, in PEM.
    #[must_use]
    pub const fn key(&self) -> &Secret {
        &self.key
    }
}

impl Certificates {
    /// Finds and reads the certificates of a registry; none if there is no directory for it.
    ///
    /// # Errors
    ///
    /// A certificate without its key or a key without its certificate, a client certificate that is not PEM, a
    /// file that exists and cannot be read. A directory that must not be read counts as missing.
    pub fn load(locations: &Locations, registry: &Registry) -> Result<Self, ConfigError> {
        match find(locations, registry)? {
            Some(dir) => Self::read(&dir),
            None => Ok(Self::missing(locations, registry)),
        }
    }

    /// None, with a warning of directories that are named almost as this registry.
    fn missing(locations: &Locations, registry: &Registry) -> Self {
        let mut certificates = Self::default();
        let text = registry.as_str();
        let other = match text.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host.to_owned(),
            _ => format!("{text}:443"),
        };
        for base in locations.certs_bases() {
            let dir = base.join(&other);
            if locations.os() != HostOs::Windows && dir.is_dir() {
                let message =
                    format!("the directory is not used for {text}: its name must be exactly {text}");
                certificates.warn(&dir, &message);
            }
        }
        certificates
    }

    /// Reads the certificates in a directory; none if it does not exist.
    ///
    /// # Errors
    ///
    /// As for [`Certificates::load`].
    pub fn read(dir: &Path) -> Result<Self, ConfigError> {
        let mut certificates = Self {
            dir: Some(dir.to_owned()),
            ..Self::default()
        };
        let files = match list(dir) {
            Ok(files) => files,
            Err(error) if is_absent(&error) => {
                certificates.warn(
                    dir,
                    "the directory is missing or must not be read, so it is skipped",
                );
                return Ok(certificates);
            }
            Err(error) => return Err(ConfigError::reading(dir, error)),
        };
        for path in &files {
            match path.extension().and_then(OsStr::to_str) {
                Some("crt") => certificates.authority(path)?,
                Some("cert") => certificates.client(path, &files)?,
                Some("key") if !files.contains(&path.with_extension("cert")) => {
                    let message =
                        "the key has no certificate: expected a file of the same name ending in .cert";
                    return Err(ConfigError::new(ConfigErrorKind::Incomplete, message).with_file(path));
                }
                Some(other) if is_nearly_read(other) => certificates.warn(
                    path,
                    "the file is ignored: only names that end in .crt (authorities), .cert and .key are read",
                ),
                _ => {}
            }
        }
        Ok(certificates)
    }

    fn authority(&mut self, path: &Path) -> Result<(), ConfigError> {
        let Some(pem) = file::read_optional(path)? else {
            return Ok(()); // it has vanished since the directory was listed
        };
        if has_block(&pem, "CERTIFICATE") {
            let path = path.to_owned();
            self.authorities.push(PemFile { path, pem });
        } else {
            let message = if looks_like_der(&pem) {
                "the file is not PEM but DER, so it is ignored; convert it: openssl x509 -inform der -in FILE -out FILE"
            } else {
                "the file has no certificate in PEM, so it is ignored"
            };
            self.warn(path, message);
        }
        Ok(())
    }

    fn client(&mut self, path: &Path, files: &[PathBuf]) -> Result<(), ConfigError> {
        let key_path = path.with_extension("key");
        if !files.contains(&key_path) {
            let message = "the client certificate has no key: expected a file of the same name ending in .key; \
                           certificates of authorities end in .crt";
            return Err(ConfigError::new(ConfigErrorKind::Incomplete, message).with_file(path));
        }
        let (Some(pem), Some(key)) = (file::read_optional(path)?, file::read_optional(&key_path)?) else {
            return Ok(());
        };
        let invalid = |path: &Path, expected: &str| {
            let message = format!("expected {expected} in PEM");
            ConfigError::new(ConfigErrorKind::Syntax, message).with_file(path)
        };
        if !has_block(&pem, "CERTIFICATE") {
            return Err(invalid(path, "a certificate"));
        }
        let key = String::from_utf8(key)
            .ok()
            .filter(|key| has_block(key.as_bytes(), "PRIVATE KEY"))
            .ok_or_else(|| invalid(&key_path, "a private key"))?;
        self.clients.push(ClientCertificate {
            certificate: PemFile {
                path: path.to_owned(),
                pem,
            },
            key_path,
            key: Secret::new(key),
        });
        Ok(())
    }

    fn warn(&mut self, path: &Path, message: &str) {
        self.warnings.push(ConfigWarning::of_file(path, message));
    }

    /// The directory they come from.
    #[must_use]
    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// Authorities to be trusted besides those of the system, in the order of their file names.
    #[must_use]
    pub fn authorities(&self) -> &[PemFile] {
        &self.authorities
    }

    /// Certificates with which to identify oneself, in the order of their file names.
    #[must_use]
    pub fn clients(&self) -> &[ClientCertificate] {
        &self.clients
    }

    /// What was ignored.
    #[must_use]
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }
}

fn find(locations: &Locations, registry: &Registry) -> Result<Option<PathBuf>, ConfigError> {
    if let Some(dir) = locations.cert_dir() {
        return Ok(Some(dir.to_owned()));
    }
    let name = match locations.os() {
        HostOs::Windows => registry.as_str().replace(':', ""),
        HostOs::Linux | HostOs::MacOs | HostOs::FreeBsd => registry.as_str().to_owned(),
    };
    for base in locations.certs_bases() {
        let dir = base.join(&name);
        match fs::metadata(&dir) {
            Ok(_) => return Ok(Some(dir)),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(ConfigError::reading(&dir, error)),
        }
    }
    Ok(None)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
    )
}

/// What a directory holds, in the order of the names.
fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        files.insert(entry.file_name(), entry.path());
    }
    Ok(files.into_values().collect())
}

/// Files that hold certificates or keys elsewhere, and names that differ in case.
fn is_nearly_read(extension: &str) -> bool {
    const NEARLY: [&str; 10] = [
        "pem", "cer", "der", "crt", "cert", "key", "ca", "p7b", "p12", "pfx",
    ];
    let is_read = matches!(extension, "crt" | "cert" | "key");
    !is_read && NEARLY.contains(&extension.to_ascii_lowercase().as_str())
}

/// Whether this begins as the binary form of a certificate: a sequence with a length of two bytes.
fn looks_like_der(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x30, 0x82]) || bytes.starts_with(&[0x30, 0x81])
}

/// Whether there is a PEM block whose label ends in this.
fn has_block(pem: &[u8], label: &str) -> bool {
    pem.split(|byte| *byte == b'\n').any(|line| {
        let line = line.trim_ascii();
        line.strip_prefix(b"-----BEGIN ")
            .and_then(|rest| rest.strip_suffix(b"-----"))
            .is_some_and(|found| found.ends_with(label.as_bytes()))
    })
}
