//! Requests that run side by side on the task of the caller.

use std::{future::poll_fn, pin::Pin, task::Poll};

/// A future of a set that [`together`] runs.
pub(crate) type Concurrent<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs futures concurrently and returns their results in the order of the futures. Dropping the future drops all.
pub(crate) async fn together<T>(futures: Vec<Concurrent<'_, T>>) -> Vec<T> {
    let mut slots: Vec<(Option<Concurrent<'_, T>>, Option<T>)> =
        futures.into_iter().map(|future| (Some(future), None)).collect();
    poll_fn(|context| {
        let mut is_ready = true;
        for (running, result) in &mut slots {
            let Some(future) = running else { continue };
            match future.as_mut().poll(context) {
                Poll::Ready(value) => (*running, *result) = (None, Some(value)),
                Poll::Pending => is_ready = false,
            }
        }
        if is_ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    slots.into_iter().filter_map(|(_, result)| result).collect()
}
