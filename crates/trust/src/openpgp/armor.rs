//! ASCII armor (RFC 9580, 6) around public keys: files have prose before and between the blocks.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN PGP ";
const PUBLIC_KEY: &str = "PUBLIC KEY BLOCK-----";
const PRIVATE_KEY: &str = "PRIVATE KEY BLOCK-----";

/// Why a file of keys cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileError {
    /// Nothing in the file counts, and other files may do.
    Lost(String),
    /// It is a mistake that must be mended.
    Mistake(String),
}

pub(super) fn lost(why: impl Into<String>) -> FileError {
    FileError::Lost(why.into())
}

/// The content of every block of public keys in a text.
pub(super) fn public_keys(text: &[u8]) -> Result<Vec<Zeroizing<Vec<u8>>>, FileError> {
    blocks(text, PUBLIC_KEY)
}

/// The fault of a text without a block of public keys.
pub(super) fn no_public_key(text: &[u8]) -> FileError {
    let mut lines = text.split(|byte| *byte == b'\n');
    let is_pem = lines.any(|line| line.starts_with(b"-----BEGIN "));
    lost(if is_pem {
        "it has a PEM block, and no OpenPGP key; signatures by such keys are demanded with sigstoreSigned"
    } else {
        "it has no OpenPGP key, binary or armored"
    })
}

/// The content of every block of secret keys in a text.
#[cfg(feature = "sign")]
pub(super) fn secret_keys(text: &[u8]) -> Result<Vec<Zeroizing<Vec<u8>>>, FileError> {
    let blocks = blocks(text, PRIVATE_KEY)?;
    if blocks.is_empty() {
        return Err(lost("it has no secret key, binary or armored"));
    }
    Ok(blocks)
}

/// The content of every block with this label. Another one is an error.
fn blocks(text: &[u8], wanted: &str) -> Result<Vec<Zeroizing<Vec<u8>>>, FileError> {
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        match str::from_utf8(line)
            .ok()
            .and_then(|line| line.strip_prefix(BEGIN))
        {
            Some(label) if label == wanted => blocks.push(block(&mut lines, wanted)?),
            Some(PRIVATE_KEY) => return Err(secret_key()),
            Some(PUBLIC_KEY) => return Err(public_key()),
            Some(_) => {
                let keys = if wanted == PUBLIC_KEY {
                    "public keys"
                } else {
                    "secret keys"
                };
                return Err(lost(format!("it has an armor of something else than {keys}")));
            }
            None if is_binary(line) && !blocks.is_empty() => {
                let why = "binary data stands after an armored key, where it has no effect; make one file of each, and \
                           name both";
                return Err(FileError::Mistake(why.to_owned()));
            }
            None => {}
        }
    }
    Ok(blocks)
}

pub(super) fn secret_key() -> FileError {
    let why =
        "it has a secret key; keep that elsewhere, and put the public key here, as gpg --export writes it";
    FileError::Mistake(why.to_owned())
}

/// The error about a public key where a secret one is wanted.
pub(super) fn public_key() -> FileError {
    let why = "it has a public key, which cannot sign; gpg --export-secret-keys writes the secret one";
    FileError::Mistake(why.to_owned())
}

/// Every key packet has such a byte, its version, and no prose has one.
fn is_binary(line: &[u8]) -> bool {
    line.iter()
        .any(|byte| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\x0c'))
}

/// The content of a block of which the first line has been read.
fn block<'a>(
    lines: &mut impl Iterator<Item = &'a [u8]>,
    label: &str,
) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let end = format!("-----END PGP {label}");
    let cut_off = || lost("an armored key is cut off");
    // Headers, such as `Version: 1`, up to an empty line.
    loop {
        match lines.next() {
            None => return Err(cut_off()),
            Some([]) => break,
            Some(header) if header.contains(&b':') => {}
            Some(_) => return Err(lost("an armored key has no empty line before its content")),
        }
    }
    // It may be secret. Copies that are left where it was before it grew cannot be wiped.
    let mut base64 = Zeroizing::new(Vec::with_capacity(64 << 10));
    let mut checksum = None;
    loop {
        match lines.next().ok_or_else(cut_off)? {
            line if line == end.as_bytes() => break,
            line if line.starts_with(b"-----") => return Err(lost("an armored key ends as something else")),
            [b'=', sum @ ..] if sum.len() == 4 && checksum.is_none() => checksum = Some(decode(sum)?),
            line if checksum.is_none() => base64.extend_from_slice(line),
            [] => {}
            _ => return Err(lost("an armored key goes on after its checksum")),
        }
    }
    let content = decode(&base64)?;
    if checksum.is_some_and(|checksum| *checksum != crc24(&content)) {
        return Err(lost("the checksum of an armored key is wrong"));
    }
    Ok(content)
}

fn decode(base64: &[u8]) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let decoded = STANDARD.decode(base64).map(Zeroizing::new);
    decoded.map_err(|_| lost("an armored key is not base64"))
}

/// RFC 9580, 6.1.1.
fn crc24(bytes: &[u8]) -> [u8; 3] {
    let mut crc: u32 = 0x00b7_04ce;
    for byte in bytes {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0186_4cfb;
            }
        }
    }
    let [_, crc @ ..] = crc.to_be_bytes();
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n";
    const END: &str = "-----END PGP PUBLIC KEY BLOCK-----\n";

    fn armor(body: &str) -> String {
        format!("{BEGIN}{body}{END}")
    }

    #[test]
    fn blocks_of_public_keys_are_found_in_prose() {
        let one = || vec![Zeroizing::new(b"key".to_vec())];
        for (text, expected) in [
            (armor("\na2V5\n"), one()),
            (
                armor("\na2V5\n=/TTL\n").replace("/TTL", &STANDARD.encode(crc24(b"key"))),
                one(),
            ),
            (armor("Version: GnuPG v1\nComment: x: y\n\na2\nV5\n"), one()),
            (armor("\na2V5\n").replace('\n', "\r\n"), one()),
            (armor(" \t\na2V5  \n"), one()),
            (
                format!("The key of:\n\tM\u{fc}nchen\n\n{}The end", armor("\na2V5\n")),
                one(),
            ),
            (
                format!("{}prose\n{}", armor("\na2V5\n"), armor("\na2V6\n")),
                vec![b"key".to_vec().into(), b"kez".to_vec().into()],
            ),
            (format!("  {}", armor("\na2V5\n")), Vec::new()),
            (format!("> {}", armor("\na2V5\n")), Vec::new()),
            (armor("\na2V5\n").replace("PUBLIC", "Public"), Vec::new()),
            (String::new(), Vec::new()),
        ] {
            let found = public_keys(text.as_bytes());
            // A block of another type is an error of its own.
            if text.contains("Public") {
                assert!(found.is_err(), "{text}");
            } else {
                assert_eq!(found, Ok(expected), "{text}");
            }
        }
        // Prose in Latin-1.
        let latin = [
            b"M\xfcnchen\n".as_slice(),
            armor("\na2V5\n").as_bytes(),
            b"M\xfcnchen\n",
        ]
        .concat();
        assert_eq!(public_keys(&latin), Ok(one()));
    }

    #[test]
    fn t187_armor_that_is_wrong_loses_the_file() {
        for (text, expected) in [
            (BEGIN.to_owned(), "cut off"),
            (format!("{BEGIN}\na2V5\n"), "cut off"),
            (armor("a2V5\n"), "no empty line"),
            (armor("\na2V5\n=AAAA\n"), "checksum of an armored key is wrong"),
            (armor("\na2V5\n=AAAA\n=AAAA\n"), "goes on after its checksum"),
            (armor("\na2V5\n=AAAA\na2V5\n"), "goes on after its checksum"),
            (armor("\na2V\n"), "not base64"),
            (armor("\na2V\x0c5\n"), "not base64"),
            (armor("\na2V1=\n"), "not base64"),
            (armor("\na2V5\na2W=\n"), "not base64"),
            (armor("\n- a2V5\n"), "not base64"),
            (format!("{BEGIN}\n{BEGIN}\na2V5\n{END}"), "ends as something else"),
            (
                armor("\na2V5\n").replace("END PGP PUBLIC", "END PGP PRIVATE"),
                "ends as something else",
            ),
            (
                armor("\na2V5\n").replace("PUBLIC KEY BLOCK", "MESSAGE"),
                "something else than public keys",
            ),
            (
                armor("\na2V5\n").replace("PUBLIC KEY BLOCK", "SIGNED MESSAGE"),
                "something else than public keys",
            ),
        ] {
            match public_keys(text.as_bytes()) {
                Err(FileError::Lost(why)) => assert!(why.contains(expected), "{text}: {why}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn binary_after_armor_and_secret_keys_are_mistakes() {
        let binary = [armor("\na2V5\n").as_bytes(), b"\x98\x33\x04\x5f"].concat();
        let secret = armor("\na2V5\n").replace("PUBLIC", "PRIVATE");
        for (text, expected) in [
            (binary.as_slice(), "binary data"),
            (secret.as_bytes(), "gpg --export"),
        ] {
            match public_keys(text) {
                Err(FileError::Mistake(why)) => assert!(why.contains(expected), "{why}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
