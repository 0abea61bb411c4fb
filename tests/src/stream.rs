//! A subscription over server-sent events, read as a client reads it.

use crate::TestApp;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

/// What is awaited comes within this time.
const SOON: Duration = Duration::from_secs(20);

/// A stream that is read.
pub struct ServerEvents {
    response: reqwest::Response,
    text: String,
}

impl ServerEvents {
    /// Begins a subscription.
    pub async fn open(app: &TestApp, token: &str, query: &str, variables: Value) -> Self {
        let body = json!({ "query": query, "variables": variables });
        let request = app
            .http
            .post(app.url("/graphql/stream"))
            .header("x-request-id", "always-this")
            .bearer_auth(token)
            .json(&body);
        let response = request.send().await.expect("the server answers");
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
        Self {
            response,
            text: String::new(),
        }
    }

    /// The next event's name and data; it must come.
    pub async fn next(&mut self) -> (String, Value) {
        let next = timeout(SOON, self.read()).await.expect("in time");
        next.expect("the stream goes on")
    }

    /// The next event's name and data; none when nothing comes for so long, or when the stream has ended.
    pub async fn next_within(&mut self, wait: Duration) -> Option<(String, Value)> {
        timeout(wait, self.read()).await.ok().flatten()
    }

    /// The data of the next value, which holds no error.
    pub async fn value(&mut self) -> Value {
        let (event, data) = self.next().await;
        assert_eq!(event, "next", "{data}");
        assert!(data.get("errors").is_none(), "{data}");
        data["data"].clone()
    }

    async fn read(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((one, rest)) = self.text.clone().split_once("\n\n") {
                self.text = rest.to_owned();
                let line = |name: &str| {
                    let found = one.lines().find_map(|line| line.strip_prefix(name));
                    found.map(str::to_owned)
                };
                // A line that begins with a colon only says that the stream is there.
                let Some(event) = line("event: ") else {
                    continue;
                };
                let data = line("data: ").unwrap_or_default();
                return Some((event, serde_json::from_str(&data).expect("data is JSON")));
            }
            let chunk = self
                .response
                .chunk()
                .await
                .expect("the stream can be read")?;
            self.text
                .push_str(std::str::from_utf8(&chunk).expect("an event is text"));
        }
    }
}
