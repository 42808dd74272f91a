//! Collections.

mod failures;
mod interrupted;
mod links;
mod objects;
mod plans;
mod races;
