//! Misbehaviour for tests of clients: faults, the quirks of known registries, and a log of requests.

mod backend;
mod fault;
mod log;
mod quirk;
mod quirks;

use std::sync::Arc;

use http::{Request, Response};

pub use self::{
    backend::BackendFaults,
    fault::{Fault, Injected},
    log::LoggedRequest,
    quirk::{Profile, Quirk},
};
use self::{
    fault::{Faults, Script, claim_range, shift_range},
    log::RequestLog,
    quirks::{QuirkState, Seen},
};
use crate::{Body, Registry, api, body::RequestBody, error::ApiError};

/// The behaviour of a registry under test. Clones share faults, the log and what quirks count.
#[derive(Clone, Default)]
pub(crate) struct Behaviour {
    faults: Faults,
    quirks: Vec<Quirk>,
    state: Arc<QuirkState>,
    log: Option<RequestLog>,
}

impl Behaviour {
    /// Answers a request as faults and quirks demand. `refused` is the answer to a request that the server
    /// has refused already.
    pub(crate) async fn answer(
        &self,
        registry: &Registry,
        request: Request<RequestBody>,
        refused: Option<ApiError>,
    ) -> Response<Body> {
        let logged = self.log.as_ref().map(|log| (log, LoggedRequest::of(&request)));
        let response = self.misbehave(registry, request, refused).await;
        if let Some((log, logged)) = logged {
            log.push(logged.answered(response.status()));
        }
        response
    }

    /// Whether the connection is closed instead of sending this response.
    #[cfg(feature = "server")]
    pub(crate) fn closes_connection(response: &Response<Body>) -> bool {
        response.extensions().get::<fault::HangUp>().is_some()
    }

    async fn misbehave(
        &self,
        registry: &Registry,
        mut request: Request<RequestBody>,
        refused: Option<ApiError>,
    ) -> Response<Body> {
        let script = self.faults.hit(request.method(), request.uri().path());
        let mut seen = (!self.quirks.is_empty()).then(|| Seen::of(&request));
        let response = if let Some(refused) = refused {
            refused.into_response()
        } else if let Some(refused) = seen.as_ref().and_then(|seen| self.refuse(seen)) {
            refused.into_response()
        } else {
            if let Some(seen) = &mut seen {
                self.rewrite(seen, &mut request);
            }
            let response = follow(registry, request, &script).await;
            match &seen {
                Some(seen) => self.complete(seen, registry, response).await,
                None => response,
            }
        };
        match seen {
            Some(seen) => self.alter(&seen, response),
            None => response,
        }
    }
}

/// Answers as the faults of a script demand.
async fn follow(registry: &Registry, mut request: Request<RequestBody>, script: &Script) -> Response<Body> {
    if script.is_empty() {
        return api::respond(registry, request).await;
    }
    if let Some(response) = script.before(&mut request).await {
        return script.after(response);
    }
    let lie = script
        .lies_about_range()
        .then(|| shift_range(&mut request))
        .flatten();
    let mut response = api::respond(registry, request).await;
    if let Some(asked) = lie {
        claim_range(&mut response, asked);
    }
    script.after(response)
}

impl Registry {
    /// Sets whether a log of the last 10,000 requests is kept, for [`Registry::requests`]. Default: `false`;
    /// `true` for a
    /// [registry in memory](Registry::memory).
    #[must_use]
    pub fn with_request_log(mut self, keep: bool) -> Self {
        let log = &mut self.config_mut().behaviour.log;
        if keep {
            log.get_or_insert_default();
        } else {
            *log = None;
        }
        self
    }

    /// Makes the registry differ from the specification in one way.
    #[must_use]
    pub fn with_quirk(mut self, quirk: Quirk) -> Self {
        self.config_mut().behaviour.quirks.push(quirk);
        self
    }

    /// Makes the registry behave as a known one does.
    #[must_use]
    pub fn with_profile(self, profile: Profile) -> Self {
        let quirks = profile.quirks().iter();
        quirks.fold(self, |registry, quirk| registry.with_quirk(*quirk))
    }

    /// The last requests, oldest first; none without a request log.
    #[must_use]
    pub fn requests(&self) -> Vec<LoggedRequest> {
        let log = self.config.behaviour.log.as_ref();
        log.map(RequestLog::entries).unwrap_or_default()
    }

    /// Makes the registry, and all its clones, misbehave from now on.
    pub fn inject(&self, fault: Fault) -> Injected {
        self.config.behaviour.faults.inject(fault)
    }
}

#[cfg(feature = "server")]
impl crate::Server {
    /// The last requests, oldest first; see [`Registry::requests`].
    #[must_use]
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.service().requests()
    }

    /// Makes the registry misbehave from now on; see [`Registry::inject`].
    pub fn inject(&self, fault: Fault) -> Injected {
        self.service().inject(fault)
    }
}
