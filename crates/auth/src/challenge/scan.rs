//! The scanner of `WWW-Authenticate` (RFC 9110, section 11.6.1), as lenient as those of browsers.
//!
//! Leniency is safe here because the realm is judged before anything is sent to it. Bytes that are not
//! UTF-8 are read as Latin-1; parameters may be separated by blanks, semicolons or commas; quotes may be
//! single, missing or not closed; text that is neither a scheme nor a parameter is ignored.

use std::borrow::Cow;

/// The longest `WWW-Authenticate` line that is read, in bytes.
pub(super) const MAX_LINE: usize = 16 * 1024;
/// The most challenges of one line.
const MAX_CHALLENGES: usize = 16;
/// The most parameters of one challenge.
const MAX_PARAMETERS: usize = 32;

/// One challenge of a line: a scheme and its parameters.
pub(super) struct RawChallenge {
    scheme: String,
    parameters: Vec<(String, String)>,
    /// True if the scheme stands alone between two commas: it may be a part of a value without quotes.
    is_alone: bool,
    /// True if the challenge has two different realms or services.
    pub(super) is_ambiguous: bool,
}

impl RawChallenge {
    pub(super) fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    fn is_known(&self) -> bool {
        self.is("basic") || self.is("bearer")
    }

    /// The value of a parameter; `None` if it is missing or empty.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let named = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        let (_, value) = self.parameters.iter().find(named)?;
        (!value.is_empty()).then(|| value.clone())
    }

    /// Adds a parameter. Repeated scopes are joined; of any other repeated parameter, the first counts.
    fn add(&mut self, name: &str, value: String) -> Result<(), &'static str> {
        let is_full = self.parameters.len() >= MAX_PARAMETERS;
        let held = self
            .parameters
            .iter_mut()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        match held {
            Some((_, held)) if name.eq_ignore_ascii_case("scope") => {
                held.push(' ');
                held.push_str(&value);
            }
            Some((_, held)) => {
                let decides = ["realm", "service"]
                    .iter()
                    .any(|key| name.eq_ignore_ascii_case(key));
                self.is_ambiguous |= decides && *held != value;
            }
            None if is_full => {
                return Err("the registry's challenge has too many parameters");
            }
            None => self.parameters.push((name.to_owned(), value)),
        }
        Ok(())
    }
}

/// The challenges of one header line, in their order.
///
/// # Errors
///
/// A message if the line is longer than [`MAX_LINE`], has more than [`MAX_CHALLENGES`] challenges or more
/// than [`MAX_PARAMETERS`] parameters in one, or has no scheme.
pub(super) fn challenges(line: &[u8]) -> Result<Vec<RawChallenge>, &'static str> {
    if line.len() > MAX_LINE {
        return Err("the registry's challenge is too long");
    }
    let text = decode(line);
    let mut rest = Scanner(&text);
    let mut found: Vec<RawChallenge> = Vec::new();
    let mut has_strays = false;
    let mut begins = true;
    loop {
        begins |= rest.skip(is_separator).contains(',');
        if rest.0.is_empty() {
            break;
        }
        let word = rest.skip(is_token);
        if word.is_empty() {
            (has_strays, begins) = (true, false);
            rest.advance();
            continue;
        }
        let blanks = rest.skip(is_blank);
        if rest.0.starts_with('=') {
            rest.advance();
            rest.skip(is_blank);
            let value = rest.value();
            let owner = found.iter_mut().rev().find(|raw| !raw.is_alone || raw.is_known());
            match owner {
                Some(owner) => owner.add(word, value)?,
                None => has_strays = true,
            }
        } else {
            let raw = RawChallenge {
                scheme: word.to_owned(),
                parameters: Vec::new(),
                is_alone: rest.0.is_empty() || rest.0.starts_with([',', ';']),
                is_ambiguous: false,
            };
            // Without a comma before it, a word is part of a value without quotes, unless it is a known
            // scheme that parameters follow.
            if begins || (raw.is_known() && !blanks.is_empty() && rest.has_parameter()) {
                if found.len() == MAX_CHALLENGES {
                    return Err("the registry sends too many challenges");
                }
                found.push(raw);
            }
        }
        begins = false;
    }
    if found.is_empty() && has_strays {
        return Err("the registry's challenge has no scheme");
    }
    Ok(found)
}

fn decode(line: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(line) {
        Ok(text) => text.into(),
        Err(_) => line
            .iter()
            .map(|byte| char::from(*byte))
            .collect::<String>()
            .into(),
    }
}

struct Scanner<'a>(&'a str);

impl<'a> Scanner<'a> {
    /// Consumes the longest prefix of accepted characters.
    fn skip(&mut self, accept: fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !accept(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    /// Consumes one character.
    fn advance(&mut self) {
        let mut characters = self.0.chars();
        characters.next();
        self.0 = characters.as_str();
    }

    /// True if a name and an equals sign follow.
    fn has_parameter(&self) -> bool {
        let mut ahead = Self(self.0);
        let name = ahead.skip(is_token);
        ahead.skip(is_blank);
        !name.is_empty() && ahead.0.starts_with('=')
    }

    fn value(&mut self) -> String {
        let quoted = self.quoted('"').or_else(|| self.quoted('\''));
        quoted.unwrap_or_else(|| {
            self.skip(|c| !is_separator(c))
                .trim_matches(['"', '\''])
                .to_owned()
        })
    }

    /// A quoted text whose closing quote is followed by a separator, a parameter or the end.
    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut characters = self.0.strip_prefix(quote)?.chars();
        let mut value = String::new();
        while let Some(character) = characters.next() {
            match character {
                '\\' => value.push(characters.next()?),
                end if end == quote => {
                    let after = Self(characters.as_str());
                    let is_end =
                        after.0.is_empty() || after.0.starts_with(is_separator) || after.has_parameter();
                    if !is_end {
                        return None;
                    }
                    *self = after;
                    return Some(value);
                }
                other => value.push(other),
            }
        }
        None
    }
}

const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

const fn is_separator(c: char) -> bool {
    is_blank(c) || matches!(c, ',' | ';')
}

const fn is_token(c: char) -> bool {
    matches!(c,
        'a'..='z' | 'A'..='Z' | '0'..='9' | '!' | '#' | '$' | '%' | '&' | '\'' | '*' | '+' | '-' | '.' | '^' | '_'
        | '`' | '|' | '~')
}
