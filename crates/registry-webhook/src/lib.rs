//! Webhooks for the events of an embedded registry.
//!
//! ```
//! use wharf_http::ReqwestConnector;
//! use wharf_registry::Registry;
//! use wharf_registry_webhook::Webhook;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let webhook = Webhook::builder("https://hooks.example.com/registry")
//!     .with_key("a secret that the endpoint knows")
//!     .build(&ReqwestConnector::new())?;
//! let registry = Registry::memory().with_subscriber("hooks", webhook).await?;
//! # drop(registry);
//! # Ok::<(), wharf_content::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Webhook`] is a [`Subscriber`](wharf_registry::Subscriber). Which events there are, their order and their repetition
//! are the registry's matter; this crate sends one event in one POST. It is a crate of its own because a registry needs no
//! HTTP client. The client is that of `wharf-http`, which the caller configures.
//!
//! # What an endpoint gets
//!
//! A POST with the event as [`EventFormat`](wharf_registry::EventFormat) shapes it, and these headers:
//!
//! | header | value |
//! |---|---|
//! | `Content-Type` | the media type of the shape |
//! | `X-Wharf-Event-Number` | the number of the event in its repository; numbers ascend in the order of the commits. Not with a pull |
//! | `X-Wharf-Signature-256` | `sha256=` and the HMAC-SHA256 of the body in lowercase hexadecimal, if the webhook has a key |
//!
//! and those that were [configured](WebhookBuilder::with_header). It accepts the event with any status 2xx. With 410 it
//! says that it wants no event any more. With anything else, and with no answer in 20 s, it gets the event again, and not before
//! the time in its `Retry-After` has passed, of up to five minutes. Redirects are not followed: the endpoint's address is the operator's choice, not the endpoint's.
//!
//! An endpoint may get an event twice, and the second time late. Its id tells, or its number: below the highest of its
//! repository it is not new.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod signature;
mod webhook;

pub use builder::WebhookBuilder;
pub use webhook::Webhook;
