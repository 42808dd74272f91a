//! The order in which transactions take locks, tried on a real server: each rule with the race that it decides, and with
//! the same race without the rule, which must go wrong.

mod commits;
mod contents;
mod gate;
mod stage;
mod uploads;
mod usage;

use self::stage::Race;
pub(crate) use self::stage::Session;
