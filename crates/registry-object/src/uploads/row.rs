//! Rows of uploads. What a row holds is parsed as anything foreign: a damaged one is an error.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio_postgres::Row;
use wharf_content::{Error, Hasher};
use wharf_reference::Algorithm;
use wharf_registry::{OpenUpload, RepositoryPath, Upload, UploadOwner, UploadSession};

use crate::records::row::{bytes, column, damaged};

/// The columns that [`State::of`] reads.
pub(super) const STATE: &str = "length, hash_algorithm, hash_state, repository, owner, algorithm";

/// An upload as its row has it.
pub(crate) struct State {
    pub(crate) length: u64,
    pub(super) hasher: Option<Hasher>,
    /// `None` for an upload that no client sees.
    pub(super) session: Option<UploadSession>,
}

impl State {
    pub(crate) fn of(row: &Row) -> Result<Self, Error> {
        let length = bytes(column(row, 0)?)?;
        let state: Option<&[u8]> = column(row, 2)?;
        let hasher = match (column(row, 1)?, state) {
            (Some(name), Some(state)) => Some(Hasher::restore(algorithm(name)?, length, state)?),
            _ => None,
        };
        let session = match (column(row, 3)?, column(row, 4)?) {
            (Some(repository), Some(owner)) => {
                let repository = RepositoryPath::parse(repository)
                    .map_err(|error| damaged("the repository of an upload", &error))?;
                let name = column::<Option<&str>>(row, 5)?;
                let algorithm = name.map_or(Ok(Algorithm::Unsupported), algorithm)?;
                Some(UploadSession::new(repository, parse_owner(owner)?, algorithm))
            }
            _ => None,
        };
        Ok(Self {
            length,
            hasher,
            session,
        })
    }

    /// The upload for the client whose session it is.
    pub(super) fn resumed(self, idle: f64) -> Option<Upload> {
        let upload = Upload::new(self.session?, self.length, self.hasher);
        Some(upload.with_idle(seconds(idle)))
    }
}

/// An upload of a listing, from its id, its owner and the seconds since its last use.
pub(super) fn listed(row: &Row) -> Result<OpenUpload, Error> {
    let id: &str = column(row, 0)?;
    let owner = parse_owner(column(row, 1)?)?;
    Ok(OpenUpload::new(id.to_owned(), owner, seconds(column(row, 2)?)))
}

/// A duration that the database has computed. One below zero is of a clock that was set back.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

/// An owner as a column.
pub(super) fn owner_text(owner: &UploadOwner) -> String {
    match owner {
        UploadOwner::User(user) => user_text(user),
        UploadOwner::Anonymous(Some(network)) => format!("network:{network}"),
        UploadOwner::Anonymous(None) => "network:".to_owned(),
    }
}

/// The owner that the user with this name is, as a column.
pub(crate) fn user_text(user: &str) -> String {
    format!("user:{user}")
}

fn parse_owner(text: &str) -> Result<UploadOwner, Error> {
    match text.split_once(':') {
        Some(("user", user)) => Ok(UploadOwner::User(Arc::from(user))),
        Some(("network", "")) => Ok(UploadOwner::Anonymous(None)),
        Some(("network", network)) => {
            let network: IpAddr = network
                .parse()
                .map_err(|error| damaged("the owner of an upload", &error))?;
            Ok(UploadOwner::Anonymous(Some(network)))
        }
        _ => Err(damaged("the owner of an upload", &"it is of no known kind")),
    }
}

fn algorithm(name: &str) -> Result<Algorithm, Error> {
    [Algorithm::Sha256, Algorithm::Sha512]
        .into_iter()
        .find(|algorithm| algorithm.name() == Some(name))
        .ok_or_else(|| damaged("the algorithm of an upload", &"it is none that is known"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_read_as_they_were_written() {
        for owner in [
            UploadOwner::User(Arc::from("ada")),
            UploadOwner::User(Arc::from("network:10.0.0.1")),
            UploadOwner::User(Arc::from("")),
            UploadOwner::Anonymous(None),
            UploadOwner::Anonymous("10.0.0.1".parse().ok()),
            UploadOwner::Anonymous("2001:db8::".parse().ok()),
        ] {
            assert_eq!(parse_owner(&owner_text(&owner)).unwrap(), owner);
        }
        for damaged in ["", "ada", "network:ada", "group:ada"] {
            parse_owner(damaged).unwrap_err();
        }
    }
}
