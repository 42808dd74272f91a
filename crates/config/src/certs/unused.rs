//! Files and directories of certs.d that are almost those that are read: each with why it is not.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The files and directories in `base` that seem to be meant for this registry and are not used, each with
/// the reason. `base` holds one directory per registry, and this registry has none there. Empty if `base`
/// cannot be read.
pub(super) fn beside(base: &Path, registry: &str) -> Vec<(PathBuf, String)> {
    let Ok(entries) = fs::read_dir(base) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let reason = reason(&path, registry)?;
            Some((path, reason))
        })
        .collect();
    found.sort();
    found
}

fn reason(path: &Path, registry: &str) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let is_scheme = matches!(name, "https:" | "http:");
    if is_scheme && path.join(registry).is_dir() {
        Some(format!(
            "the directory in it is not used for {registry}: write its name without a scheme"
        ))
    } else if is_nearly(name, registry) && path.is_dir() {
        Some(format!(
            "the directory is not used for {registry}: its name must be exactly {registry}"
        ))
    } else if path.extension().is_some_and(|extension| extension == "crt") && path.is_file() {
        Some(format!(
            "the file is ignored: certificates are read from directories that are named after their registries, such \
             as {registry}"
        ))
    } else {
        None
    }
}

/// True if a directory's name differs from the registry's by a common mistake: in the port, the case, or a
/// replaced colon.
fn is_nearly(name: &str, registry: &str) -> bool {
    let without_port = match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => registry,
    };
    let known = [
        without_port.to_owned(),
        format!("{without_port}:443"),
        registry.to_owned(),
        registry.replace(':', "_"),
        registry.replace(':', "-"),
    ];
    name != registry && known.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// True if a directory has a file that would be read.
pub(super) fn has_certificates(dir: &Path) -> bool {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("crt" | "cert"))
    })
}

/// True if other programs give certificates or keys this extension, or if it differs only in case from one
/// that is read.
pub(super) fn is_read_elsewhere(extension: &str) -> bool {
    const NEARLY: [&str; 10] = [
        "pem", "cer", "der", "crt", "cert", "key", "ca", "p7b", "p12", "pfx",
    ];
    let is_read = matches!(extension, "crt" | "cert" | "key");
    !is_read && NEARLY.contains(&extension.to_ascii_lowercase().as_str())
}

/// The reason why a file of authorities has no certificate in PEM form.
pub(super) fn not_pem(bytes: &[u8]) -> &'static str {
    if bytes.trim_ascii().is_empty() {
        "the file is empty, so it is ignored"
    } else if bytes.starts_with(&[0x30, 0x82]) || bytes.starts_with(&[0x30, 0x81]) {
        // A sequence with a length of one or two bytes.
        "the file is not PEM but DER, so it is ignored; convert it: openssl x509 -inform der -in FILE -out FILE"
    } else if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        "the file is UTF-16, so it is ignored; save it as UTF-8"
    } else if super::has_block(bytes, "PKCS7") {
        "the file has no certificate but PKCS #7, so it is ignored; convert it: openssl pkcs7 -print_certs -in FILE \
         -out FILE"
    } else {
        "the file has no certificate in PEM, so it is ignored"
    }
}
