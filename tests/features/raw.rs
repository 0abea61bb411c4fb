//! Writing past every rule of the product, to bring about what a test cannot wait for.

use sea_orm::ConnectionTrait as _;
use tests::TestApp;

/// Runs a statement.
pub async fn execute(app: &TestApp, statement: &str) {
    app.database()
        .write()
        .execute_unprepared(statement)
        .await
        .expect("the statement runs");
}
