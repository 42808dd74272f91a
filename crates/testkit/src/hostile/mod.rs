//! Registries that attack: scripted origins on loopback which record every byte, and secrets that must not
//! show up where they do not belong.
//!
//! A [`Stage`] holds the origins of one test (registry, CDN, token server, evil host), each with a name of
//! its own that only the stage resolves, and certificates of an authority that only the test trusts. What an
//! origin answers is a list of [`Rule`]s; each ends in an [`Answer`], which can be damaged, or in raw
//! [`Step`]s, which need not be HTTP at all. When the stage goes, it fails the test if a secret was seen by an
//! origin that it was not meant for, in a log line of any crate, or in an error.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use wharf_testkit::hostile::{Answer, Fault, Match, Rule, Stage};
//!
//! let stage = Stage::new();
//! let registry = stage.origin("registry.test").await; // https://registry.test, by stage.names()
//! let password = stage.secret("password", &[&registry]);
//! registry
//!     .rule(Rule::new(Match::get("/blobs/"), Answer::ok("layer").fault(Fault::Cut(3))).times(1))
//!     .on(Match::get("/blobs/"), Answer::redirect(307, "https://evil.test/layer"));
//! // ... let the client under test fetch a blob with the password, then look at what was said:
//! assert!(registry.requests().is_empty());
//! # drop(password);
//! # });
//! ```
//!
//! | part | what it is |
//! |---|---|
//! | [`Stage`], [`OriginOptions`] | the hosts, their names and certificates, the secrets |
//! | [`Origin`], [`Rule`], [`Match`] | what a host answers to what |
//! | [`Answer`], [`Fault`], [`Step`] | right answers, wrong ones, and bytes that are no answer |
//! | [`TokenDesk`] | a registry's demand for tokens, and who hands them out |
//! | [`Driver`], [`Skopeo`], [`Outcome`] | any client doing what a script asks, and what came of it |
//! | `scene::Scene` | the usual hosts, and the client of this workspace among them (feature `client`) |
//! | [`Budget`], [`Meter`] | what a script may cost, and what it did cost |
//! | [`WireProxy`], [`WireFault`] | harm to chosen bytes between a client and any server |

mod answer;
mod budget;
mod capture;
mod desk;
mod driver;
mod http2;
mod logs;
mod origin;
mod proxy;
mod rule;
#[cfg(feature = "client")]
pub mod scene;
mod secrets;
mod serve;
mod skopeo;
mod stage;
mod step;
#[cfg(feature = "http")]
mod transport;

pub use answer::{Answer, Fault};
pub use budget::{Budget, Meter, Spent};
pub use desk::{Token, TokenDesk};
pub use driver::{Done, Driver, Outcome, holds, within};
pub use origin::{Origin, Traffic};
pub use proxy::{Direction, Harm, WireFault, WireProxy};
pub use rule::{BodyUse, Match, Rule};
pub use serve::{blob_answer, registry_answer};
pub use skopeo::Skopeo;
pub use stage::{Mint, Names, OriginOptions, Stage};
pub use step::Step;
#[cfg(feature = "http")]
pub use transport::Pretend;
