//! The grammar of RFC 8259, read strictly.
//!
//! A reader of its own, because what `serde_json` gives for a number depends on the features that other
//! crates of a program turn on, and a signature must not.

use super::{Limits, Value};

/// Reads one value and nothing beside it.
pub(super) fn read(text: &str, limits: Limits) -> Result<Value, String> {
    let mut parser = Parser {
        text,
        rest: text,
        most: limits.depth,
    };
    let value = parser.value(0)?;
    parser.space();
    if !parser.rest.is_empty() {
        return Err(parser.problem("trailing characters"));
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    /// How deep lists and objects may be nested.
    most: usize,
}

impl Parser<'_> {
    fn problem(&self, what: &str) -> String {
        let offset = self.text.len() - self.rest.len();
        let before = self.text.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("it is no acceptable JSON: {what} at line {line} column {column}")
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    /// Takes this text if it comes next.
    fn take(&mut self, wanted: &str) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        self.space();
        match self.rest.as_bytes().first() {
            Some(b'{' | b'[') if depth >= self.most => Err(self.problem("it is nested too deep")),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.take("null") => Ok(Value::Null),
            _ if self.take("true") => Ok(Value::Bool(true)),
            _ if self.take("false") => Ok(Value::Bool(false)),
            _ => Err(self.problem("a value is missing")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, String> {
        self.take("{");
        let mut members: Vec<(String, Value)> = Vec::new();
        self.space();
        if self.take("}") {
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            if !self.take(":") {
                return Err(self.problem("a colon is missing"));
            }
            let value = self.value(depth + 1)?;
            members.push((key, value));
            self.space();
            if self.take("}") {
                break;
            }
            if !self.take(",") {
                return Err(self.problem("a comma or closing brace is missing"));
            }
        }
        let mut names: Vec<&str> = members.iter().map(|(key, _)| key.as_str()).collect();
        names.sort_unstable();
        let mut pairs = names.iter().zip(names.iter().skip(1));
        if let Some((twice, _)) = pairs.find(|(one, next)| one == next) {
            let twice = crate::bounded(twice);
            return Err(self.problem(&format!("the member {twice:?} is there twice")));
        }
        Ok(Value::Object(members))
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        self.take("[");
        let mut items = Vec::new();
        self.space();
        if self.take("]") {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take("]") {
                return Ok(Value::List(items));
            }
            if !self.take(",") {
                return Err(self.problem("a comma or closing bracket is missing"));
            }
        }
    }

    fn number(&mut self) -> Result<Value, String> {
        let length = number_length(self.rest.as_bytes()).ok_or_else(|| self.problem("a malformed number"))?;
        let (number, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        if number.parse::<f64>().map_or(true, f64::is_infinite) {
            return Err(self.problem("number out of range"));
        }
        self.rest = rest;
        Ok(Value::Number(number.to_owned()))
    }

    fn string(&mut self) -> Result<String, String> {
        if !self.take("\"") {
            return Err(self.problem("a string is missing"));
        }
        let mut string = String::new();
        loop {
            let plain = self
                .rest
                .find(|char: char| char == '"' || char == '\\' || char < ' ');
            let plain = plain.ok_or_else(|| self.problem("a string has no end"))?;
            let (text, rest) = self.rest.split_at_checked(plain).unwrap_or((self.rest, ""));
            string.push_str(text);
            self.rest = rest;
            if self.take("\"") {
                return Ok(string);
            }
            if !self.take("\\") {
                return Err(self.problem("a control character in a string"));
            }
            let character = self
                .escape()
                .ok_or_else(|| self.problem("an escape that stands for no character"))?;
            string.push(character);
        }
    }

    fn escape(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let escape = chars.next()?;
        self.rest = chars.as_str();
        Some(match escape {
            '"' | '\\' | '/' => escape,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let high = self.hex()?;
                if !(0xd800..0xdc00).contains(&high) {
                    return char::from_u32(high);
                }
                if !self.take("\\u") {
                    return None;
                }
                let low = self.hex().filter(|low| (0xdc00..0xe000).contains(low))?;
                return char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            }
            _ => return None,
        })
    }

    fn hex(&mut self) -> Option<u32> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        self.rest = rest;
        u32::from_str_radix(digits, 16).ok()
    }
}

/// How many bytes the number has that comes first, by the grammar of RFC 8259.
fn number_length(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    let take = |rest: &mut &[u8], wanted: &[u8]| match rest.split_first() {
        Some((first, after)) if wanted.contains(first) => {
            *rest = after;
            true
        }
        _ => false,
    };
    let digits = |rest: &mut &[u8]| {
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        *rest = rest.get(count..).unwrap_or_default();
        count > 0
    };
    take(&mut rest, b"-");
    if !take(&mut rest, b"0") && !digits(&mut rest) {
        return None;
    }
    if take(&mut rest, b".") && !digits(&mut rest) {
        return None;
    }
    if take(&mut rest, b"eE") {
        take(&mut rest, b"+-");
        if !digits(&mut rest) {
            return None;
        }
    }
    bytes.len().checked_sub(rest.len())
}
