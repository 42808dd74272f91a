//! The clients that wait for a password check, served round-robin: between networks, and within a network
//! between the user names that are tried.
//!
//! A client that guesses one user's password, on however many connections, delays other clients by one check.
//! A client that tries many names delays the clients of its network by one check a name, and those of other
//! networks by one check. A client that hangs up leaves the queue.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::Permit;
use crate::client::Network;

/// The most clients that wait for the check of a password. One more displaces a client of the network that
/// has most, or is answered 429.
pub(super) const MAX_WAITING: usize = 1024;

type Waiter = oneshot::Sender<Permit>;
/// Queues by key, served round-robin: the first gives one item and becomes the last.
type RoundRobin<K, T> = VecDeque<(K, VecDeque<T>)>;

/// The clients that wait, by network and then by the hash of the user name.
#[derive(Default)]
pub(super) struct Waiting(RoundRobin<Option<Network>, (u64, VecDeque<Waiter>)>);

impl Waiting {
    pub(super) fn pop(&mut self) -> Option<Waiter> {
        pop_next(&mut self.0, |names| pop_next(names, VecDeque::pop_front))
    }

    /// Adds a client, if there is room or another client can be displaced.
    pub(super) fn push(&mut self, network: Option<Network>, name: u64, waiter: Waiter) -> bool {
        if self.len() >= MAX_WAITING {
            self.remove_gone();
        }
        if self.len() >= MAX_WAITING && !self.make_room(network, name) {
            return false;
        }
        queue_of(queue_of(&mut self.0, network), name).push_back(waiter);
        true
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|(_, names)| length(names)).sum()
    }

    /// Removes the clients that have hung up.
    fn remove_gone(&mut self) {
        self.0.retain_mut(|(_, names)| {
            names.retain_mut(|(_, waiters)| {
                waiters.retain(|waiter| !waiter.is_closed());
                !waiters.is_empty()
            });
            !names.is_empty()
        });
    }

    /// Displaces the client that came last of the busiest network and name. `false` if the newcomer's own
    /// network and name are as busy.
    fn make_room(&mut self, network: Option<Network>, name: u64) -> bool {
        let own = self.0.iter().find(|(key, _)| *key == network);
        let own_names = own.map_or(0, |(_, names)| length(names));
        let own_waiters = own
            .and_then(|(_, names)| names.iter().find(|(key, _)| *key == name))
            .map_or(0, |(_, waiters)| waiters.len());
        let busiest = self.0.iter_mut().max_by_key(|(_, names)| length(names));
        let Some((key, names)) = busiest else {
            return false;
        };
        let is_own = *key == network;
        if !is_own && length(names) <= own_names + 1 {
            return false;
        }
        let Some((_, waiters)) = names.iter_mut().max_by_key(|(_, waiters)| waiters.len()) else {
            return false;
        };
        if is_own && waiters.len() <= own_waiters + 1 {
            return false;
        }
        waiters.pop_back();
        self.remove_gone(); // the queue may be empty
        true
    }
}

fn length(names: &VecDeque<(u64, VecDeque<Waiter>)>) -> usize {
    names.iter().map(|(_, waiters)| waiters.len()).sum()
}

/// Takes an item of the first queue, which becomes the last.
fn pop_next<K, T, R>(
    queues: &mut RoundRobin<K, T>,
    take: impl FnOnce(&mut VecDeque<T>) -> Option<R>,
) -> Option<R> {
    let (key, mut queue) = queues.pop_front()?;
    let taken = take(&mut queue);
    if !queue.is_empty() {
        queues.push_back((key, queue));
    }
    taken
}

/// The queue of a key, added if there is none.
fn queue_of<K: PartialEq, T>(queues: &mut RoundRobin<K, T>, key: K) -> &mut VecDeque<T> {
    let position = queues.iter().position(|(own, _)| *own == key);
    let position = position.unwrap_or_else(|| {
        queues.push_back((key, VecDeque::new()));
        queues.len() - 1
    });
    &mut queues[position].1
}
