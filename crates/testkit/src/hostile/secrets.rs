use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// With this every secret of every test begins; it occurs nowhere else.
pub(super) const MARK: &str = "CANARYwharfCANARY";

/// A secret and the origins that may see it.
#[derive(Debug, Clone)]
pub(super) struct Secret {
    pub(super) text: String,
    pub(super) origins: BTreeSet<String>,
}

/// The byte strings that betray `text`: as it stands, in base64 at each alignment, in hexadecimal, and as
/// Rust prints bytes.
pub(super) fn traces(text: &str) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    let mut traces = vec![bytes.to_vec()];
    for shift in 0..3 {
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let encoded = engine.encode([&vec![0; shift][..], bytes].concat());
            // Characters that also depend on the neighbours of the text are left out.
            let start = [0, 2, 3][shift];
            let end = encoded.len() - [0, 2, 1][(bytes.len() + shift) % 3].min(encoded.len());
            traces.push(encoded.as_bytes()[start..end].to_vec());
        }
    }
    traces.push(
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            .into_bytes(),
    );
    let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
    traces.push(list.join(", ").into_bytes());
    traces
}

/// Whether any of the traces occurs.
pub(super) fn betrays(haystack: &[u8], traces: &[Vec<u8>]) -> bool {
    traces.iter().any(|trace| contains(haystack, trace))
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return false };
    let mut rest = haystack;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        rest = &rest[at..];
        if rest.starts_with(needle) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_disguise() {
        let traces = traces(MARK);
        let disguises = [
            MARK.to_owned(),
            format!("x{MARK}y"),
            STANDARD_NO_PAD.encode(format!("{MARK}:pw")),
            STANDARD_NO_PAD.encode(format!("u:{MARK}")),
            STANDARD_NO_PAD.encode(format!("us:{MARK}and more")),
            URL_SAFE_NO_PAD.encode(format!("use:{MARK}?")),
            format!("{:?}", MARK.as_bytes()),
        ];
        for disguise in disguises {
            assert!(betrays(disguise.as_bytes(), &traces), "{disguise}");
        }
        assert!(!betrays(b"CANARY wharf and nothing else Q0FO", &traces));
    }
}
