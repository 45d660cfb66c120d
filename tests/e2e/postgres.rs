//! The PostgreSQL server of tests that need one.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// The URL of a new database of the server that `POSTGRES_URL` names.
pub async fn new_database() -> String {
    let server = std::env::var("POSTGRES_URL").expect("POSTGRES_URL=postgres://user@host:port/postgres");
    let name = format!("test_{}", uuid::Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let (server, _) = server.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}
