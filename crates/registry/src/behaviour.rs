//! The seam between the server and the API at which a registry can be made to misbehave. Without the feature
//! `testing` it adds nothing.

#[cfg(feature = "testing")]
pub(crate) use crate::testing::Behaviour;

#[cfg(not(feature = "testing"))]
pub(crate) use self::correct::Behaviour;

#[cfg(not(feature = "testing"))]
mod correct {
    use http::{Request, Response};

    use crate::{Body, Registry, api, body::RequestBody, error::ApiError};

    /// The behaviour of a registry that follows the specification.
    #[derive(Clone, Default)]
    pub(crate) struct Behaviour;

    impl Behaviour {
        #[expect(clippy::unused_self, reason = "the other behaviour has settings")]
        pub(crate) async fn answer(
            &self,
            registry: &Registry,
            request: Request<RequestBody>,
            refused: Option<ApiError>,
        ) -> Response<Body> {
            match refused {
                Some(refused) => refused.into_response(),
                None => api::respond(registry, request).await,
            }
        }

        /// Whether the connection is closed instead of sending this response.
        #[cfg(feature = "server")]
        pub(crate) const fn closes_connection(_: &Response<Body>) -> bool {
            false
        }
    }
}
