//! The input and output of credential helpers.

use wharf_auth::{Credential, Secret};
use zeroize::Zeroizing;

use super::HelperErrorKind::{self, BadOutput};
use crate::json::{Member, Value, quote};

/// The user name that marks an identity token.
const TOKEN_USER: &str = "<token>";

/// The text that a helper writes when it has no credential; its status is a failure then.
const NONE: &str = "credentials not found in native keychain";

pub(super) fn says_none(output: &[u8]) -> bool {
    output.trim_ascii() == NONE.as_bytes()
}

/// Reads `{"ServerURL", "Username", "Secret"}`; neither name nor secret means none.
pub(super) fn parse_credential(output: &[u8]) -> Result<Option<Credential>, HelperErrorKind> {
    let (mut username, mut secret) = (String::new(), Secret::new(""));
    for member in members(output)? {
        if member.is("Username") {
            username = string(&member)?;
        } else if member.is("Secret") {
            secret = Secret::new(string(&member)?);
        }
    }
    match username.as_str() {
        "" if secret.is_empty() => Ok(None),
        TOKEN_USER => Ok(Some(Credential::Identity(secret))),
        name if name.contains(':') => Err(BadOutput), // it would be split at the wrong colon
        _ => Ok(Some(Credential::basic(username, secret))),
    }
}

/// Reads `{SERVER: USERNAME}`.
pub(super) fn parse_list(output: &[u8]) -> Result<Vec<(String, String)>, HelperErrorKind> {
    let mut list = members(output)?
        .into_iter()
        .map(|member| Ok((member.key.clone(), string(&member)?)))
        .collect::<Result<Vec<_>, _>>()?;
    list.sort();
    Ok(list)
}

/// The input of `store`; `None` for a credential that helpers have no form for.
pub(super) fn render_credential(server: &str, credential: &Credential) -> Option<Zeroizing<String>> {
    let (username, secret) = match credential {
        Credential::Basic { username, password } => (username.as_str(), password),
        Credential::Identity(token) => (TOKEN_USER, token),
        _ => return None,
    };
    let (server, username) = (quote(server), quote(username));
    let secret = Zeroizing::new(quote(secret.expose()));
    Some(Zeroizing::new(format!(
        "{{\"ServerURL\":{server},\"Username\":{username},\"Secret\":{}}}\n",
        secret.as_str()
    )))
}

fn members(output: &[u8]) -> Result<Vec<Member<'_>>, HelperErrorKind> {
    let text = std::str::from_utf8(output).map_err(|_| BadOutput)?;
    let object = Value::parse(text).and_then(|value| value.object("the answer"));
    object.ok().flatten().ok_or(BadOutput)
}

fn string(member: &Member<'_>) -> Result<String, HelperErrorKind> {
    let text = member.value.string("a field").map_err(|_| BadOutput)?;
    Ok(text.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_go_reads_them_but_only_one() {
        let ada = || Ok(Some(Credential::basic("ada", "pw")));
        for (output, expected) in [
            (r#"{"ServerURL": "h", "Username": "ada", "Secret": "pw"}"#, ada()),
            (
                "{\"username\": \"ada\", \"SECRET\": \"pw\", \"more\": [1]}\n",
                ada(),
            ),
            (
                r#"{"Username": "<token>", "Secret": "t"}"#,
                Ok(Some(Credential::Identity("t".into()))),
            ),
            ("{}", Ok(None)),
            (r#"{"Username": null, "Secret": ""}"#, Ok(None)),
            (r#"{"Username": "a:b", "Secret": "pw"}"#, Err(BadOutput)),
            (r#"{"Username": 1}"#, Err(BadOutput)),
            ("{}{}", Err(BadOutput)),
            ("null", Err(BadOutput)),
            ("", Err(BadOutput)),
            ("credentials not found in native keychain", Err(BadOutput)),
        ] {
            assert_eq!(parse_credential(output.as_bytes()), expected, "{output}");
        }
        assert_eq!(parse_credential(b"{\"Username\": \"\xff\"}"), Err(BadOutput));
    }

    #[test]
    fn what_is_stored_can_be_read() {
        for credential in [
            Credential::basic("a\"b", "p\\w\n"),
            Credential::Identity("t".into()),
        ] {
            let text = render_credential("h", &credential).unwrap();
            assert!(text.ends_with("}\n"));
            assert_eq!(parse_credential(text.as_bytes()), Ok(Some(credential)));
        }
        assert!(render_credential("h", &Credential::Bearer("t".into())).is_none());
    }
}
