//! One entry of `auths`: what its fields mean as a credential, and the other way round.

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use wharf_auth::{Credential, Secret};
use zeroize::Zeroizing;

use crate::{
    fold,
    json::{Member, Problem, Value},
};

/// Entries are written with padding and read with or without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The user name that Docker and the container tools write beside an identity token.
const IDENTITY_USER: &str = "00000000-0000-0000-0000-000000000000";

/// The fields of an entry that can hold a credential.
const FIELDS: [&str; 5] = ["auth", "identitytoken", "registrytoken", "username", "password"];

/// The fields of one entry, as they stand.
#[derive(Debug, Default)]
pub(super) struct Fields {
    auth: Option<Secret>,
    identity_token: Option<Secret>,
    docker: DockerFields,
    /// True if a file that is not Docker's has fields that only Docker reads.
    ignored: bool,
}

/// Fields that Docker and Kubernetes use and the container tools ignore.
#[derive(Debug, Default)]
struct DockerFields {
    registry_token: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
}

impl Fields {
    /// Reads the fields of one entry; those of Docker alone only where they count.
    pub(super) fn parse(members: &[Member<'_>], docker: bool) -> Result<Self, Problem> {
        let mut fields = Self::default();
        for member in members {
            let secret = |value: Value<'_>| {
                let text = value.string(&format!("`{}`", member.key.to_ascii_lowercase()))?;
                Ok(text.filter(|text| !text.is_empty()).map(Secret::new))
            };
            if member.is("auth") {
                fields.auth = secret(member.value)?;
            } else if member.is("identitytoken") {
                fields.identity_token = secret(member.value)?;
            } else if docker && member.is("registrytoken") {
                fields.docker.registry_token = secret(member.value)?;
            } else if docker && member.is("password") {
                fields.docker.password = secret(member.value)?;
            } else if docker && member.is("username") {
                fields.docker.username = member.value.string("`username`")?;
            } else if member.is("registrytoken") || member.is("password") {
                fields.ignored |= !matches!(member.value.text(), "\"\"" | "null");
            }
        }
        Ok(fields)
    }

    /// The credential; `None` for an entry that holds none, such as the `{}` that Docker leaves beside a
    /// credentials store.
    pub(super) fn credential(&self) -> Result<Option<Credential>, Undecodable> {
        if let Some(token) = &self.identity_token {
            return Ok(Some(Credential::Identity(token.clone())));
        }
        if let Some(token) = &self.docker.registry_token {
            return Ok(Some(Credential::Bearer(token.clone())));
        }
        if let Some(auth) = &self.auth {
            return decode(auth);
        }
        Ok(match (&self.docker.username, &self.docker.password) {
            (Some(username), Some(password)) => Some(Credential::basic(username.clone(), password.clone())),
            _ => None,
        })
    }
}

impl Fields {
    /// The reason why an entry that seems to have a credential has none; `None` for other entries.
    pub(super) fn unread(&self) -> Option<&'static str> {
        if let Some(auth) = &self.auth {
            let text = decoded(auth).ok()?;
            return (!text.contains(':')).then_some(
                "no credential: expected `auth` to be the base64 of USER:PASSWORD, and it has no colon",
            );
        }
        self.ignored.then_some(
            "no credential: `password` and `registrytoken` count in Docker's config.json only; write `auth`, the \
             base64 of USER:PASSWORD",
        )
    }
}

/// An `auth` that is not the base64 of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Undecodable;

fn decoded(auth: &Secret) -> Result<Zeroizing<String>, Undecodable> {
    let mut compact = Zeroizing::new(auth.expose().to_owned());
    compact.retain(|character| !matches!(character, '\r' | '\n'));
    let bytes = Zeroizing::new(BASE64.decode(compact.as_bytes()).map_err(|_| Undecodable)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| Undecodable)?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn decode(auth: &Secret) -> Result<Option<Credential>, Undecodable> {
    let text = decoded(auth)?;
    // Text without a colon is no credential (as the container tools read it), nor an error.
    Ok(text
        .split_once(':')
        .map(|(username, password)| (username, password.trim_matches('\0')))
        .filter(|(username, password)| !(username.is_empty() && password.is_empty()))
        .map(|(username, password)| Credential::basic(username, password)))
}

/// A credential as the fields of an entry, values as JSON.
pub(super) fn encode(credential: &Credential) -> Result<Vec<(&'static str, Zeroizing<String>)>, NotStorable> {
    let field = |value: String| Zeroizing::new(crate::json::quote(&value));
    match credential {
        Credential::Basic { username, password } => {
            if username.contains(':') {
                return Err(NotStorable("a user name with a colon cannot be stored"));
            }
            Ok(vec![("auth", field(pair(username, password.expose())))])
        }
        Credential::Identity(token) => Ok(vec![
            ("auth", field(pair(IDENTITY_USER, ""))),
            ("identitytoken", field(token.expose().to_owned())),
        ]),
        _ => Err(NotStorable(
            "only a user name with a password and an identity token can be stored",
        )),
    }
}

/// A credential that an auth file has no form for.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotStorable(pub(super) &'static str);

/// True if a field of an entry is replaced when a credential is stored; all others are kept.
pub(super) fn holds_credential(field: &str) -> bool {
    FIELDS.iter().any(|known| fold::same(field, known))
}

fn pair(username: &str, password: &str) -> String {
    let text = Zeroizing::new(format!("{username}:{password}"));
    BASE64.encode(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entry: &str, docker: bool) -> Result<Option<Credential>, Undecodable> {
        let members = Value::parse(entry).unwrap().object("entry").unwrap().unwrap();
        Fields::parse(&members, docker).unwrap().credential()
    }

    #[test]
    fn entries_decode_as_the_tools_decode_them() {
        let ada = || Ok(Some(Credential::basic("ada", "pw:x")));
        for (entry, docker, expected) in [
            (r#"{"auth": "YWRhOnB3Ong="}"#, false, ada()),
            (r#"{"auth": "YWRhOnB3Ong"}"#, false, ada()),
            ("{\"AUTH\": \"YWRh\\nOnB3\\r\\nOng=\"}", false, ada()),
            (r#"{"auth": "YQ==", "auth": "YWRhOnB3Ong="}"#, false, ada()),
            (r#"{"auth": "YWRhOgAAcHc6eAA="}"#, false, ada()),
            ("{}", false, Ok(None)),
            (r#"{"auth": ""}"#, false, Ok(None)),
            (r#"{"auth": null}"#, false, Ok(None)),
            (r#"{"auth": "YWRh"}"#, false, Ok(None)),
            (r#"{"auth": "Og=="}"#, false, Ok(None)),
            (r#"{"auth": "%"}"#, false, Err(Undecodable)),
            (r#"{"auth": "/zo="}"#, false, Err(Undecodable)),
            (r#"{"username": "ada", "password": "pw:x"}"#, true, ada()),
            (r#"{"username": "ada", "password": "pw:x"}"#, false, Ok(None)),
            (
                r#"{"username": "ada", "password": "no", "auth": "YWRhOnB3Ong="}"#,
                true,
                ada(),
            ),
            (
                r#"{"auth": "YWRh", "identitytoken": "t"}"#,
                false,
                Ok(Some(Credential::Identity("t".into()))),
            ),
            (
                r#"{"registrytoken": "t"}"#,
                true,
                Ok(Some(Credential::Bearer("t".into()))),
            ),
            (r#"{"registrytoken": "t"}"#, false, Ok(None)),
        ] {
            assert_eq!(read(entry, docker), expected, "{entry}");
        }
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        for credential in [
            Credential::basic("ada", "p:w\u{e9}"),
            Credential::basic("", "only-password"),
            Credential::Identity("token".into()),
        ] {
            let members: Vec<String> = encode(&credential)
                .unwrap()
                .iter()
                .map(|(name, value)| format!("\"{name}\": {}", value.as_str()))
                .collect();
            let entry = format!("{{{}}}", members.join(","));
            assert_eq!(read(&entry, false), Ok(Some(credential)));
        }
        assert!(encode(&Credential::basic("a:b", "c")).is_err());
        assert!(encode(&Credential::Bearer("t".into())).is_err());
    }
}
