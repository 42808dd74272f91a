//! PEM (RFC 7468), in its strict form: no headers within a block, whole lines, canonical base64.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use zeroize::Zeroizing;

use crate::problem::{Problem, quoted};

/// The most bytes of a PEM text.
const MAX_SIZE: usize = 1 << 20;

/// The characters of a line that is written.
const LINE: usize = 64;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// A block. Its content may be secret: it has no `Debug`, and is wiped from memory.
pub(crate) struct Block {
    pub(crate) label: String,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

/// Whether text may stand outside of the blocks, as it does in files that describe their certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prose {
    Allowed,
    Refused,
}

/// The one block of a text.
pub(crate) fn one(text: &[u8]) -> Result<Block, Problem> {
    let mut blocks = blocks(text, 1, Prose::Refused)?;
    blocks.pop().ok_or_else(|| Problem::new("there is no PEM block"))
}

/// All blocks of a text, at most so many.
pub(crate) fn blocks(text: &[u8], most: usize, prose: Prose) -> Result<Vec<Block>, Problem> {
    if text.len() > MAX_SIZE {
        return Err(Problem::new(format!("the PEM is larger than {MAX_SIZE} bytes")));
    }
    let text = std::str::from_utf8(text).map_err(|_| Problem::new("the PEM is not text"))?;
    let mut lines = text.lines().map(str::trim_end);
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        let Some(label) = line
            .strip_prefix(BEGIN)
            .and_then(|rest| rest.strip_suffix(DASHES))
        else {
            if prose == Prose::Refused && !line.is_empty() {
                return Err(Problem::new("something that is no PEM block stands in the text"));
            }
            continue;
        };
        if blocks.len() >= most {
            return Err(Problem::new(match most {
                1 => "there is more than one PEM block".to_owned(),
                most => format!("there are more than {most} PEM blocks"),
            }));
        }
        if label.starts_with("PGP ") {
            let why = format!(
                "the block {} is of OpenPGP, and a PEM block belongs here",
                quoted(label)
            );
            return Err(Problem::new(why));
        }
        // As large as it gets, so that no part of it is left behind where it was before it grew.
        let mut base64 = Zeroizing::new(String::with_capacity(text.len()));
        loop {
            let line = lines
                .next()
                .ok_or_else(|| Problem::new("a PEM block has no end"))?;
            if let Some(end) = line.strip_prefix(END) {
                if end.strip_suffix(DASHES) != Some(label) {
                    return Err(Problem::new(
                        "a PEM block ends with another label than it began with",
                    ));
                }
                break;
            }
            base64.push_str(line);
        }
        let der = STANDARD
            .decode(&*base64)
            .map(Zeroizing::new)
            .map_err(|_| Problem::new(format!("the PEM block {} is not base64", quoted(label))))?;
        let label = label.to_owned();
        blocks.push(Block { label, der });
    }
    Ok(blocks)
}

/// A text of one block.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = format!("{BEGIN}{label}{DASHES}\n");
    // Base64 is ASCII.
    for line in base64.as_bytes().chunks(LINE) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text + END + label + DASHES + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t187_a_block_stands_alone_and_whole() {
        const GOOD: &str = "-----BEGIN PUBLIC KEY-----\nAAEC\n-----END PUBLIC KEY-----\n";
        for (text, good) in [
            (GOOD.to_owned(), true),
            (GOOD.replace('\n', "\r\n"), true),
            (format!("\n{GOOD}\n\n"), true),
            (GOOD.replace("AAEC", "AA\nEC"), true),
            (format!("{GOOD}{GOOD}"), false),
            (format!("{GOOD}x"), false),
            (format!("x\n{GOOD}"), false),
            (GOOD.replace("AAEC", "Proc-Type: 4,ENCRYPTED\n\nAAEC"), false),
            (GOOD.replace("AAEC", "AAE"), false),
            (GOOD.replace("AAEC", "AAF="), false),
            (GOOD.replace("AAEC", " AAEC"), false),
            (GOOD.replace("END PUBLIC", "END PRIVATE"), false),
            (GOOD.replace("-----END PUBLIC KEY-----\n", ""), false),
            (GOOD.replace("KEY-----\nA", "KEY----\nA"), false),
            (String::new(), false),
        ] {
            assert_eq!(one(text.as_bytes()).is_ok(), good, "{text:?}");
        }
        assert!(one(b"\xff").is_err());
        assert!(one(&vec![b'\n'; MAX_SIZE + 1]).is_err());
    }

    #[test]
    fn a_text_that_is_not_one_block_is_refused_by_name() {
        const GOOD: &str = "-----BEGIN PUBLIC KEY-----\nAAEC\n-----END PUBLIC KEY-----\n";
        const ARMOR: &str =
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAEC\n=njUN\n-----END PGP PUBLIC KEY BLOCK-----\n";
        for (text, expected) in [
            (String::new(), "there is no PEM block"),
            (format!("{GOOD}{GOOD}"), "there is more than one PEM block"),
            (
                ARMOR.to_owned(),
                "the block \"PGP PUBLIC KEY BLOCK\" is of OpenPGP",
            ),
            (
                ARMOR.replace("PUBLIC", "PRIVATE"),
                "the block \"PGP PRIVATE KEY BLOCK\" is of OpenPGP",
            ),
            (
                GOOD.replace("AAEC", "AAE"),
                "the PEM block \"PUBLIC KEY\" is not base64",
            ),
        ] {
            let problem = one(text.as_bytes()).map(drop).unwrap_err().to_string();
            assert!(problem.starts_with(expected), "{problem}");
        }
    }

    #[test]
    fn prose_stands_between_blocks_where_it_may() {
        const TEXT: &[u8] = b"Subject: A\n-----BEGIN A-----\nAAEC\n-----END A-----\nSubject: B\n-----BEGIN B-----\n-----END B-----";
        let labels = |blocks: Vec<Block>| blocks.into_iter().map(|block| block.label).collect::<Vec<_>>();
        assert_eq!(labels(blocks(TEXT, 2, Prose::Allowed).unwrap()), ["A", "B"]);
        assert!(blocks(TEXT, 1, Prose::Allowed).is_err());
        assert!(blocks(TEXT, 2, Prose::Refused).is_err());
    }
}
