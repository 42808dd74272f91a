use std::sync::{Arc, Mutex};

use tokio::{sync::Notify, time::Instant};

use super::{Activity, Table, lock};

/// An open connection, as an entry of the table. The entry is removed when this is dropped.
pub(crate) struct OpenConnection {
    pub(super) table: Option<Arc<Mutex<Table>>>,
    pub(super) id: u64,
    pub(super) leave: Arc<Notify>,
}

impl OpenConnection {
    /// Waits until the connection is to be closed.
    pub(crate) async fn told_to_leave(&self) {
        self.leave.notified().await;
    }

    /// Marks the connection busy until the result is dropped.
    pub(crate) fn begin(&self) -> RequestGuard {
        self.set(Activity::Busy);
        RequestGuard {
            table: self.table.clone(),
            id: self.id,
        }
    }

    fn set(&self, activity: Activity) {
        set(self.table.as_ref(), self.id, activity);
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let Some(table) = self.table.take() else { return };
        lock(&table).open.remove(&self.id);
        loop {
            let next = {
                let mut locked = lock(&table);
                locked
                    .next_waiting()
                    .map(|(network, seat)| (seat, locked.open(network, &table)))
            };
            let Some((seat, connection)) = next else { return };
            if let Err(mut unwanted) = seat.send(connection) {
                lock(&table).open.remove(&unwanted.id);
                unwanted.table = None; // its client has gone
            }
        }
    }
}

/// A request on a connection, until its answer has been sent and this is dropped.
pub(crate) struct RequestGuard {
    table: Option<Arc<Mutex<Table>>>,
    id: u64,
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        set(self.table.as_ref(), self.id, Activity::Idle(Instant::now()));
    }
}

pub(super) fn set(table: Option<&Arc<Mutex<Table>>>, id: u64, activity: Activity) {
    let Some(table) = table else { return };
    if let Some(open) = lock(table).open.get_mut(&id) {
        open.activity = activity;
    }
}
