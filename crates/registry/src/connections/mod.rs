//! The open connections of a listener, and which of them is closed to make room for one more.
//!
//! | no room, and | makes way |
//! |---|---|
//! | somebody's connection has no request | of the network with the most, first those that never had a request, then the one without one for the longest |
//! | all have one, and a network has more than the newcomer's | of that network, the one that came last |
//! | else | nobody: the newcomer waits for its turn, or is closed if too many wait |

mod files;
mod open_connection;

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

pub(crate) use self::{
    files::that_files_allow,
    open_connection::{OpenConnection, RequestGuard},
};
use crate::{client::Network, sync::LockExt as _};

/// All connections of a listener. Clones share them.
#[derive(Clone)]
pub(crate) struct Connections {
    table: Arc<Mutex<Table>>,
}

struct Table {
    limit: usize,
    open: BTreeMap<u64, Open>,
    waiting: Vec<(Network, oneshot::Sender<OpenConnection>)>,
    next: u64,
}

struct Open {
    network: Network,
    activity: Activity,
    /// Notified when the connection is to be closed.
    leave: Arc<Notify>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Activity {
    /// No request has come since the connection was made at this instant.
    Silent(Instant),
    /// The last request ended at this instant.
    Idle(Instant),
    Busy,
}

/// The reception of a new connection.
pub(crate) enum Received {
    Served(OpenConnection),
    /// The connection comes when there is room.
    Waits(oneshot::Receiver<OpenConnection>),
    Refused,
}

impl Connections {
    pub(crate) fn new(limit: usize) -> Self {
        let table = Table {
            limit: limit.max(1),
            open: BTreeMap::new(),
            waiting: Vec::new(),
            next: 0,
        };
        Self {
            table: Arc::new(Mutex::new(table)),
        }
    }

    /// Finds room for a connection from this address.
    pub(crate) fn receive(&self, address: IpAddr) -> Received {
        let network = Network::of(address);
        let mut table = lock(&self.table);
        if table.open.len() >= table.limit && !table.make_room(network) {
            table.waiting.retain(|(_, waiting)| !waiting.is_closed());
            if table.waiting.len() >= table.most_waiting() {
                return Received::Refused;
            }
            let (seat, connection) = oneshot::channel();
            table.waiting.push((network, seat));
            return Received::Waits(connection);
        }
        Received::Served(table.open(network, &self.table))
    }

    /// Closes the connections that never had a request, and those that wait for room, because the listener
    /// ends.
    pub(crate) fn end_silent(&self) {
        let mut table = lock(&self.table);
        table.waiting.clear();
        table.open.retain(|_, open| {
            let silent = matches!(open.activity, Activity::Silent(_));
            if silent {
                open.leave.notify_one();
            }
            !silent
        });
    }

    /// Closes a connection without a request, if there is one, because the process has run out of files.
    pub(crate) fn shed(&self) {
        lock(&self.table).end_idle();
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.locked()
}

impl Table {
    fn most_waiting(&self) -> usize {
        self.limit / 8 + 1
    }

    fn open(&mut self, network: Network, table: &Arc<Mutex<Self>>) -> OpenConnection {
        let (id, leave) = (self.next, Arc::new(Notify::new()));
        self.next += 1;
        let open = Open {
            network,
            activity: Activity::Silent(Instant::now()),
            leave: Arc::clone(&leave),
        };
        self.open.insert(id, open);
        OpenConnection {
            table: Some(Arc::clone(table)),
            id,
            leave,
        }
    }

    fn counts(&self) -> HashMap<Network, usize> {
        let mut counts = HashMap::new();
        for open in self.open.values() {
            *counts.entry(open.network).or_default() += 1;
        }
        counts
    }

    fn make_room(&mut self, newcomer: Network) -> bool {
        if self.end_idle() {
            return true;
        }
        let counts = self.counts();
        let own = counts.get(&newcomer).copied().unwrap_or_default();
        let Some((busiest, most)) = counts.into_iter().max_by_key(|(_, count)| *count) else {
            return false;
        };
        let last = self.open.iter().rev().find(|(_, open)| open.network == busiest);
        match last {
            Some((id, _)) if most > own + 1 => self.end(*id),
            _ => false,
        }
    }

    fn end_idle(&mut self) -> bool {
        let counts = self.counts();
        let idle = self
            .open
            .iter()
            .filter(|(_, open)| open.activity != Activity::Busy);
        let first = idle.min_by_key(|(_, open)| {
            let count = counts.get(&open.network).copied().unwrap_or_default();
            (std::cmp::Reverse(count), open.activity)
        });
        match first {
            Some((id, _)) => self.end(*id),
            None => false,
        }
    }

    fn end(&mut self, id: u64) -> bool {
        let ended = self.open.remove(&id);
        ended.inspect(|open| open.leave.notify_one()).is_some()
    }

    /// Takes the waiting connection of the network that has the fewest connections open; of several such
    /// connections, the one that has waited longest. `None` if no connection waits or the table is full.
    fn next_waiting(&mut self) -> Option<(Network, oneshot::Sender<OpenConnection>)> {
        if self.waiting.is_empty() || self.open.len() >= self.limit {
            return None;
        }
        let counts = self.counts();
        let waiting = self.waiting.iter().enumerate();
        let (position, _) =
            waiting.min_by_key(|(_, (network, _))| counts.get(network).copied().unwrap_or_default())?;
        Some(self.waiting.remove(position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(connections: &Connections, address: &str) -> OpenConnection {
        match connections.receive(address.parse().unwrap()) {
            Received::Served(connection) => connection,
            Received::Waits(_) => panic!("{address} waits"),
            Received::Refused => panic!("{address} is refused"),
        }
    }

    fn waits(connections: &Connections, address: &str) -> oneshot::Receiver<OpenConnection> {
        match connections.receive(address.parse().unwrap()) {
            Received::Waits(connection) => connection,
            Received::Served(_) => panic!("{address} is served"),
            Received::Refused => panic!("{address} is refused"),
        }
    }

    async fn is_told(connection: &OpenConnection) -> bool {
        let now = std::time::Duration::ZERO;
        tokio::time::timeout(now, connection.told_to_leave())
            .await
            .is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_silent_make_way_before_the_idle_and_these_before_the_busy() {
        let connections = Connections::new(3);
        let (asked, silent, busy) = (
            served(&connections, "192.0.2.1"),
            served(&connections, "192.0.2.1"),
            served(&connections, "192.0.2.1"),
        );
        drop(asked.begin());
        let request = busy.begin();
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        let first = served(&connections, "192.0.2.1");
        assert!(is_told(&silent).await && !is_told(&asked).await);
        drop(first.begin());
        let second = served(&connections, "192.0.2.1");
        assert!(is_told(&asked).await && !is_told(&first).await && !is_told(&busy).await);
        let (_second, _first) = (second.begin(), first.begin());
        let mut third = waits(&connections, "192.0.2.1");
        drop(request);
        drop(busy);
        assert!(third.try_recv().is_ok());
        assert_eq!(lock(&connections.table).open.len(), 2); // the third has come and gone
    }

    #[tokio::test]
    async fn a_network_that_has_most_makes_way_for_others() {
        let connections = Connections::new(4);
        let mut attack = Vec::new();
        for _ in 0..4 {
            let connection = served(&connections, "192.0.2.1");
            attack.push((connection.begin(), connection));
        }
        let honest = served(&connections, "198.51.100.1");
        let request = honest.begin();
        assert!(is_told(&attack[3].1).await && !is_told(&attack[0].1).await);
        let other = served(&connections, "2001:db8::1");
        let other_request = other.begin();
        assert!(is_told(&attack[2].1).await);
        let third = served(&connections, "203.0.113.1");
        let third_request = third.begin();
        assert!(is_told(&attack[1].1).await && !is_told(&attack[0].1).await);
        // Now everybody has one. The next one who goes makes room for the network that has least.
        let _waiting = waits(&connections, "192.0.2.1");
        assert!(!is_told(&honest).await && !is_told(&other).await);
        drop((request, honest));
        drop((other_request, other, third_request, third));
    }

    #[tokio::test]
    async fn idle_ones_of_the_largest_network_go_first() {
        let connections = Connections::new(4);
        let honest = served(&connections, "198.51.100.1");
        let attack = [(); 3].map(|()| served(&connections, "192.0.2.1"));
        for connection in &attack {
            drop(connection.begin());
        }
        let _newcomer = served(&connections, "203.0.113.1");
        assert!(is_told(&attack[0]).await && !is_told(&honest).await);
    }

    #[tokio::test]
    async fn who_would_wait_too_long_is_refused_and_who_left_is_forgotten() {
        let connections = Connections::new(1);
        let connection = served(&connections, "192.0.2.1");
        let request = connection.begin();
        let gone = waits(&connections, "192.0.2.1");
        let refused = connections.receive("192.0.2.1".parse().unwrap());
        assert!(matches!(refused, Received::Refused));
        drop(gone);
        let mut waiting = waits(&connections, "192.0.2.1");
        drop((request, connection));
        assert!(waiting.try_recv().is_ok());
        assert!(lock(&connections.table).open.is_empty());
    }

    #[tokio::test]
    async fn when_the_listener_ends_the_silent_and_the_waiting_end() {
        let connections = Connections::new(3);
        let (silent, idle, busy) = (
            served(&connections, "192.0.2.1"),
            served(&connections, "192.0.2.1"),
            served(&connections, "192.0.2.1"),
        );
        let request = idle.begin();
        let _request = (busy.begin(), silent.begin());
        let mut waiting = waits(&connections, "192.0.2.1");
        drop(request);
        open_connection::set(silent.table.as_ref(), silent.id, Activity::Silent(Instant::now()));
        connections.end_silent();
        assert!(is_told(&silent).await && !is_told(&idle).await && !is_told(&busy).await);
        assert!(waiting.try_recv().is_err());
    }

    #[tokio::test]
    async fn when_files_run_out_an_idle_one_ends() {
        let connections = Connections::new(10);
        let (busy, idle) = (
            served(&connections, "192.0.2.1"),
            served(&connections, "192.0.2.1"),
        );
        let _request = busy.begin();
        connections.shed();
        connections.shed();
        assert!(is_told(&idle).await && !is_told(&busy).await);
    }

    #[cfg(unix)]
    #[test]
    fn there_are_files_for_some_connections() {
        assert!(that_files_allow().is_none_or(|connections| connections > 0));
    }
}
