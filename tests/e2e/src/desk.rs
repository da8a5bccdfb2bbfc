//! The admin port as operators use it.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::Stage;

const FAULTS: &str = "/admin/chaos/faults";

impl Stage {
    /// One plugin as `GET /admin/plugins` shows it; null when there is none of that id.
    pub async fn plugin(&self, id: &str) -> Value {
        let (status, all) = self.admin(Method::GET, "/admin/plugins", None).await;
        assert_eq!(status, 200, "{all}");
        let mut plugins = all["plugins"].as_array().into_iter().flatten();
        plugins.find(|plugin| plugin["id"] == id).cloned().unwrap_or_default()
    }

    /// Orders a fault; status and answer.
    pub async fn order_fault(&self, order: &Value) -> (u16, Value) {
        self.admin(Method::POST, FAULTS, Some(order)).await
    }

    /// Arms a fault; its id.
    ///
    /// # Panics
    /// When the order is refused.
    pub async fn arm(&self, order: &Value) -> u64 {
        let (status, answer) = self.order_fault(order).await;
        assert_eq!(status, 201, "{order}: {answer}");
        answer["id"].as_u64().expect("an id")
    }

    /// All armed faults.
    pub async fn armed(&self) -> Vec<Value> {
        let (status, listed) = self.admin(Method::GET, FAULTS, None).await;
        assert_eq!(status, 200, "{listed}");
        listed["faults"].as_array().cloned().expect("a list")
    }

    /// Disarms one fault; status and answer.
    pub async fn disarm(&self, id: u64) -> (u16, Value) {
        self.admin(Method::DELETE, &format!("{FAULTS}/{id}"), None).await
    }

    /// Disarms all faults; how many there were.
    pub async fn disarm_all(&self) -> u64 {
        let (status, answer) = self.admin(Method::DELETE, FAULTS, None).await;
        assert_eq!(status, 200, "{answer}");
        answer["disarmed"].as_u64().expect("a number")
    }
}

/// Waits until something holds; machines that test may be busy, so the limit is generous.
///
/// # Panics
/// When it never holds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    const PATIENCE: Duration = Duration::from_secs(30);
    const PACE: Duration = Duration::from_millis(10);
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        sleep(PACE).await;
    }
}
