use std::{collections::HashMap, hint::black_box, sync::Arc};

use wharf_content::Hasher;
use wharf_reference::{Algorithm, Digest};

use super::passwords::Busy;
use crate::client::ClientNetwork;

/// Users with their passwords. Only hashes of the passwords are stored: hashes have one length, so that a
/// comparison takes the same time whatever was sent.
#[derive(Clone, Default)]
pub(crate) struct Users {
    plain: Arc<HashMap<String, Option<Digest>>>,
    #[cfg(feature = "htpasswd")]
    pub(crate) htpasswd: Option<super::Htpasswd>,
    #[cfg(feature = "htpasswd")]
    pub(crate) queue: super::PasswordQueue,
}

impl Users {
    pub(crate) fn is_empty(&self) -> bool {
        #[cfg(feature = "htpasswd")]
        if self.htpasswd.is_some() {
            return false;
        }
        self.plain.is_empty()
    }

    pub(crate) fn insert(&mut self, user: &str, password: &str) {
        Arc::make_mut(&mut self.plain).insert(user.to_owned(), hash(password));
    }

    /// Whether the password is the user's. A refusal takes the same time whether the user exists or not.
    #[cfg_attr(
        not(feature = "htpasswd"),
        expect(clippy::unused_async, reason = "slow hashes wait")
    )]
    pub(crate) async fn verify(
        &self,
        client: &ClientNetwork,
        user: &str,
        password: &str,
    ) -> Result<bool, Busy> {
        let Some(sent) = hash(password) else {
            return Ok(false);
        };
        let kept = self.plain.get(user).cloned().flatten();
        let right = same(sent.as_str(), kept.as_ref().unwrap_or(&sent).as_str());
        if right & kept.is_some() {
            return Ok(true);
        }
        #[cfg(feature = "htpasswd")]
        if let Some(htpasswd) = &self.htpasswd {
            let known = htpasswd.verify(&self.queue, client, user, password).await?;
            return Ok(known & kept.is_none());
        }
        #[cfg(not(feature = "htpasswd"))]
        let _ = client;
        Ok(false)
    }
}

pub(super) fn hash(password: &str) -> Option<Digest> {
    Hasher::digest(Algorithm::Sha256, password.as_bytes()).ok()
}

/// Compares all bytes, so that the time does not depend on the first difference.
pub(super) fn same(a: &str, b: &str) -> bool {
    let differences = a.bytes().zip(b.bytes());
    let folded = differences.fold(0, |folded, (a, b)| folded | black_box(a ^ b));
    folded == 0 && a.len() == b.len()
}
