//! Finds the transactions in what a client of PostgreSQL sends (*Frontend/Backend Protocol*, version 3).
//!
//! | sent | becomes |
//! |---|---|
//! | `BEGIN`, statements, `COMMIT` | `COMMIT` and the number of the statements |
//! | `BEGIN`, statements, `ROLLBACK` | `ROLLBACK` and the number of the statements |
//! | a statement outside of them, which is a transaction of its own | `SINGLE 1` |
//! | `BEGIN` and an end without statements, as a probe sends it | nothing |
//!
//! Settings that are sent in one message with `BEGIN` are not counted.

/// The code of the message that opens a session: version 3.0.
const STARTUP: u32 = 196_608;

/// Reads the client's half of one connection.
#[derive(Debug, Default)]
pub struct Parser {
    /// The bytes of a message that have come.
    message: Vec<u8>,
    /// Whether the session is open, so that messages have a type.
    is_open: bool,
    /// The statements of the transaction under way.
    transaction: Option<u64>,
}

impl Parser {
    /// The transactions that end in `bytes`.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        self.message.extend_from_slice(bytes);
        let mut ended = Vec::new();
        while let Some(message) = self.next() {
            ended.extend(self.read(&message));
        }
        ended
    }

    /// The next whole message: its type, which the first ones do not have, and its body.
    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let kind = usize::from(self.is_open);
        let length = self.message.get(kind..kind + 4)?.try_into().ok()?;
        let end = kind + u32::from_be_bytes(length) as usize;
        if self.message.len() < end {
            return None;
        }
        let message: Vec<u8> = self.message.drain(..end).collect();
        let kind = if self.is_open { message[0] } else { 0 };
        Some((kind, message[usize::from(self.is_open) + 4..].to_vec()))
    }

    fn read(&mut self, (kind, body): &(u8, Vec<u8>)) -> Option<String> {
        let text = |from: usize| {
            let rest = body.get(from..).unwrap_or_default();
            String::from_utf8_lossy(rest.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
        };
        match kind {
            0 => {
                self.is_open = body.starts_with(&STARTUP.to_be_bytes());
                None
            }
            b'Q' => self.batch(&text(0)),
            // The name of the statement comes first; the client names none.
            b'P' => match &mut self.transaction {
                Some(statements) => {
                    *statements += 1;
                    None
                }
                None => Some("SINGLE 1".to_owned()),
            },
            _ => None,
        }
    }

    /// Statements in one message.
    fn batch(&mut self, sql: &str) -> Option<String> {
        let word = sql.split([' ', ';']).next().unwrap_or_default();
        match word {
            "BEGIN" => {
                self.transaction = Some(0);
                None
            }
            "COMMIT" | "ROLLBACK" => {
                let statements = self.transaction.take().filter(|statements| *statements > 0)?;
                Some(format!("{word} {statements}"))
            }
            _ => match &mut self.transaction {
                Some(statements) => {
                    *statements += 1;
                    None
                }
                None => Some("SINGLE 1".to_owned()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [kind.as_slice(), &length, body].concat()
    }

    #[test]
    fn transactions_are_found_however_the_bytes_come() {
        let query = |sql: &str| message(Some(b'Q'), format!("{sql}\0").as_bytes());
        let parse = |sql: &str| {
            let parse = message(Some(b'P'), format!("\0{sql}\0\0\0").as_bytes());
            [parse, message(Some(b'S'), b"")].concat()
        };
        let sent = [
            message(None, &80_877_103_u32.to_be_bytes()), // may it be TLS?
            message(None, &[&STARTUP.to_be_bytes()[..], b"user\0wharf\0\0"].concat()),
            message(Some(b'p'), b"secret\0"),
            parse("SELECT 1"),
            query("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = 1"),
            parse("INSERT INTO a VALUES (1)"),
            query("SET LOCAL statement_timeout = 0"),
            parse("SELECT 2"),
            query("COMMIT"),
            query("BEGIN"),
            query("COMMIT"),
            query("BEGIN"),
            parse("SELECT 3"),
            query("ROLLBACK"),
            query("SELECT 4"),
        ]
        .concat();
        let expected = ["SINGLE 1", "COMMIT 3", "ROLLBACK 1", "SINGLE 1"];
        for size in [1, 7, sent.len()] {
            let mut parser = Parser::default();
            let found: Vec<String> = sent.chunks(size).flat_map(|piece| parser.feed(piece)).collect();
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }
}
