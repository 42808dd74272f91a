mod scan;

use http::{HeaderMap, header::WWW_AUTHENTICATE};

use crate::{AuthError, AuthErrorKind, Scopes};

/// The authentication that a registry asks for in a 401 answer (RFC 9110, section 11.6.1; RFC 6750;
/// Docker's token specification).
///
/// ```
/// use http::{HeaderMap, header::WWW_AUTHENTICATE};
/// use wharf_auth::Challenge;
///
/// let mut headers = HeaderMap::new();
/// let value = r#"Bearer realm="https://auth.example/token",service="registry.example""#;
/// headers.insert(WWW_AUTHENTICATE, value.parse()?);
/// let Challenge::Bearer { realm, .. } = Challenge::strongest(&headers)? else { panic!() };
/// assert_eq!(realm, "https://auth.example/token");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Challenge {
    /// A user name and a password (RFC 7617).
    Basic,
    /// A token that the server at `realm` issues.
    Bearer {
        /// The text of the parameter `realm`: the URL of the token server. It has not been judged yet; see
        /// [`RealmPolicy`](crate::RealmPolicy).
        realm: String,
        /// The name of the registry at the token server, if the challenge has one.
        service: Option<String>,
        /// The scopes that the challenge lists; entries that do not parse are left out.
        scopes: Scopes,
        /// The reason why the token that was sent is not enough: `insufficient_scope`, `invalid_token` (RFC
        /// 6750, section 3.1).
        error: Option<String>,
    },
}

impl Challenge {
    /// The strongest challenge of an answer that this crate can meet: Bearer, or else Basic. All header
    /// lines count, and all challenges of a line. Unknown schemes are ignored (docs/threats.md, N16).
    ///
    /// The header is read as leniently as browsers do: as Latin-1 if it is not UTF-8, with blanks or
    /// semicolons in place of commas, and with quotes that are missing, single or not closed.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Challenge`] if there is none: the header is missing, has no scheme, has only
    /// schemes other than Basic and Bearer, or names two different token servers.
    pub fn strongest(headers: &HeaderMap) -> Result<Self, AuthError> {
        let mut has_basic = false;
        let mut problem = "the registry asks for authentication but does not say how";
        for line in headers.get_all(WWW_AUTHENTICATE) {
            let challenges = match scan::challenges(line.as_bytes()) {
                Ok(challenges) => challenges,
                Err(error) => {
                    problem = error;
                    continue;
                }
            };
            for raw in challenges {
                if raw.is("basic") {
                    has_basic = true;
                } else if !raw.is("bearer") {
                    problem = "the registry asks for a kind of authentication that is not supported";
                } else if raw.is_ambiguous {
                    problem = "the registry names two different token servers in one challenge";
                } else if let Some(realm) = raw.parameter("realm") {
                    return Ok(Self::bearer(realm, &raw));
                } else {
                    problem = "the registry asks for a token but does not say where to get one";
                }
            }
        }
        if has_basic {
            return Ok(Self::Basic);
        }
        Err(AuthError::new(AuthErrorKind::Challenge, problem))
    }

    fn bearer(realm: String, raw: &scan::RawChallenge) -> Self {
        Self::Bearer {
            realm,
            service: raw.parameter("service"),
            scopes: raw
                .parameter("scope")
                .map(|scope| Scopes::parse_lenient(&scope))
                .unwrap_or_default(),
            error: raw.parameter("error"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strongest(lines: &[&str]) -> String {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        strongest_of(&lines)
    }

    fn strongest_of(lines: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(WWW_AUTHENTICATE, http::HeaderValue::from_bytes(line).unwrap());
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
            (&[r#"Bearer realm="a",realm="b""#], "challenge"),
            (&[r#"Bearer realm="a",service="b",service="c""#], "challenge"),
            (&[r#"Bearer realm="a",Realm="b""#, r#"Basic realm="x""#], "basic"),
            (&[r#"="a""#], "scheme"),
            (&[r#"realm="a""#], "scheme"),
            (&["\u{e9}"], "scheme"),
            (&["Digest qop=auth"], "supported"),
            (&[], "how"),
            (&[""], "how"),
        ];
        for (lines, expected) in table {
            assert_eq!(strongest(lines), *expected, "{lines:?}");
        }
        let many = |text: &str, count: usize| text.repeat(count);
        assert_eq!(strongest(&[&many("Negotiate, ", 17)]), "challenges");
        let parameters: Vec<String> = (0..33).map(|number| format!("p{number}=x")).collect();
        assert_eq!(
            strongest(&[&format!("Bearer {}", parameters.join(","))]),
            "parameters"
        );
        assert_eq!(
            strongest(&[&format!("Bearer realm=\"{}\"", "a".repeat(scan::MAX_LINE))]),
            "long"
        );
    }

    /// A header that breaks the grammar, as registries send it, is still read as a challenge.
    #[test]
    fn forms_that_registries_write() {
        let table: &[(&str, &str)] = &[
            // Quotes: missing, single, not closed, closed twice, closed without a comma after them.
            (r#"Basic realm=/""#, "basic"),
            ("Basic realm=my realm", "basic"),
            (r#"Basic realm=my realm, charset="UTF-8""#, "basic"),
            (r#"Basic realm="x"#, "basic"),
            (r#"Basic realm="say "please"""#, "basic"),
            ("Bearer realm='https://a/t',service='s'", "https://a/t s [] "),
            (r#"Bearer realm="https://a/t"#, "https://a/t  [] "),
            (r#"Bearer realm="https://a/t,service="s""#, "https://a/t s [] "),
            (r#"Bearer realm="https://a/t,service=s"#, "https://a/t s [] "),
            (r#"Bearer realm=https://a/t",service="s""#, "https://a/t s [] "),
            (r#"Bearer realm="https://a/t"service="s""#, "https://a/t s [] "),
            // Separators.
            (r#"Bearer realm="https://a/t" service="s""#, "https://a/t s [] "),
            (r#"Bearer realm="https://a/t"; service="s""#, "https://a/t s [] "),
            ("Bearer realm=https://a/t;service=s", "https://a/t s [] "),
            ("Bearer realm=https://a/t service=s,", "https://a/t s [] "),
            ("Bearer,realm=https://a/t,,;service=s;", "https://a/t s [] "),
            ("BEARER\trealm\t=\t\"https://a/t\"", "https://a/t  [] "),
            // Words that belong nowhere.
            (r#"Bearer realm="a" junk"#, "a  [] "),
            (r#"Bearer: realm="a""#, "a  [] "),
            (r#"( Bearer realm="a" )"#, "a  [] "),
            (
                "Bearer realm=https://a/t,scope=repository:x:pull,push,service=s",
                "https://a/t s [repository:x:pull] ",
            ),
            // The same again, and scopes one by one.
            (r#"Bearer realm="a",Realm="a",error=x,error=y"#, "a  [] x"),
            (
                r#"Bearer realm="a",scope="r:a:pull",scope="r:b:pull""#,
                "a  [r:a:pull r:b:pull] ",
            ),
            // Several schemes without a comma, and those that need more than one step first.
            (r#"Basic realm="x" Bearer realm="r""#, "r  [] "),
            (
                r#"Negotiate a+b/c==, NTLM, Digest realm="d", nonce="n=", Basic realm=x"#,
                "basic",
            ),
            (r#"Digest realm="https://d/", Bearer realm="r""#, "r  [] "),
        ];
        for (line, expected) in table {
            assert_eq!(strongest(&[line]), *expected, "{line}");
        }
        let latin1 = b"Basic realm=\"Gesch\xfctzt\", Bearer realm=\"https://a/t\",service=\"\xe9\"";
        assert_eq!(strongest_of(&[latin1]), "https://a/t \u{e9} [] ");
        assert_eq!(strongest_of(&[b"Basic realm=\"Gesch\xfctzt\""]), "basic");
    }
}
