//! Collections.

mod interrupted;
mod links;
mod objects;
mod races;
