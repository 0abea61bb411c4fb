//! Requests to the server: who asks, and what a request looks like on the wire.

use super::measure::load::Connection;
use super::measure::server::{Server, Setup};
use serde_json::{Value, json};

/// A server and a token that may read everything.
pub struct Client {
    /// The server.
    pub server: Server,
    token: String,
}

impl Client {
    /// Starts the server and takes a token from it.
    pub fn start(setup: &Setup) -> Self {
        let server = setup.serve(&[], None);
        Self {
            server,
            token: setup.run(&["token", "--scope", "partners:read,deals:read"]),
        }
    }

    /// A whole request, ready to be sent.
    pub fn request(&self, query: &str, variables: &Value) -> Vec<u8> {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let (address, token, length) = (self.server.address, &self.token, body.len());
        let head = "Accept: application/graphql-response+json\r\nContent-Type: application/json";
        format!("POST /graphql HTTP/1.1\r\nHost: {address}\r\n{head}\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
    }

    /// Asks once.
    pub fn ask(&self, query: &str, variables: &Value) -> Value {
        let request = self.request(query, variables);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut connection = Connection::open(self.server.address).await;
            serde_json::from_slice(connection.ask(&request).await).expect("an answer is JSON")
        })
    }
}
