use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use crate::sync::LockExt as _;

/// Bytes that each user has pushed and that are still linked, in all repositories. Clones share the figures.
#[derive(Clone, Default)]
pub(crate) struct UserUsage(Arc<Mutex<HashMap<Box<str>, u64>>>);

impl UserUsage {
    pub(crate) fn add(&self, user: Option<&str>, bytes: u64) {
        let Some(user) = user else { return };
        let mut users = self.users();
        match users.get_mut(user) {
            Some(used) => *used = used.saturating_add(bytes),
            None => drop(users.insert(user.into(), bytes)),
        }
    }

    pub(crate) fn subtract(&self, user: Option<&str>, bytes: u64) {
        let Some(user) = user else { return };
        let mut users = self.users();
        if let Some(used) = users.get_mut(user) {
            *used = used.saturating_sub(bytes);
            if *used == 0 {
                users.remove(user); // so that the map does not outgrow the users who have something
            }
        }
    }

    pub(crate) fn of(&self, user: &str) -> u64 {
        self.users().get(user).copied().unwrap_or_default()
    }

    fn users(&self) -> MutexGuard<'_, HashMap<Box<str>, u64>> {
        self.0.locked()
    }
}
