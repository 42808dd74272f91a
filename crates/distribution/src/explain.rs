use std::fmt;

use wharf_auth::Credential;
use wharf_config::{Intent, Role, SourceTable, TlsMode};
use wharf_reference::Repository;

use crate::{
    Client,
    client::resolve_error,
    endpoint::Endpoint,
    error::{Error, Operation},
};

/// The candidates of a repository, and how a client would contact each. It prints one line per candidate,
/// and contains no secret.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Explanation {
    /// The repository that was asked about.
    pub repository: Repository,
    /// The candidates, in the order in which they are tried.
    pub candidates: Vec<CandidateExplanation>,
}

/// The way in which one candidate would be contacted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CandidateExplanation {
    /// The repository by its name at this candidate.
    pub repository: Repository,
    /// Mirror or primary.
    pub role: Role,
    /// The origins of the API, in the order in which they are tried.
    pub endpoints: Vec<String>,
    /// True if the certificate of the server must verify.
    pub is_verified: bool,
    /// The part of the configuration that blocks the candidate, if one does.
    pub blocked: Option<String>,
    /// The table of the configuration that it comes from; `None` if no table matched.
    pub table: Option<SourceTable>,
    /// The kind of the login that would be used, or the reason why it could not be read.
    pub login: String,
    /// The authentication that the registry asked for last; `None` if it has not been contacted.
    pub challenge: Option<String>,
}

impl Client {
    /// Explains how a repository would be reached: the candidates in order, how each is contacted, and the
    /// kind of login for it. Nothing is sent to a registry. A credential helper may be run.
    ///
    /// # Errors
    ///
    /// As [`Client::remote`] operations: [`ErrorKind::Blocked`](wharf_content::ErrorKind::Blocked) or
    /// [`ErrorKind::Invalid`](wharf_content::ErrorKind::Invalid) if the configuration gives no candidates.
    pub async fn explain(&self, repository: &Repository, intent: Intent) -> Result<Explanation, Error> {
        let operation = Operation::Discover;
        let shared = self.shared();
        let candidates = shared
            .resolve
            .resolve(repository, intent)
            .map_err(|error| resolve_error(operation, repository, &error))?;
        let mut explained = Vec::new();
        for candidate in candidates {
            let endpoint = Endpoint::new(&candidate, &*shared.tls, &shared.plain);
            let registry = candidate.repository.registry();
            let login = shared
                .authenticator
                .credential_for(&registry, Some(&candidate.repository))
                .await;
            let mut endpoints = Vec::new();
            let mut challenge = None;
            if let Ok(endpoint) = &endpoint {
                for scheme in endpoint.schemes {
                    let Ok(base) = endpoint.base(*scheme) else {
                        continue;
                    };
                    if let Ok(peer) = endpoint.peer(&base) {
                        challenge = challenge.or_else(|| shared.authenticator.known(&peer.origin));
                        endpoints.push(peer.origin.to_string());
                    }
                }
            }
            explained.push(CandidateExplanation {
                repository: candidate.repository,
                role: candidate.role,
                endpoints,
                is_verified: candidate.tls == TlsMode::Verify,
                blocked: candidate.blocked.map(|blocked| blocked.to_string()),
                table: candidate.table,
                login: match login {
                    Ok(credential) => kind_of(credential.as_ref()).to_owned(),
                    Err(error) => error.to_string(),
                },
                challenge,
            });
        }
        Ok(Explanation {
            repository: repository.clone(),
            candidates: explained,
        })
    }
}

const fn kind_of(credential: Option<&Credential>) -> &'static str {
    match credential {
        None => "no login",
        Some(Credential::Basic { .. }) => "user name and password",
        Some(Credential::Identity(_)) => "identity token",
        Some(Credential::Bearer(_)) => "ready-made token",
        Some(_) => "some login",
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.repository)?;
        for (position, candidate) in self.candidates.iter().enumerate() {
            write!(f, "\n  {}. {candidate}", position + 1)?;
        }
        Ok(())
    }
}

impl fmt::Display for CandidateExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            Role::Mirror => "mirror ",
            _ => "",
        };
        write!(f, "{role}{}", self.repository)?;
        if let Some(blocked) = &self.blocked {
            return write!(f, ": skipped, {blocked}");
        }
        write!(f, " at {}", self.endpoints.join(", then "))?;
        f.write_str(if self.is_verified {
            ""
        } else {
            ", certificate not verified"
        })?;
        write!(f, "; {}", self.login)?;
        if let Some(challenge) = &self.challenge {
            write!(f, "; it asked for {challenge}")?;
        }
        match &self.table {
            Some(table) => write!(f, "; from {table}"),
            None => f.write_str("; no table matches"),
        }
    }
}
