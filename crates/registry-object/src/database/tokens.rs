//! The secret with which all processes sign the tokens that they issue.

use wharf_content::{Error, ErrorKind, Hasher};
use wharf_registry::TokenSecret;

use super::{Database, error, statement::Statement, transaction::Query as _};

const SECRET: &str = "SELECT secret, revocations FROM registry";
const REVOKE: &str = "UPDATE registry SET revocations = revocations + 1";
/// Of what is derived from the registry's secret, this is for tokens.
const PURPOSE: &[u8] = b"wharf-registry tokens 1";

impl Database {
    /// The secret of this moment: another one after each revocation.
    pub(crate) async fn token_secret(&self) -> Result<TokenSecret, Error> {
        const DOING: &str = "read the secret of the registry";
        let rows = self.query(DOING, SECRET, &[]).await?;
        let row = rows.first().ok_or_else(|| {
            let message = "the database has no secret of a registry";
            Error::new(ErrorKind::Corrupt, message)
        })?;
        let failed = |failure| error::failed(DOING, &failure);
        let secret: &[u8] = row.try_get(0).map_err(failed)?;
        let revocations: i64 = row.try_get(1).map_err(failed)?;
        if secret.len() < 32 {
            let message = "the database has a damaged secret of a registry";
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let derived = Hasher::sha256(&[PURPOSE, secret, &revocations.to_be_bytes()].concat());
        let mut bits = [0; 32];
        for (bit, digits) in bits.iter_mut().zip(derived.encoded().as_bytes().chunks(2)) {
            *bit = std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                .unwrap_or_default();
        }
        Ok(TokenSecret::new(bits))
    }

    /// Makes all tokens invalid that were signed before.
    pub(crate) async fn revoke_tokens(&self) -> Result<(), Error> {
        let revoke = Statement::new("revoke tokens", REVOKE, []);
        self.transact(&[revoke]).await.map(drop)
    }
}
