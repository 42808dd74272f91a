//! Rows T84 to T96 of attachments: each mutation of something good must be refused.

mod certificates;
mod keys;
mod kit;
mod logged;
mod swaps;
