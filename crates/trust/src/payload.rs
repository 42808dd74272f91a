//! The payload of a simple signature (containers-signature(5)): the digest of a manifest and the name of an
//! image.

use wharf_reference::Digest;

use crate::json::{Limits, Value};

const LIMITS: Limits = Limits {
    bytes: MAX_PAYLOAD,
    depth: 16,
};

/// The largest payload that is read, in bytes. Real ones have some 300.
pub(crate) const MAX_PAYLOAD: usize = 64 << 10;

/// The `critical.type` of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PayloadType {
    /// Of simple signing.
    Simple,
    /// Of cosign, whose `optional` may be null.
    Cosign,
}

impl PayloadType {
    /// The text in the payload.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Simple => "atomic container signature",
            Self::Cosign => "cosign container image signature",
        }
    }
}

/// A payload. What it says counts only once its signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payload {
    /// Of the manifest; the grammar alone was checked.
    pub(crate) digest: Digest,
    /// The name that was signed, as it stands there: any text.
    pub(crate) reference: String,
    /// The program that signed.
    pub(crate) creator: Option<String>,
    /// When it was signed, in seconds since 1970.
    pub(crate) timestamp: Option<i64>,
}

impl Payload {
    /// Reads a payload of this type. Members that are unknown, missing, repeated or of the wrong type are
    /// errors, but for unknown ones of `optional`.
    pub(crate) fn parse(text: &[u8], expected: PayloadType) -> Result<Self, String> {
        let mut top = Value::parse(text, LIMITS)?.into_object("payload")?;
        let mut critical = top.required("critical")?.into_object("critical")?;
        let mut image = critical.required("image")?.into_object("image")?;
        let mut identity = critical.required("identity")?.into_object("identity")?;
        let kind = critical.string("type")?;
        let digest = image.string("docker-manifest-digest")?;
        let reference = identity.string("docker-reference")?;
        let mut optional = match top.required("optional")? {
            Value::Null if expected == PayloadType::Cosign => None,
            value => Some(value.into_object("optional")?),
        };
        let mut of_optional = |name| optional.as_mut().and_then(|optional| optional.optional(name));
        let (creator, timestamp) = (of_optional("creator"), of_optional("timestamp"));
        for object in [top, critical, image, identity] {
            object.finish()?;
        }
        if kind != expected.text() {
            let kind = crate::bounded(&kind);
            return Err(format!("its type is {kind:?} and not {:?}", expected.text()));
        }
        Ok(Self {
            digest: Digest::parse(&digest)
                .map_err(|_| format!("{:?} is no digest", crate::bounded(&digest)))?,
            reference,
            creator: creator.map(|value| value.into_string("creator")).transpose()?,
            timestamp: timestamp
                .map(|value| value.into_integer("timestamp"))
                .transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn with(critical: &str, optional: &str) -> String {
        format!(r#"{{"critical":{critical},"optional":{optional}}}"#)
    }

    fn critical() -> String {
        format!(
            r#"{{"type":"atomic container signature","image":{{"docker-manifest-digest":"{DIGEST}"}},"identity":{{"docker-reference":"a.example/b:c"}}}}"#
        )
    }

    fn parse(text: &str) -> Result<Payload, String> {
        Payload::parse(text.as_bytes(), PayloadType::Simple)
    }

    #[test]
    fn a_payload_is_read() {
        let payload = parse(&with(
            &critical(),
            r#"{"creator":"atomic 5.40","timestamp":1450000000}"#,
        ))
        .unwrap();
        assert_eq!(payload.digest, DIGEST);
        assert_eq!(payload.reference, "a.example/b:c");
        assert_eq!(payload.creator.as_deref(), Some("atomic 5.40"));
        assert_eq!(payload.timestamp, Some(1_450_000_000));
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn t186_what_is_a_payload_and_what_is_none() {
        let good = with(&critical(), "{}");
        let deep = |levels: usize| {
            // The payload and `optional` are two levels.
            let list = format!("{}{}", "[".repeat(levels - 2), "]".repeat(levels - 2));
            with(&critical(), &format!(r#"{{"x":{list}}}"#))
        };
        let long = |bytes: usize| {
            let empty = with(&critical(), r#"{"x":""}"#);
            with(
                &critical(),
                &format!(r#"{{"x":"{}"}}"#, "x".repeat(bytes - empty.len())),
            )
        };
        let table: Vec<(String, Result<(), &str>)> = vec![
            (good.clone(), Ok(())),
            (format!("{good} \n\t"), Ok(())),
            (format!(" {good}"), Ok(())),
            (with(&critical(), r#"{"timestamp":1e3}"#), Ok(())),
            (with(&critical(), r#"{"timestamp":-5}"#), Ok(())),
            (with(&critical(), r#"{"timestamp":9007199254740993}"#), Ok(())),
            (
                with(&critical(), r#"{"other":null,"more":[1,{"a":true}]}"#),
                Ok(()),
            ),
            (deep(16), Ok(())),
            (deep(17), Err("nested too deep")),
            (deep(200), Err("nested too deep")),
            (long(64 << 10), Ok(())),
            (long((64 << 10) + 1), Err("longer than 65536 bytes")),
            (String::new(), Err("no acceptable JSON")),
            ("{}".to_owned(), Err("has no `critical`")),
            ("[]".to_owned(), Err("`payload` is a list and not an object")),
            ("null".to_owned(), Err("`payload` is null")),
            (format!("\u{feff}{good}"), Err("no acceptable JSON")),
            (format!("{good}{{}}"), Err("trailing characters")),
            (format!("{good}\0"), Err("trailing characters")),
            (with(&critical(), "null"), Err("`optional` is null")),
            (with(&critical(), "[]"), Err("`optional` is a list")),
            (
                format!(r#"{{"critical":{}}}"#, critical()),
                Err("has no `optional`"),
            ),
            (good.replace("critical", "Critical"), Err("has no `critical`")),
            (
                good.replace("\"optional\"", "\"Optional\""),
                Err("has no `optional`"),
            ),
            (with("null", "{}"), Err("`critical` is null")),
            (with("{}", "{}"), Err("has no `image`")),
            (
                good.replacen('{', r#"{"critical":{},"#, 1),
                Err("\"critical\" is there twice"),
            ),
            (
                good.replacen('{', r#"{"other":1,"#, 1),
                Err("unknown member \"other\""),
            ),
            (
                good.replace(r#"{"type""#, r#"{"other":1,"type""#),
                Err("unknown member \"other\""),
            ),
            (
                good.replace(
                    r#"{"docker-reference""#,
                    r#"{"Docker-Reference":"x","docker-reference""#,
                ),
                Err("unknown member \"Docker-Reference\""),
            ),
            (
                good.replace(
                    r#"{"docker-manifest-digest""#,
                    r#"{"x":1,"docker-manifest-digest""#,
                ),
                Err("unknown member"),
            ),
            (
                good.replace("atomic container", "cosign container image"),
                Err("its type is \"cosign container image signature\""),
            ),
            (
                good.replace("atomic container", "Atomic container"),
                Err("its type is"),
            ),
            (
                good.replace("\"atomic container signature\"", "1"),
                Err("`type` is a number and not a string"),
            ),
            (
                good.replace("\"a.example/b:c\"", "null"),
                Err("`docker-reference` is null and not a string"),
            ),
            (
                good.replace(r#"{"docker-reference":"a.example/b:c"}"#, "{}"),
                Err("has no `docker-reference`"),
            ),
            (good.replace(DIGEST, "sha256:../../x"), Err("is no digest")),
            (good.replace(DIGEST, ""), Err("is no digest")),
            (
                with(&critical(), r#"{"creator":null}"#),
                Err("`creator` is null and not a string"),
            ),
            (
                with(&critical(), r#"{"creator":5}"#),
                Err("`creator` is a number and not a string"),
            ),
            (
                with(&critical(), r#"{"timestamp":"1"}"#),
                Err("`timestamp` is a string and not a number"),
            ),
            (
                with(&critical(), r#"{"timestamp":null}"#),
                Err("`timestamp` is null"),
            ),
            (
                with(&critical(), r#"{"timestamp":1.5}"#),
                Err("`timestamp` is not an integer"),
            ),
            (
                with(&critical(), r#"{"timestamp":1e300}"#),
                Err("`timestamp` is not an integer"),
            ),
            (
                with(&critical(), r#"{"timestamp":9223372036854775808}"#),
                Err("`timestamp` is not an integer"),
            ),
            (
                with(&critical(), r#"{"timestamp":1e400}"#),
                Err("number out of range"),
            ),
            (with(&critical(), r#"{"x":1,"x":2}"#), Err("\"x\" is there twice")),
            (
                with(&critical(), r#"{"x":[{"y":{"z":1,"z":1}}]}"#),
                Err("\"z\" is there twice"),
            ),
            (
                with(&critical(), r#"{"a":1,"\u0061":1}"#),
                Err("\"a\" is there twice"),
            ),
            (with(&critical(), r#"{"x":"\ud800"}"#), Err("no acceptable JSON")),
            (with(&critical(), r#"{"x":"\x00"}"#), Err("no acceptable JSON")),
        ];
        for (text, expected) in table {
            match (parse(&text), expected) {
                (Ok(_), Ok(())) => {}
                (Err(said), Err(part)) => {
                    assert!(said.contains(part) && said.len() < 300, "{text}: {said}");
                }
                (result, expected) => panic!("{text}: {result:?} and not {expected:?}"),
            }
        }
        let mut bytes = good.into_bytes();
        let name = bytes.windows(3).position(|window| window == b"b:c").unwrap();
        bytes[name] = 0xff;
        assert_eq!(
            Payload::parse(&bytes, PayloadType::Simple).unwrap_err(),
            "it is not UTF-8"
        );
    }
}
