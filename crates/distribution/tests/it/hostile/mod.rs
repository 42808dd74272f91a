//! The client against servers that attack. Names carry the row of the table in docs/threats.md.

mod bundles;
mod challenges;
mod content;
mod foreign_uploads;
mod hidden;
mod http2;
mod limits;
mod lists;
mod lookaside_directory;
mod messages;
mod names;
mod optional;
mod origins;
mod ranges;
mod realms;
mod referrers;
mod refusals;
mod registry_signatures;
mod served_signatures;
mod signature_counts;
mod signatures;
mod tokens;
mod unanswered;
mod uploads;
mod written_signatures;

use wharf_testkit::hostile::scene;
