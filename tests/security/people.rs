//! The doors where people prove who they are: guessing, forms of other sites, tickets used twice, redirects elsewhere, and what is told or kept.

mod forms;
mod guessing;
mod pages;
mod provider;
mod tickets;

use tests::TestApp;

const EMAIL: &str = "ada@contoso.example";

/// The first column of every row, which is a text.
async fn texts(app: &TestApp, statement: &str) -> Vec<String> {
    let rows = app.rows(statement).await;
    rows.iter()
        .map(|row| row.try_get_by_index::<String>(0).unwrap())
        .collect()
}
