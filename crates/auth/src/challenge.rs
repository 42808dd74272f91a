use http::{HeaderMap, header::WWW_AUTHENTICATE};

use crate::{AuthError, AuthErrorKind, Scopes};

const MAX_LINE: usize = 16 * 1024;
const MAX_CHALLENGES: usize = 16;
const MAX_PARAMETERS: usize = 32;

/// What a registry asks for in a 401 (RFC 9110, *WWW-Authenticate*; RFC 6750; Docker's token specification).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Challenge {
    /// User name and password.
    Basic,
    /// A token of the server at `realm`.
    Bearer {
        /// Where tokens are issued. Not yet judged: see [`RealmPolicy`](crate::RealmPolicy).
        realm: String,
        /// The name the registry goes by there, if it says.
        service: Option<String>,
        /// What the registry says is needed; entries that do not parse are left out.
        scopes: Scopes,
        /// `insufficient_scope`, `invalid_token`: what was wrong with the token that was sent.
        error: Option<String>,
    },
}

impl Challenge {
    /// The strongest challenge of an answer that this crate can meet: Bearer, else Basic. All header lines
    /// count, and all challenges in a line; schemes that are unknown are passed over (N16).
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Challenge`] if there is none: the header is missing, breaks the grammar, repeats a
    /// parameter, or names other schemes only.
    pub fn strongest(headers: &HeaderMap) -> Result<Self, AuthError> {
        let mut basic = None;
        let mut problem = "the registry asks for authentication but does not say how";
        for line in headers.get_all(WWW_AUTHENTICATE) {
            let text = std::str::from_utf8(line.as_bytes()).unwrap_or_default();
            let parsed = match parse_line(text) {
                Ok(parsed) => parsed,
                Err(error) => {
                    problem = error;
                    continue;
                }
            };
            for raw in parsed {
                if raw.scheme.eq_ignore_ascii_case("basic") {
                    basic = Some(Self::Basic);
                } else if raw.scheme.eq_ignore_ascii_case("bearer") {
                    match raw.parameter("realm") {
                        Some(realm) if !realm.is_empty() => return Ok(raw.into_bearer(realm)),
                        _ => problem = "the registry asks for a token but does not say where to get one",
                    }
                } else {
                    problem = "the registry asks for a kind of authentication that is not supported";
                }
            }
        }
        basic.ok_or_else(|| AuthError::new(AuthErrorKind::Challenge, problem))
    }
}

struct Raw<'a> {
    scheme: &'a str,
    parameters: Vec<(&'a str, String)>,
}

impl Raw<'_> {
    fn parameter(&self, name: &str) -> Option<String> {
        let found = self
            .parameters
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    }

    fn into_bearer(self, realm: String) -> Challenge {
        Challenge::Bearer {
            realm,
            service: self.parameter("service").filter(|service| !service.is_empty()),
            scopes: self
                .parameter("scope")
                .map(|scope| Scopes::parse_lenient(&scope))
                .unwrap_or_default(),
            error: self.parameter("error"),
        }
    }
}

/// One header line: challenges, separated by commas as their parameters are.
fn parse_line(line: &str) -> Result<Vec<Raw<'_>>, &'static str> {
    if line.len() > MAX_LINE {
        return Err("the registry's challenge is too long");
    }
    let mut cursor = Cursor(line);
    let mut challenges: Vec<Raw<'_>> = Vec::new();
    loop {
        cursor.skip(|c| matches!(c, ' ' | '\t' | ','));
        if cursor.0.is_empty() {
            return Ok(challenges);
        }
        let word = cursor.take(is_token);
        if word.is_empty() {
            return Err("the registry's challenge is malformed");
        }
        let spaces = cursor.skip(|c| matches!(c, ' ' | '\t'));
        if cursor.0.starts_with('=') {
            let current = challenges
                .last_mut()
                .ok_or("the registry's challenge has no scheme")?;
            cursor.advance(1);
            cursor.skip(|c| matches!(c, ' ' | '\t'));
            let value = cursor.value()?;
            if current.parameters.len() == MAX_PARAMETERS {
                return Err("the registry's challenge has too many parameters");
            }
            if current.parameter(word).is_some() {
                return Err("the registry's challenge says the same thing twice");
            }
            current.parameters.push((word, value));
            cursor.end_of_element()?;
        } else {
            if challenges.len() == MAX_CHALLENGES {
                return Err("the registry sends too many challenges");
            }
            challenges.push(Raw {
                scheme: word,
                parameters: Vec::new(),
            });
            if cursor.0.is_empty() || cursor.0.starts_with(',') {
                continue;
            }
            if spaces == 0 {
                return Err("the registry's challenge is malformed");
            }
            cursor.skip_token68();
        }
    }
}

struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn take(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !accept(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    fn skip(&mut self, accept: impl Fn(char) -> bool) -> usize {
        self.take(accept).len()
    }

    fn advance(&mut self, bytes: usize) {
        self.0 = self.0.get(bytes..).unwrap_or_default();
    }

    /// `Negotiate dGVzdA==`: credentials-like text without a name. Anything else is left for the next round.
    fn skip_token68(&mut self) {
        let start = self.0;
        self.skip(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '+' | '/'));
        self.skip(|c| c == '=');
        if self.end_of_element().is_err() {
            self.0 = start;
        }
    }

    /// A token, a quoted string, or what some registries write instead: a URL without quotes.
    fn value(&mut self) -> Result<String, &'static str> {
        if !self.0.starts_with('"') {
            let bare = self.take(|c| c.is_ascii_graphic() && !matches!(c, ',' | '"' | ';'));
            return Ok(bare.to_owned());
        }
        self.advance(1);
        let mut value = String::new();
        let mut characters = self.0.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.advance(at + 1);
                    return Ok(value);
                }
                '\\' => match characters.next() {
                    Some((_, escaped)) => value.push(escaped),
                    None => break,
                },
                control if control.is_control() && control != '\t' => break,
                other => value.push(other),
            }
        }
        Err("the registry's challenge has a text that does not end")
    }

    fn end_of_element(&mut self) -> Result<(), &'static str> {
        self.skip(|c| matches!(c, ' ' | '\t'));
        if self.0.is_empty() || self.0.starts_with(',') {
            Ok(())
        } else {
            Err("the registry's challenge is malformed")
        }
    }
}

const fn is_token(c: char) -> bool {
    matches!(c,
        'a'..='z' | 'A'..='Z' | '0'..='9' | '!' | '#' | '$' | '%' | '&' | '\'' | '*' | '+' | '-' | '.' | '^' | '_'
        | '`' | '|' | '~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strongest(lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                WWW_AUTHENTICATE,
                http::HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
        }
        match Challenge::strongest(&headers) {
            Ok(Challenge::Basic) => "basic".to_owned(),
            Ok(Challenge::Bearer {
                realm,
                service,
                scopes,
                error,
            }) => format!(
                "{realm} {} [{scopes}] {}",
                service.unwrap_or_default(),
                error.unwrap_or_default()
            ),
            Err(error) => {
                let text = error.to_string();
                text.rsplit(' ').next().unwrap().to_owned()
            }
        }
    }

    #[test]
    fn table() {
        let table: &[(&[&str], &str)] = &[
            (&[r#"Basic realm="x""#], "basic"),
            (&["basic"], "basic"),
            (
                &[r#"Bearer realm="https://a/t",service="s",scope="repository:x:pull,push""#],
                "https://a/t s [repository:x:pull,push] ",
            ),
            (
                &[r#"bearer  realm = "https://a/t" , service = s"#],
                "https://a/t s [] ",
            ),
            (&["Bearer realm=https://a/t,service=s"], "https://a/t s [] "),
            (
                &[r#"Bearer realm="https://a/t",error="insufficient_scope",scope="a:b:pull c:d:push""#],
                "https://a/t  [a:b:pull c:d:push] insufficient_scope",
            ),
            (&[r#"Basic realm="x", Bearer realm="r""#], "r  [] "),
            (&[r#"Basic realm="x""#, r#"Bearer realm="r""#], "r  [] "),
            (&["Negotiate", r#"Basic realm="a,b", charset="UTF-8""#], "basic"),
            (&[r#"Negotiate dGVzdA==, Bearer realm="r""#], "r  [] "),
            (&["NTLM abc, Basic realm=x"], "basic"),
            (&[r#"Bearer realm="a\"b\\c""#], r#"a"b\c  [] "#),
            (&[r#", ,Bearer realm="r",,"#], "r  [] "),
            (&["Bearer"], "one"),
            (&[r#"Bearer service="s""#], "one"),
            (&[r#"Bearer realm="""#], "one"),
            (&[r#"Bearer realm="a",realm="b""#], "twice"),
            (&[r#"Bearer realm="a",Realm="b""#, r#"Basic realm="x""#], "basic"),
            (&[r#"Bearer realm="a"#], "end"),
            (&[r#"Bearer realm="a" junk"#], "malformed"),
            (&[r#"="a""#], "malformed"),
            (&[r#"realm="a""#], "scheme"),
            (&["Digest qop=auth"], "supported"),
            (&[], "how"),
            (&[""], "how"),
        ];
        for (lines, expected) in table {
            assert_eq!(strongest(lines), *expected, "{lines:?}");
        }
        assert_eq!(
            strongest(&[&format!("Bearer realm=\"{}\"", "a".repeat(MAX_LINE))]),
            "long"
        );
    }
}
