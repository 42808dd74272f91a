//! Work on many items, of which a bounded number is under way.

use std::{future::Future, num::NonZeroUsize};

use tokio::task::JoinSet;

/// Does work for each item, each on a task of its own, and returns the results in the order of the items. The first result
/// that is not `fine` ends the work: tasks under way are aborted, and their items have no result. Dropping the future
/// aborts all tasks. A panic of a task goes on in the caller, so that no item lacks its result in silence.
pub(crate) async fn each<I, T, F>(
    items: Vec<I>,
    at_once: NonZeroUsize,
    work: impl Fn(I) -> F,
    fine: impl Fn(&T) -> bool,
) -> Vec<Option<T>>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut results: Vec<Option<T>> = items.iter().map(|_| None).collect();
    let mut items = items.into_iter().enumerate();
    let mut running = JoinSet::new();
    loop {
        while running.len() < at_once.get()
            && let Some((position, item)) = items.next()
        {
            let task = work(item);
            running.spawn(async move { (position, task.await) });
        }
        match running.join_next().await {
            None => return results,
            Some(Ok((position, result))) => {
                let goes_on = fine(&result);
                if let Some(slot) = results.get_mut(position) {
                    *slot = Some(result);
                }
                if !goes_on {
                    return results;
                }
            }
            Some(Err(error)) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn a_bounded_number_is_under_way_and_the_order_is_kept() {
        let running = Arc::new(AtomicUsize::new(0));
        let work = |item: usize| {
            let running = Arc::clone(&running);
            async move {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
                (item, now)
            }
        };
        let at_once = NonZeroUsize::new(3).unwrap();
        let results = each((0..50).collect(), at_once, work, |_| true).await;
        let results: Vec<_> = results.into_iter().map(Option::unwrap).collect();
        assert!(results.iter().map(|(item, _)| *item).eq(0..50));
        assert_eq!(results.iter().map(|(_, now)| *now).max(), Some(3));
    }

    #[tokio::test]
    #[should_panic(expected = "the work of 2")]
    async fn a_panic_is_not_a_missing_result() {
        let work = |item: usize| async move { assert!(item != 2, "the work of {item}") };
        each((0..9).collect(), NonZeroUsize::MIN, work, |()| true).await;
    }

    #[tokio::test]
    async fn the_first_bad_result_ends_the_work() {
        let at_once = NonZeroUsize::MIN;
        let results = each((0..9).collect(), at_once, std::future::ready, |item| *item != 2).await;
        assert_eq!(results.iter().flatten().count(), 3);
    }
}
