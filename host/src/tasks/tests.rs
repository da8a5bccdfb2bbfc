use std::future::pending;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Tasks;

#[tokio::test(start_paused = true)]
async fn counts_and_drains() {
    let tasks = Tasks::new();
    let (finish, finished) = oneshot::channel::<()>();
    tasks.spawn("waits", async move { drop(finished.await) });
    assert_eq!(tasks.live(), 1);
    assert!(!tasks.drained(Duration::from_secs(1)).await, "it still waits");
    drop(finish);
    assert!(tasks.drained(Duration::from_secs(1)).await);
    assert_eq!(tasks.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_one_task_and_is_counted() {
    let tasks = Tasks::new();
    tasks.spawn("panics", async { panic!("on purpose") });
    tasks.spawn("fine", async {});
    assert!(tasks.drained(Duration::from_secs(1)).await);
    assert_eq!(tasks.panicked(), 1);
}

#[tokio::test(start_paused = true)]
async fn end_drops_what_runs_and_what_comes_later() {
    let tasks = Tasks::new();
    let (held, released) = oneshot::channel::<()>();
    tasks.spawn("forever", async move {
        let _held = held;
        pending::<()>().await;
    });
    tasks.end().await;
    assert_eq!(tasks.live(), 0);
    assert!(released.await.is_err(), "the task's state is dropped");
    let (late, never) = oneshot::channel::<()>();
    tasks.spawn("late", async move {
        let _ = late.send(());
    });
    assert!(never.await.is_err(), "nothing starts in an ended group");
}
