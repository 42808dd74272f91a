//! Single flight: of the tasks of a client that check for, mount or write the same content of the same repository at the
//! same time, one does, and the others wait for the outcome.
//!
//! This saves requests and bytes, and some registries need it. They link a blob to the repository again when it is
//! pushed or mounted again, cannot read the link meanwhile, and refuse a manifest that another task sends then
//! (distribution before version 3 empties the file of the link and writes it again). For the same reason content that
//! the client has written or found before is asked for before it is written again.

mod recent;

use std::sync::Mutex;

use tokio::sync::OwnedMutexGuard;
use wharf_content::Descriptor;
use wharf_reference::Digest;

use self::recent::Recent;
use crate::{
    Remote,
    endpoint::Endpoint,
    error::{Detail, Error, Operation},
    locks::Locks,
    sync::LockExt as _,
};

/// The flights of a client.
#[derive(Debug, Default)]
pub(crate) struct SingleFlight {
    flights: Locks<Option<Outcome>>,
    stored: Mutex<Recent>,
}

/// The outcome of a flight.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// The registry has the content, whether it was written, mounted or found.
    Stored,
    /// The registry does not say that it has the content.
    NotFound,
    /// The registry did not mount the blob.
    NotMounted,
    /// The operation that the error names failed.
    Failed(Error),
}

/// The part of a task in a flight.
pub(crate) enum Flight<'a> {
    /// It does the work.
    Leads(Lead<'a>),
    /// Another task did.
    Followed(Outcome),
}

/// Content of a repository at an endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content<'a> {
    pub(crate) endpoint: &'a Endpoint,
    /// Its part of the API.
    pub(crate) folder: &'static str,
    pub(crate) digest: &'a Digest,
}

impl<'a> Content<'a> {
    pub(crate) const fn blob(endpoint: &'a Endpoint, digest: &'a Digest) -> Self {
        Self {
            endpoint,
            folder: "blobs",
            digest,
        }
    }

    pub(crate) const fn manifest(endpoint: &'a Endpoint, digest: &'a Digest) -> Self {
        Self {
            endpoint,
            folder: "manifests",
            digest,
        }
    }

    pub(crate) fn of(endpoint: &'a Endpoint, descriptor: &'a Descriptor) -> Self {
        if descriptor.media_type().is_manifest() {
            Self::manifest(endpoint, descriptor.digest())
        } else {
            Self::blob(endpoint, descriptor.digest())
        }
    }
}

/// The right to do the work. If it is dropped without an outcome, because the task is cancelled or its failure is its
/// own, the next task that waits does the work.
pub(crate) struct Lead<'a> {
    flights: &'a SingleFlight,
    name: String,
    outcome: OwnedMutexGuard<Option<Outcome>>,
}

impl SingleFlight {
    /// Waits for the task that works on this content, if there is one, and for as long as none has an outcome that
    /// this task accepts as its own.
    async fn join(&self, name: String, accepts: impl Fn(&Outcome) -> bool) -> Flight<'_> {
        loop {
            let outcome = self.flights.lock(&name).await;
            match &*outcome {
                None => {
                    return Flight::Leads(Lead {
                        flights: self,
                        name,
                        outcome,
                    });
                }
                Some(ended) if accepts(ended) => return Flight::Followed(ended.clone()),
                Some(_) => {}
            }
        }
    }
}

impl Lead<'_> {
    /// True if the registry has had the content when the client last wrote or asked for it.
    fn was_stored(&self) -> bool {
        self.flights.stored.locked().contains(&self.name)
    }

    /// Ends the flight, with the outcome for all that wait for it.
    pub(crate) fn end(mut self, outcome: Outcome) {
        if matches!(outcome, Outcome::Stored) {
            self.flights.stored.locked().insert(&self.name);
        }
        *self.outcome = Some(outcome);
        self.flights.flights.forget(&self.name);
    }
}

impl Remote {
    /// Joins the flight of this content.
    pub(crate) async fn join_flight(
        &self,
        content: Content<'_>,
        accepts: impl Fn(&Outcome) -> bool,
    ) -> Flight<'_> {
        let flights = &self.client().shared().flights;
        flights.join(self.flight_name(content), accepts).await
    }

    /// Writes content, unless another task of this client does or has done so.
    ///
    /// `is_shared` is true if the failure of one task would be that of every other, so that it is not multiplied by
    /// the number of tasks that wait.
    pub(crate) async fn write_once(
        &self,
        content: Content<'_>,
        operation: Operation,
        is_shared: bool,
        write: impl Future<Output = Result<(), Error>>,
    ) -> Result<(), Error> {
        let accepts = |outcome: &Outcome| match outcome {
            Outcome::Stored => true,
            Outcome::Failed(error) => is_shared && error.operation() == operation,
            Outcome::NotFound | Outcome::NotMounted => false,
        };
        let lead = match self.join_flight(content, accepts).await {
            Flight::Leads(lead) => lead,
            Flight::Followed(Outcome::Failed(error)) => return Err(error),
            Flight::Followed(_) => return Ok(()),
        };
        if self.is_there_still(&lead, content).await {
            lead.end(Outcome::Stored);
            return Ok(());
        }
        let written = write.await;
        match &written {
            Ok(()) => lead.end(Outcome::Stored),
            // Another task has another source.
            Err(error) if !is_shared || error.detail() == Some(Detail::Content) => {}
            Err(error) => lead.end(Outcome::Failed(error.clone())),
        }
        written
    }

    /// True if the client knows the content to have been there, and the registry says that it still is.
    pub(crate) async fn is_there_still(&self, lead: &Lead<'_>, content: Content<'_>) -> bool {
        let registry = &content.endpoint.registry;
        lead.was_stored() && !self.client().host(registry).unanswered.heads && self.is_there(content).await
    }

    /// True if the client has written or found this content.
    pub(crate) fn was_stored(&self, content: Content<'_>) -> bool {
        let stored = &self.client().shared().flights.stored;
        stored.locked().contains(&self.flight_name(content))
    }

    /// Records that the registry has this content.
    pub(crate) fn record_stored(&self, content: Content<'_>) {
        let stored = &self.client().shared().flights.stored;
        stored.locked().insert(&self.flight_name(content));
    }

    fn flight_name(&self, content: Content<'_>) -> String {
        let Content {
            endpoint,
            folder,
            digest,
        } = content;
        let path = self.path(endpoint, &format!("{folder}/{digest}"));
        format!("{} {path}", endpoint.registry)
    }
}
