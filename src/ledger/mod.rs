//! The ledger: what every attempt may cost before it is sent, and what it cost when it has ended.
//!
//! A reservation is on the disk before its attempt goes out, so a crash loses no call that AWS may bill. Rows never
//! change, and an attempt has at most one of each kind. One task writes them, in transactions of all that waits, and with
//! them what is kept of calls that are made once ([`Claimed`]).

mod batch;
mod calls;
mod period;
mod reconcile;
mod results;
mod retention;
mod rows;
mod spill;
mod store;
mod usage;
mod writer;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::config::{LedgerPlace, LedgerSettings, UpstreamKind};
use crate::principal::TenantId;

pub use batch::{Budget, Standing};
pub use calls::{Filter, Place, Row};
pub use period::Period;
pub use reconcile::{Comparison, Drift, LogLine, LogTokens, MOST_LISTED};
pub use results::{Claim, Claimed, Outcome};
pub use rows::{Kind, Planned, Settlement};
pub use usage::{Balance, Bucket, Grouping, MOST_GROUPS, Span, Sums};

use period::Moment;
use results::Results;
use rows::{Reserved, text};
use spill::Spill;
use store::{Database, Readers, Statement};
use writer::{Command, Trouble, Wanted, Writer};

/// How long closing may take.
const FAREWELL: Duration = Duration::from_secs(10);

/// The ledger. Clones write to the same one.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    commands: mpsc::UnboundedSender<Command>,
    tasks: TaskTracker,
    replica: String,
    /// How long a reservation may take.
    timeout: Duration,
    up: watch::Receiver<bool>,
    readers: Readers,
    /// Held for as long as it is in use.
    _files: Files,
}

/// Why an attempt may not be made.
#[derive(Debug, Clone, PartialEq)]
pub enum Refused {
    /// This budget does not last for it.
    Budget(Standing),
    /// It cannot be written down now.
    Unavailable,
}

/// The ledger's database does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

impl Ledger {
    /// Opens the ledger, and settles what an earlier process of the same name has left open. A server that cannot be
    /// reached is tried again for as long as it takes; until then nothing can be reserved.
    ///
    /// # Errors
    /// What cannot be used, in words for the operator.
    pub async fn open(settings: &LedgerSettings, upstream: UpstreamKind) -> Result<Self, String> {
        let place = settings.place(upstream)?;
        let files = Files::of(&place, settings)?;
        let database = match &place {
            LedgerPlace::Temporary => Database::file(&files.database),
            LedgerPlace::File(_) | LedgerPlace::Server(_) => Database::of(&place)?,
        };
        let spilled = Spill::open(&files.spill);
        let (spill, owed) =
            spilled.map_err(|error| format!("ledger.spill: {}: {error}", files.spill.display()))?;
        let (commands, queue) = mpsc::unbounded_channel();
        let (up, is_up) = watch::channel(false);
        let replica = settings.replica();
        let readers = database.readers();
        let kept = settings.retention.map(|retention| (database.clone(), retention));
        let mut writer = Writer {
            database,
            replica: replica.clone(),
            commands: queue,
            settle: commands.downgrade(),
            spill,
            owed,
            results: Results::default(),
            connection: None,
            has_recovered: false,
            up,
        };
        match writer.connect().await {
            Ok(()) => {}
            Err(trouble @ Trouble::Away(_)) if writer.database.is_shared() => {
                tracing::error!(%trouble, "the ledger is down: no paid calls are taken until it is up");
            }
            Err(trouble) => return Err(format!("ledger.url: {trouble}")),
        }
        let tasks = TaskTracker::new();
        tasks.spawn(writer.run());
        if let Some((database, retention)) = kept {
            tasks.spawn(retention::keep(database, retention, is_up.clone()));
        }
        let timeout = settings.timeout;
        Ok(Self(Arc::new(Inner { commands, tasks, replica, timeout, up: is_up, readers, _files: files })))
    }

    /// Writes down that an attempt is to be made, and what it may cost; when this returns it is durable. Standings are
    /// of budgets that are nearly used up.
    ///
    /// Dropped before that, it is as if it had never been asked for.
    ///
    /// # Errors
    /// [`Refused`]; then nothing has been reserved.
    pub async fn reserve(
        &self,
        tenant: &TenantId,
        planned: Planned,
        budgets: Vec<Budget>,
    ) -> Result<(Reservation, Vec<Standing>), Refused> {
        let now = Moment::now();
        let row = Reserved {
            attempt: Uuid::now_v7(),
            replica: self.0.replica.clone(),
            tenant: tenant.as_str().to_owned(),
            at: now.micros(),
            day: now.day(),
            planned: Planned { model_id: text(&planned.model_id), ..planned },
        };
        let (answer, told) = oneshot::channel();
        let wanted = Command::Reserve(Box::new(Wanted { row, budgets, answer }));
        self.0.commands.send(wanted).map_err(|_| Refused::Unavailable)?;
        match timeout(self.0.timeout, told).await {
            Ok(Ok(Some(verdict))) => verdict.map_err(Refused::Budget),
            _ => Err(Refused::Unavailable),
        }
    }

    /// What the database has; nothing is waited for while it is down.
    async fn read<T: DeserializeOwned>(
        &self,
        statement: Statement,
        given: &impl Serialize,
    ) -> Result<Vec<T>, Unreadable> {
        if !*self.0.up.borrow() {
            return Err(Unreadable);
        }
        self.0.readers.rows(statement, given).await.map_err(|error| {
            tracing::error!(%error, "the ledger cannot be read");
            Unreadable
        })
    }

    /// Resolves once something can be reserved.
    pub async fn ready(&self) {
        // The writer only goes at the end.
        let _ = self.0.up.clone().wait_for(|up| *up).await;
    }

    /// Writes, or spills, all that has been settled until now. Nothing can be reserved any more.
    pub async fn close(&self) {
        self.0.tasks.close();
        // It may be closed already.
        let _ = self.0.commands.send(Command::Close);
        if timeout(FAREWELL, self.0.tasks.wait()).await.is_err() {
            tracing::error!("the ledger could not be closed in time");
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("replica", &self.0.replica).finish_non_exhaustive()
    }
}

/// Leave to make one attempt. Dropped, it is void.
#[derive(Debug)]
pub struct Reservation(Dispatched);

/// An attempt that may have reached AWS. Dropped, it is settled as estimated: all that was reserved.
pub struct Dispatched {
    /// `None` once it is settled.
    row: Option<Reserved>,
    settle: mpsc::WeakUnboundedSender<Command>,
    /// How it is settled when dropped.
    dropped: Settlement,
}

impl Reservation {
    fn new(row: Reserved, settle: mpsc::WeakUnboundedSender<Command>) -> Self {
        Self(Dispatched { row: Some(row), settle, dropped: Settlement::void("CANCELLED") })
    }

    /// From now on it may have been sent.
    #[must_use]
    pub fn dispatch(mut self) -> Dispatched {
        self.0.dropped = Settlement { outcome: "CANCELLED".to_owned(), ..Settlement::default() };
        self.0
    }
}

impl Dispatched {
    /// Writes down how it ended. Returns at once; what cannot be written now is kept.
    pub fn settle(mut self, settlement: Settlement) {
        self.end(settlement);
    }

    fn end(&mut self, settlement: Settlement) {
        let Some(row) = self.row.take() else { return };
        let settled = Command::Settle(Box::new(row.settled(settlement, Moment::now())));
        let sent = self.settle.upgrade().map(|commands| commands.send(settled));
        if !matches!(sent, Some(Ok(()))) {
            // The next start settles it as estimated.
            tracing::error!("an attempt ended behind the end of the ledger");
        }
    }
}

impl Drop for Dispatched {
    fn drop(&mut self) {
        let settlement = std::mem::take(&mut self.dropped);
        self.end(settlement);
    }
}

impl fmt::Debug for Dispatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatched").finish_non_exhaustive()
    }
}

/// The files of a ledger, each of this process alone.
#[derive(Debug)]
struct Files {
    database: PathBuf,
    spill: PathBuf,
    /// Locked.
    _lock: Option<File>,
    /// Removed at the end.
    temporary: Option<PathBuf>,
}

impl Files {
    fn of(place: &LedgerPlace, settings: &LedgerSettings) -> Result<Self, String> {
        let told = |path: &Path, error: &dyn fmt::Display| format!("ledger.url: {}: {error}", path.display());
        match place {
            LedgerPlace::Server(_) => Ok(Self {
                database: PathBuf::new(),
                spill: settings.spill.clone(),
                _lock: None,
                temporary: None,
            }),
            LedgerPlace::Temporary => {
                let folder = std::env::temp_dir().join(format!("bedrock-inference-{}", Uuid::now_v7()));
                std::fs::create_dir(&folder).map_err(|error| told(&folder, &error))?;
                let (database, spill) = (folder.join("ledger.db"), folder.join("ledger.spill"));
                Ok(Self { database, spill, _lock: None, temporary: Some(folder) })
            }
            LedgerPlace::File(database) => {
                let path = database.with_added_extension("lock");
                let lock = File::create(&path).map_err(|error| told(&path, &error))?;
                lock.try_lock().map_err(|_| told(database, &"another process has it"))?;
                Ok(Self {
                    database: database.clone(),
                    spill: settings.spill.clone(),
                    _lock: Some(lock),
                    temporary: None,
                })
            }
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if let Some(folder) = &self.temporary {
            // The system clears its temporary folder in any case.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

#[cfg(test)]
mod tests;
