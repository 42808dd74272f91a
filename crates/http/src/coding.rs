use http::{HeaderMap, header::CONTENT_ENCODING};

use crate::printable;

/// Labels that have no meaning for the bytes: no coding, or the way in which they were once uploaded.
const HARMLESS: [&str; 3] = ["", "identity", "aws-chunked"];

/// The coding in the header `Content-Encoding`; `None` if there is none.
///
/// This label is often wrong: storage services return the label of the upload, and web servers call any
/// `.gz` file `x-gzip`. For bytes with a known digest, the digest decides.
#[must_use]
pub fn content_coding(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(CONTENT_ENCODING).iter();
    let text = lines
        .filter_map(|line| line.to_str().ok())
        .collect::<Vec<_>>()
        .join(",");
    let codings = text.split(',').map(str::trim);
    let told: Vec<&str> = codings
        .filter(|coding| {
            !HARMLESS
                .iter()
                .any(|harmless| coding.eq_ignore_ascii_case(harmless))
        })
        .collect();
    (!told.is_empty()).then(|| printable(&told.join(", "), 60))
}

/// The coding that was applied to a JSON document although none was requested; `None` if none was.
///
/// gzip and zstd are recognised by their first bytes, other codings by the label of a body that does not
/// begin like JSON. Nothing is decoded: a compressed body may expand without limit, and a digest is that of
/// the bytes as they are stored.
#[must_use]
pub fn coding_of_json(headers: &HeaderMap, bytes: &[u8]) -> Option<String> {
    match bytes {
        [] => None,
        [0x1f, 0x8b, ..] => Some("gzip".to_owned()),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd".to_owned()),
        bytes => {
            let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
            let is_text = first.is_none_or(|first| matches!(first, b'{' | b'[' | b'<'));
            content_coding(headers).filter(|_| !is_text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(labels: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for label in labels {
            headers.append(CONTENT_ENCODING, label.parse().unwrap());
        }
        headers
    }

    #[test]
    fn labels() {
        let table: [(&[&str], Option<&str>); 9] = [
            (&[], None),
            (&[""], None),
            (&["identity"], None),
            (&["Identity, AWS-chunked"], None),
            (&["aws-chunked"], None),
            (&["x-gzip"], Some("x-gzip")),
            (&["aws-chunked,gzip"], Some("gzip")),
            (&["gzip", "br"], Some("gzip, br")),
            (&["identity", "zstd"], Some("zstd")),
        ];
        for (labels, expected) in table {
            assert_eq!(
                content_coding(&labelled(labels)).as_deref(),
                expected,
                "{labels:?}"
            );
        }
    }

    #[test]
    fn documents_that_are_compressed() {
        let table: [(&str, &[u8], Option<&str>); 11] = [
            ("gzip", b"{\"a\":1}", None),
            ("gzip", b" \n[1]", None),
            ("gzip", b"<html>", None),
            ("gzip", b"", None),
            ("identity", b"junk", None),
            ("gzip", b"\x1f\x8b\x08\x00", Some("gzip")),
            ("", b"\x1f\x8b\x08\x00", Some("gzip")),
            ("", b"\x28\xb5\x2f\xfd\x04", Some("zstd")),
            ("br", b"\x0b\x02\x80", Some("br")),
            ("deflate", b"\x78\x9c\x00", Some("deflate")),
            ("", b"\x0b\x02\x80", None),
        ];
        for (label, bytes, expected) in table {
            let got = coding_of_json(&labelled(&[label]), bytes);
            assert_eq!(got.as_deref(), expected, "{label} {bytes:?}");
        }
    }
}
