//! The facade and the workspace, from outside.

mod dependencies;
