use std::{collections::HashMap, hint::black_box, sync::Arc};

use http::{HeaderValue, StatusCode, header};
use wharf_content::Hasher;
use wharf_reference::{Algorithm, Digest};

use crate::{ErrorCode, error::Failure};

/// Names and passwords. Of a password only its hash is kept: hashes have one length, so that comparing them
/// takes the same time whatever was sent.
#[derive(Clone, Default)]
pub(crate) struct Users {
    plain: Arc<HashMap<String, Option<Digest>>>,
    #[cfg(feature = "htpasswd")]
    pub(crate) htpasswd: Option<super::Htpasswd>,
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

    /// Whether the password is the user's.
    #[cfg_attr(
        not(feature = "htpasswd"),
        expect(clippy::unused_async, reason = "slow hashes wait")
    )]
    pub(crate) async fn verify(&self, user: &str, password: &str) -> Result<bool, Busy> {
        #[cfg(feature = "htpasswd")]
        if let Some(htpasswd) = &self.htpasswd
            && !self.plain.contains_key(user)
        {
            return htpasswd.verify(user, password).await;
        }
        let sent = hash(password);
        let kept = self.plain.get(user).cloned().flatten();
        let (Some(sent), known) = (sent, kept.is_some()) else {
            return Ok(false);
        };
        let right = same(&sent, kept.as_ref().unwrap_or(&sent));
        Ok(right & known) // an unknown user takes as long as a known one
    }
}

/// Too many passwords are being checked to take another one.
#[derive(Debug)]
pub(crate) struct Busy;

impl From<Busy> for Failure {
    fn from(_: Busy) -> Self {
        let failure = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::TooManyRequests,
            "too many passwords are being checked",
        );
        failure.with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }
}

pub(super) fn hash(password: &str) -> Option<Digest> {
    Hasher::digest(Algorithm::Sha256, password.as_bytes()).ok()
}

/// Compares without stopping at the first difference.
pub(super) fn same(a: &Digest, b: &Digest) -> bool {
    let differences = a.as_str().bytes().zip(b.as_str().bytes());
    let folded = differences.fold(0, |folded, (a, b)| folded | black_box(a ^ b));
    folded == 0 && a.as_str().len() == b.as_str().len()
}
