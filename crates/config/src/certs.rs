mod unused;

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
/// its own. Of the directories where it may be, the first that has it counts, even if it is empty:
///
/// | [generation](crate::Generation) | searched for `HOST[:PORT]`, in this order |
/// |---|---|
/// | Podman 6 | the user's `certs.d`; in `/etc/containers`, then `/usr/share/containers`: `certs.rootless.d/UID` and `certs.rootless.d`, or `certs.rootful.d`, and `certs.d`; `/etc/docker/certs.d` |
/// | Podman 5 | `certs.d` in `~/.config/containers`, then `/etc/containers`; `/etc/docker/certs.d` |
///
/// Only the PEM headers are parsed. The TLS layer checks that a key fits its certificate.
///
/// ```no_run
/// use wharf_config::{Certificates, Locations};
/// use wharf_reference::Registry;
///
/// let registry = Registry::parse("registry.example.com")?;
/// let certificates = Certificates::load(&Locations::from_env(), &registry)?;
/// for authority in certificates.authorities() {
///     println!("{}", authority.path().display());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    /// The path of the file.
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

    /// The path of the file with the key.
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
    /// A certificate without its key or a key without its certificate, a client certificate that is not PEM,
    /// a file that exists and cannot be read. A directory that must not be read counts as missing.
    pub fn load(locations: &Locations, registry: &Registry) -> Result<Self, ConfigError> {
        if let Some(dir) = locations.cert_dir() {
            return Self::read(dir);
        }
        let mut dirs = directories(locations, registry).into_iter();
        for dir in dirs.by_ref() {
            match fs::metadata(&dir) {
                Ok(_) => {
                    let mut certificates = Self::read(&dir)?;
                    certificates.warn_of_hidden(&dir, dirs.as_slice());
                    return Ok(certificates);
                }
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(ConfigError::reading(&dir, error)),
            }
        }
        Ok(Self::missing(locations, registry))
    }

    /// None, with a warning of what seems to be meant for this registry.
    fn missing(locations: &Locations, registry: &Registry) -> Self {
        let mut certificates = Self::default();
        let name = directory_name(locations, registry);
        for base in locations.certs_bases() {
            for (path, reason) in unused::beside(&base, &name) {
                certificates.warn(&path, &reason);
            }
        }
        certificates
    }

    /// A directory without certificates counts, too.
    fn warn_of_hidden(&mut self, dir: &Path, later: &[PathBuf]) {
        if !self.authorities.is_empty() || !self.clients.is_empty() {
            return;
        }
        let hidden = later.iter().find(|later| unused::has_certificates(later));
        if let Some(hidden) = hidden {
            let message = format!(
                "the directory has no certificates, and those in {} are not read: the first directory that exists \
                 counts",
                hidden.display()
            );
            self.warn(dir, &message);
        }
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
                Some(other) if unused::is_read_elsewhere(other) => certificates.warn(
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
            self.warn(
                path,
                "the file does not exist, so it is ignored: it is a link that leads nowhere",
            );
            return Ok(());
        };
        if has_block(&pem, "CERTIFICATE") {
            let path = path.to_owned();
            self.authorities.push(PemFile { path, pem });
        } else {
            self.warn(path, unused::not_pem(&pem));
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

    /// Warnings about files that were ignored.
    #[must_use]
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }
}

/// The directories in which a registry's certificates may be, in the order in which they are looked for.
fn directories(locations: &Locations, registry: &Registry) -> Vec<PathBuf> {
    let name = directory_name(locations, registry);
    let bases = locations.certs_bases().into_iter();
    bases.map(|base| base.join(&name)).collect()
}

fn directory_name(locations: &Locations, registry: &Registry) -> String {
    match locations.os() {
        HostOs::Windows => registry.as_str().replace(':', ""),
        HostOs::Linux | HostOs::MacOs | HostOs::FreeBsd => registry.as_str().to_owned(),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
    )
}

/// The entries of a directory, in the order of their names.
fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        files.insert(entry.file_name(), entry.path());
    }
    Ok(files.into_values().collect())
}

/// True if there is a PEM block whose label ends in `label`.
fn has_block(pem: &[u8], label: &str) -> bool {
    let pem = pem.strip_prefix(b"\xef\xbb\xbf").unwrap_or(pem); // a byte order mark
    pem.split(|byte| *byte == b'\n').any(|line| {
        let line = line.trim_ascii();
        line.strip_prefix(b"-----BEGIN ")
            .and_then(|rest| rest.strip_suffix(b"-----"))
            .is_some_and(|found| found.ends_with(label.as_bytes()))
    })
}
