//! Store: the two databases behind one door. A statement takes one JSON text and gives rows of one JSON text each, so
//! that they differ in SQL alone.

use std::borrow::Cow;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection as _, Error, SqlStr, query, query_scalar};

use crate::config::LedgerPlace;

/// How long a statement may take, on the side of PostgreSQL.
const STATEMENT: &str = "10s";

/// How long SQLite waits for somebody else who writes.
const BUSY: Duration = Duration::from_secs(5);

/// Connections that read, beside the one that writes.
const READERS: u32 = 4;

/// One statement, in the words of both databases.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statement {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

/// The statement of this name, from `sql/`.
macro_rules! statement {
    ($name:literal) => {
        $crate::ledger::store::Statement {
            sqlite: include_str!(concat!("sql/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("sql/postgres/", $name, ".sql")),
        }
    };
}
pub(super) use statement;

/// What has been done to the schema, in order. A step that was released never changes.
const MIGRATIONS: [(i64, &str, Statement); 3] = [
    (1, "ledger", statement!("0001_ledger")),
    (2, "attempts", statement!("0002_attempts")),
    (3, "results", statement!("0003_results")),
];

/// Where a ledger is kept.
#[derive(Debug, Clone)]
pub(super) enum Database {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres(Box<PgConnectOptions>),
}

/// A connection that writes.
#[derive(Debug)]
pub(super) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Connections that read.
#[derive(Debug, Clone)]
pub(super) enum Readers {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Database {
    /// One that outlives the process.
    ///
    /// # Errors
    /// Those of [`Database::server`].
    pub(super) fn of(place: &LedgerPlace) -> Result<Self, String> {
        match place {
            LedgerPlace::Server(url) => Self::server(url),
            LedgerPlace::File(path) => Ok(Self::file(path)),
            LedgerPlace::Temporary => Err("ledger.url: is temporary".to_owned()),
        }
    }

    /// A file of SQLite's.
    pub(super) fn file(path: &Path) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit is on the disk, or has not been.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .disable_statement_logging();
        Self::Sqlite(Box::new(options))
    }

    /// A database of PostgreSQL's.
    ///
    /// # Errors
    /// The URL is none of a database. It may hold a password, and is not quoted.
    pub(super) fn server(url: &str) -> Result<Self, String> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| "ledger.url: postgres://user:password@host:5432/database is accepted".to_owned())?;
        let options = options
            .application_name("bedrock-inference")
            .options([("statement_timeout", STATEMENT), ("lock_timeout", STATEMENT)])
            .disable_statement_logging();
        Ok(Self::Postgres(Box::new(options)))
    }

    /// A connection to a database whose schema is up to date.
    pub(super) async fn connect(&self) -> Result<Connection, Error> {
        let steps = MIGRATIONS.map(|(version, name, sql)| {
            let sql = match self {
                Self::Sqlite(_) => sql.sqlite,
                Self::Postgres(_) => sql.postgres,
            };
            let sql = SqlStr::from_static(sql);
            Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql, false)
        });
        let steps = Migrator::with_migrations(steps.to_vec());
        match self {
            Self::Sqlite(options) => {
                let mut connection = options.connect().await?;
                steps.run_direct(None, &mut connection, false).await?;
                Ok(Connection::Sqlite(connection))
            }
            Self::Postgres(options) => {
                let mut connection = options.connect().await?;
                steps.run_direct(None, &mut connection, false).await?;
                Ok(Connection::Postgres(connection))
            }
        }
    }

    /// Connections that read, each made when it is needed.
    pub(super) fn readers(&self) -> Readers {
        match self {
            Self::Sqlite(options) => Readers::Sqlite(
                SqlitePoolOptions::new()
                    .max_connections(READERS)
                    .connect_lazy_with((**options).clone().create_if_missing(false).read_only(true)),
            ),
            Self::Postgres(options) => Readers::Postgres(
                PgPoolOptions::new()
                    .max_connections(READERS)
                    .acquire_timeout(BUSY)
                    .connect_lazy_with((**options).clone()),
            ),
        }
    }

    /// Whether several processes may write.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

impl Connection {
    pub(super) async fn begin(&mut self) -> Result<(), Error> {
        match self {
            Self::Sqlite(connection) => query("BEGIN IMMEDIATE").execute(connection).await.map(drop),
            Self::Postgres(connection) => query("BEGIN").execute(connection).await.map(drop),
        }
    }

    pub(super) async fn commit(&mut self) -> Result<(), Error> {
        match self {
            Self::Sqlite(connection) => query("COMMIT").execute(connection).await.map(drop),
            Self::Postgres(connection) => query("COMMIT").execute(connection).await.map(drop),
        }
    }

    pub(super) async fn roll_back(&mut self) -> Result<(), Error> {
        match self {
            Self::Sqlite(connection) => query("ROLLBACK").execute(connection).await.map(drop),
            Self::Postgres(connection) => query("ROLLBACK").execute(connection).await.map(drop),
        }
    }

    pub(super) async fn run(&mut self, statement: Statement, given: &impl Serialize) -> Result<(), Error> {
        let given = json(given)?;
        match self {
            Self::Sqlite(connection) => {
                query(statement.sqlite).bind(given).execute(connection).await.map(drop)
            }
            Self::Postgres(connection) => {
                query(statement.postgres).bind(given).execute(connection).await.map(drop)
            }
        }
    }

    pub(super) async fn rows<T: DeserializeOwned>(
        &mut self,
        statement: Statement,
        given: &impl Serialize,
    ) -> Result<Vec<T>, Error> {
        let given = json(given)?;
        let rows: Vec<String> = match self {
            Self::Sqlite(connection) => {
                query_scalar(statement.sqlite).bind(given).fetch_all(connection).await?
            }
            Self::Postgres(connection) => {
                query_scalar(statement.postgres).bind(given).fetch_all(connection).await?
            }
        };
        read(&rows)
    }

    /// Ends the connection in order; without it a database may wait for more.
    pub(super) async fn close(self) {
        // It ends either way.
        let _ = match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        };
    }
}

impl Readers {
    pub(super) async fn rows<T: DeserializeOwned>(
        &self,
        statement: Statement,
        given: &impl Serialize,
    ) -> Result<Vec<T>, Error> {
        let given = json(given)?;
        let rows: Vec<String> = match self {
            Self::Sqlite(pool) => query_scalar(statement.sqlite).bind(given).fetch_all(pool).await?,
            Self::Postgres(pool) => query_scalar(statement.postgres).bind(given).fetch_all(pool).await?,
        };
        read(&rows)
    }
}

fn json(given: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(given).map_err(|error| Error::Encode(error.into()))
}

fn read<T: DeserializeOwned>(rows: &[String]) -> Result<Vec<T>, Error> {
    let rows = rows.iter().map(|row| serde_json::from_str(row));
    rows.collect::<Result<_, _>>().map_err(|error| Error::Decode(error.into()))
}
