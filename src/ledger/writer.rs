//! Writer: the one task that writes. What comes while a commit is under way is written by the next one.

use std::time::Duration;

use sqlx::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, interval, timeout};

use super::Reservation;
use super::batch::{self, Budget, Standing, Verdict};
use super::period::Moment;
use super::results::{self, Results, Rows};
use super::rows::{Open, Reserved, Settled, Settlement};
use super::spill::Spill;
use super::store::{Connection, Database, Statement, statement};

const BEAT: Statement = statement!("beat");
const CLAIM: Statement = statement!("claim");
pub(super) const DEAD: Statement = statement!("dead");
const OPEN_OF: Statement = statement!("open_of");

/// The most rows of one transaction.
const MOST: usize = 500;

/// How often the writer looks after itself: connects anew, writes what is owed, says that it is alive.
const ROUND: Duration = Duration::from_millis(500);

/// How long a replica counts as alive after its last beat; `beat.sql` has it too.
const LEASE: Duration = Duration::from_secs(60);

/// How often a replica says that it is alive.
const BEATS: Duration = Duration::from_secs(10);

/// How long a connection may take, and a transaction.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a transaction is tried that only collided with another one.
const TRIES: usize = 3;

/// What the writer is asked for.
pub(super) enum Command {
    Reserve(Box<Wanted>),
    Settle(Box<Settled>),
    Claim(Box<results::Wanted>),
    End(Box<results::Ended>),
    /// Everything before it is written, or spilled; then the writer ends.
    Close,
}

/// A reservation that somebody waits for.
pub(super) struct Wanted {
    pub(super) row: Reserved,
    pub(super) budgets: Vec<Budget>,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// What becomes of a reservation; `None` where it could not be written.
pub(super) type Answer = Option<Result<(Reservation, Vec<Standing>), Standing>>;

/// Why the ledger cannot be used, now or ever.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// It may go away by itself.
    #[error("the ledger's database cannot be reached: {0}")]
    Away(String),
    /// It will not.
    #[error("the ledger cannot be used: {0}")]
    Broken(String),
}

/// All that writing needs.
pub(super) struct Writer {
    pub(super) database: Database,
    pub(super) replica: String,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    /// What reservations settle through.
    pub(super) settle: mpsc::WeakUnboundedSender<Command>,
    pub(super) spill: Spill,
    /// Settlements that are not in the database yet.
    pub(super) owed: Vec<Settled>,
    /// Claims, and ends that are not in the database yet.
    pub(super) results: Results,
    pub(super) connection: Option<Connected>,
    /// Whether this process has taken over what an earlier one of its name left behind.
    pub(super) has_recovered: bool,
    pub(super) up: watch::Sender<bool>,
}

/// A connection, and what has been done over it.
pub(super) struct Connected {
    connection: Connection,
    since: Instant,
    /// When it was last said that this replica is alive.
    beat: Instant,
    /// When results are swept again.
    sweep: Instant,
}

impl Writer {
    /// Writes until it is closed, or nobody is left who could ask for anything.
    pub(super) async fn run(mut self) {
        let mut rounds = interval(ROUND);
        let mut commands = Vec::with_capacity(MOST);
        loop {
            let goes_on = tokio::select! {
                biased;
                count = self.commands.recv_many(&mut commands, MOST) => count > 0 && self.take(&mut commands).await,
                _ = rounds.tick() => {
                    self.look_after().await;
                    true
                }
            };
            if !goes_on {
                break;
            }
        }
        if let Some(Connected { connection, .. }) = self.connection.take() {
            connection.close().await;
        }
    }

    /// Writes what is asked for; `false` where that was the last of it.
    async fn take(&mut self, commands: &mut Vec<Command>) -> bool {
        let (mut wanted, mut settled, mut goes_on) = (Vec::new(), Vec::new(), true);
        for command in commands.drain(..) {
            match command {
                Command::Reserve(reserve) => wanted.push(*reserve),
                Command::Settle(row) => settled.push(*row),
                Command::Claim(wanted) => self.results.claim(*wanted),
                Command::End(ended) => self.results.end(*ended),
                Command::Close => goes_on = false,
            }
        }
        self.write(wanted, settled).await;
        goes_on
    }

    /// Writes all of it, or spills the settlements and turns the reservations away.
    async fn write(&mut self, wanted: Vec<Wanted>, new: Vec<Settled>) {
        // Nobody waits for these any more.
        let wanted: Vec<_> = wanted.into_iter().filter(|wanted| !wanted.answer.is_closed()).collect();
        let (rows, answers): (Vec<_>, Vec<_>) =
            wanted.into_iter().map(|wanted| ((wanted.row, wanted.budgets), wanted.answer)).unzip();
        self.results.forget_the_gone();
        let spilled = self.owed.len();
        self.owed.extend(new);
        let (written, may_stand) = match self.connect().await {
            Ok(()) => (self.commit(&rows).await, true),
            Err(trouble) => (Err(trouble), false),
        };
        match written {
            Ok((verdicts, found)) => {
                self.owed.clear();
                self.results.written(&found, &self.settle);
                if let Err(error) = self.spill.clear() {
                    // What it holds is settled already, which the next start finds out.
                    tracing::error!(%error, "the ledger's spill file cannot be emptied");
                }
                for (((row, _), verdict), answer) in rows.into_iter().zip(verdicts).zip(answers) {
                    // A reservation that nobody waits for is dropped here, and so voided.
                    drop(answer.send(Some(self.granted(row, verdict))));
                }
            }
            Err(trouble) => {
                if self.up.send_replace(false) {
                    tracing::error!(%trouble, "the ledger is down: no new paid calls are taken");
                }
                if may_stand {
                    // The commit may have happened although nobody heard of it.
                    let now = Moment::now();
                    let void = Settlement::void("LEDGER_UNAVAILABLE");
                    self.owed.extend(rows.iter().map(|(row, _)| row.settled(void.clone(), now)));
                }
                for answer in answers {
                    // Whoever has gone need not hear it.
                    drop(answer.send(None));
                }
                self.results.failed();
                self.spill_from(spilled);
            }
        }
    }

    /// Brings what is owed from there on to the disk.
    fn spill_from(&mut self, spilled: usize) {
        let unwritten = self.owed.get(spilled..).unwrap_or_default();
        if !unwritten.is_empty()
            && let Err(error) = self.spill.add(unwritten)
        {
            tracing::error!(%error, rows = unwritten.len(), "the ledger's spill file cannot be written");
        }
    }

    fn granted(&self, row: Reserved, verdict: Verdict) -> Result<(Reservation, Vec<Standing>), Standing> {
        verdict.map(|near| (Reservation::new(row, self.settle.clone()), near))
    }

    /// One transaction over the reservations and all that is owed.
    async fn commit(
        &mut self,
        reserves: &[(Reserved, Vec<Budget>)],
    ) -> Result<(Vec<Verdict>, Rows), Trouble> {
        let mut tries = 1;
        loop {
            let Some(Connected { connection, .. }) = &mut self.connection else {
                return Err(Trouble::Away("there is no connection".to_owned()));
            };
            let writing = batch::write(connection, reserves, &self.owed, &self.results);
            let written = timeout(PATIENCE, writing).await;
            let trouble = match written {
                Ok(Ok(written)) => return Ok(written),
                Ok(Err(error))
                    if tries < TRIES && has_collided(&error) && connection.roll_back().await.is_ok() =>
                {
                    tries += 1;
                    continue;
                }
                Ok(Err(error)) => trouble(&error),
                Err(_) => Trouble::Away("it does not answer".to_owned()),
            };
            // The transaction goes with it.
            self.connection = None;
            return Err(trouble);
        }
    }

    /// Makes sure that there is a connection, and that nothing is left behind under this name.
    pub(super) async fn connect(&mut self) -> Result<(), Trouble> {
        if self.connection.is_some() {
            return Ok(());
        }
        let connecting = timeout(PATIENCE, self.database.connect()).await;
        let mut connection = connecting
            .map_err(|_| Trouble::Away("it does not answer".to_owned()))?
            .map_err(|error| trouble(&error))?;
        let claimed: Vec<bool> =
            connection.rows(CLAIM, &self.replica).await.map_err(|error| trouble(&error))?;
        if claimed != [true] {
            let replica = &self.replica;
            return Err(Trouble::Away(format!("another process writes under the name {replica:?}")));
        }
        if !self.has_recovered {
            let recovered = settle_all_of(&mut connection, &self.replica, &self.owed).await;
            let recovered = recovered.map_err(|error| trouble(&error))?;
            results::recover(&mut connection, &self.replica).await.map_err(|error| trouble(&error))?;
            self.has_recovered = true;
            if recovered > 0 {
                tracing::warn!(
                    attempts = recovered,
                    "attempts of an earlier process are settled as estimates"
                );
            }
        }
        connection.run(BEAT, &self.replica).await.map_err(|error| trouble(&error))?;
        let now = Instant::now();
        self.connection = Some(Connected { connection, since: now, beat: now, sweep: now });
        if !self.up.send_replace(true) {
            tracing::info!(owed = self.owed.len(), "the ledger is up");
        }
        Ok(())
    }

    /// What is to be done although nobody asks for it.
    async fn look_after(&mut self) {
        if !self.owed.is_empty() || !self.results.is_empty() || self.connection.is_none() {
            self.write(Vec::new(), Vec::new()).await;
        }
        if let Some(connected) = self.connection.as_mut().filter(|_| self.database.is_shared())
            && let Err(error) = beat(connected, &self.replica).await
        {
            tracing::warn!(%error, "the ledger's database does not hear that this replica is alive");
            self.connection = None;
        }
        if let Some(connected) = &mut self.connection
            && let Err(error) = sweep(connected).await
        {
            tracing::warn!(%error, "results whose time is over cannot be deleted");
            self.connection = None;
        }
    }
}

/// Deletes results whose time is over, a few at a time.
async fn sweep(connected: &mut Connected) -> Result<(), Error> {
    let now = Instant::now();
    if now >= connected.sweep {
        let is_behind = results::sweep(&mut connected.connection).await?;
        connected.sweep = if is_behind { now } else { now + BEATS };
    }
    Ok(())
}

/// Says that a replica is alive, and settles what the dead have left, once it has been there for so long that every
/// living one has spoken.
async fn beat(connected: &mut Connected, replica: &String) -> Result<(), Error> {
    if connected.beat.elapsed() < BEATS {
        return Ok(());
    }
    connected.connection.run(BEAT, replica).await?;
    connected.beat = Instant::now();
    if connected.since.elapsed() < LEASE {
        return Ok(());
    }
    let dead: Vec<String> = connected.connection.rows(DEAD, replica).await?;
    for dead in dead {
        let settled = settle_all_of(&mut connected.connection, &dead, &[]).await?;
        results::recover(&mut connected.connection, &dead).await?;
        tracing::warn!(
            replica = dead,
            attempts = settled,
            "attempts of a dead replica are settled as estimates"
        );
    }
    Ok(())
}

/// Settles every open attempt of a replica: as it is said here, else as estimated.
async fn settle_all_of(
    connection: &mut Connection,
    replica: &String,
    known: &[Settled],
) -> Result<usize, Error> {
    if !known.is_empty() {
        batch::write(connection, &[], known, &Results::default()).await?;
    }
    let mut settled = 0;
    loop {
        let open: Vec<Open> = connection.rows(OPEN_OF, replica).await?;
        if open.is_empty() {
            return Ok(settled);
        }
        let now = Moment::now();
        let rows: Vec<_> = open.into_iter().map(|open| open.recovered(now)).collect();
        batch::write(connection, &[], &rows, &Results::default()).await?;
        settled += rows.len();
    }
}

/// Whether a transaction failed over another one, and may pass when it is made again.
fn has_collided(error: &Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("40001" | "40P01" | "5" | "517"))
}

/// A database that answers something else than rows is broken; one that does not answer is away.
fn trouble(error: &Error) -> Trouble {
    let transient = |code: &str| {
        // Class 08 is of connections, 53 of resources, 55 of locks, 57 of the operator, 58 of the system.
        ["08", "53", "55", "57", "58", "40"].iter().any(|class| code.starts_with(class)) || code.len() < 5
    };
    match error {
        Error::Database(database) if !database.code().is_some_and(|code| transient(&code)) => {
            Trouble::Broken(database.message().to_owned())
        }
        Error::Migrate(error) => Trouble::Broken(error.to_string()),
        error => Trouble::Away(error.to_string()),
    }
}
