//! Results: calls that are made once under an id of their caller's, and what they were answered.
//!
//! A row is claimed before its call is made, and is on the disk then; whoever claims it later is told what became of the
//! call. Answers are content of their tenant's: they stand here for as long as the row does, and nowhere else.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bedrock_inference_adapters::contract::Content;
use serde::{Deserialize, Serialize};
use sqlx::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use super::period::Moment;
use super::store::{Connection, Statement, statement};
use super::writer::Command;
use super::{Ledger, Refused};
use crate::principal::TenantId;

const CLAIM: Statement = statement!("claim_results");
const FIND: Statement = statement!("find_results");
const END: Statement = statement!("end_results");
const FREE: Statement = statement!("free_results");
const FREE_UNSENT: Statement = statement!("free_unsent_results");
const LOSE: Statement = statement!("lose_results");
const SWEEP: Statement = statement!("sweep_results");

/// The most rows that are swept at a time; `sweep_results.sql` has it too.
const SWEPT: usize = 500;

/// The most bytes of answers that wait for a database which is away.
const OWED: usize = 16 * 1024 * 1024;

/// What is found under an id.
#[derive(Debug)]
pub enum Claimed {
    /// Nothing: the call is to be made.
    First(Claim),
    /// What it was answered.
    Kept(Content),
    /// The call may have been paid, and there is no answer; how it ended.
    Lost(String),
    /// It is under way.
    Flying,
    /// Another request has the id.
    Other,
}

/// How a call ended that was made under an id.
#[derive(Debug)]
pub enum Outcome {
    /// It may be made again.
    Free,
    /// With this answer.
    Kept(Content),
    /// It may have been paid, and its answer cannot be kept; how it ended.
    Lost(String),
}

/// Leave to make a call under its id. Dropped, the id is free.
pub struct Claim {
    /// `None` once it has ended.
    key: Option<Key>,
    commands: mpsc::WeakUnboundedSender<Command>,
    timeout: Duration,
}

/// A row's key, and which claim of it.
#[derive(Clone, Serialize)]
struct Key {
    tenant: String,
    request_id: String,
    claim: Uuid,
}

/// The row that stands before a call is made.
#[derive(Serialize)]
struct Claiming {
    #[serde(flatten)]
    key: Key,
    print: String,
    replica: String,
    at: i64,
    expires: i64,
}

/// What a row becomes.
#[derive(Serialize)]
struct Ending {
    #[serde(flatten)]
    key: Key,
    /// `None` for free.
    state: Option<State>,
    outcome: String,
    body: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Flying,
    Kept,
    Lost,
}

/// A row as it is found.
#[derive(Deserialize)]
pub(super) struct Found {
    tenant: String,
    request_id: String,
    claim: Uuid,
    print: String,
    state: State,
    outcome: String,
    body: Option<String>,
}

/// A claim that somebody waits for.
pub(super) struct Wanted {
    row: Claiming,
    timeout: Duration,
    answer: oneshot::Sender<Option<Claimed>>,
}

/// An end, and who waits until it is written.
pub(super) struct Ended {
    row: Ending,
    written: Option<oneshot::Sender<()>>,
}

impl Ledger {
    /// Claims an id of a tenant's for a request that has this hash, for as long as `window` says; when this returns it is
    /// durable. Dropped before that, it is as if it had never been asked for.
    ///
    /// # Errors
    /// [`Refused::Unavailable`].
    pub async fn claim(
        &self,
        tenant: &TenantId,
        request_id: &str,
        print: &[u8],
        window: Duration,
    ) -> Result<Claimed, Refused> {
        let at = Moment::now().micros();
        let window = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
        let row = Claiming {
            key: Key {
                tenant: tenant.as_str().to_owned(),
                request_id: request_id.to_owned(),
                claim: Uuid::now_v7(),
            },
            print: BASE64.encode(print),
            replica: self.0.replica.clone(),
            at,
            expires: at.saturating_add(window),
        };
        let (answer, told) = oneshot::channel();
        let wanted = Command::Claim(Box::new(Wanted { row, timeout: self.0.timeout, answer }));
        self.0.commands.send(wanted).map_err(|_| Refused::Unavailable)?;
        match timeout(self.0.timeout, told).await {
            Ok(Ok(Some(claimed))) => Ok(claimed),
            _ => Err(Refused::Unavailable),
        }
    }
}

impl Claim {
    /// Writes down how the call ended. It is asked for at once; waiting for it waits until it is durable, or for as long as a
    /// call waits for its reservation. What cannot be written now is kept.
    pub fn end(mut self, outcome: Outcome) -> impl Future<Output = ()> + Send {
        let (written, told) = oneshot::channel();
        self.ask(outcome, Some(written));
        let patience = self.timeout;
        async move {
            // Either way it will be, or the next start finds it without an end.
            let _ = timeout(patience, told).await;
        }
    }

    fn ask(&mut self, outcome: Outcome, written: Option<oneshot::Sender<()>>) {
        let Some(key) = self.key.take() else { return };
        let (state, outcome, body) = match outcome {
            Outcome::Free => (None, String::new(), None),
            Outcome::Kept(body) => (Some(State::Kept), "OK".to_owned(), Some(BASE64.encode(&*body))),
            Outcome::Lost(outcome) => (Some(State::Lost), outcome, None),
        };
        let ended = Ended { row: Ending { key, state, outcome, body }, written };
        if let Some(commands) = self.commands.upgrade() {
            // Behind the ledger's end the next start finds it without an end.
            let _ = commands.send(Command::End(Box::new(ended)));
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.ask(Outcome::Free, None);
    }
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claim").finish_non_exhaustive()
    }
}

/// What is to be written of results.
#[derive(Default)]
pub(super) struct Results {
    wanted: Vec<Wanted>,
    ended: Vec<Ended>,
}

/// What was found of them.
pub(super) type Rows = HashMap<(String, String), Found>;

impl Results {
    /// Somebody claims an id.
    pub(super) fn claim(&mut self, wanted: Wanted) {
        self.wanted.push(wanted);
    }

    /// A call has ended.
    pub(super) fn end(&mut self, ended: Ended) {
        self.ended.push(ended);
    }

    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.ended.is_empty()
    }

    /// Leaves those out whom nobody waits for any more.
    pub(super) fn forget_the_gone(&mut self) {
        self.wanted.retain(|wanted| !wanted.answer.is_closed());
    }

    /// Writes ends, then claims, in the transaction that is open.
    pub(super) async fn write(&self, connection: &mut Connection) -> Result<Rows, Error> {
        let (freed, ended): (Vec<_>, Vec<_>) =
            self.ended.iter().map(|ended| &ended.row).partition(|row| row.state.is_none());
        if !ended.is_empty() {
            connection.run(END, &ended).await?;
        }
        if !freed.is_empty() {
            connection.run(FREE, &freed).await?;
        }
        if self.wanted.is_empty() {
            return Ok(Rows::new());
        }
        let mut claims: Vec<_> = self.wanted.iter().map(|wanted| &wanted.row).collect();
        claims.sort_by_key(|row| row.key.name());
        // One claim of an id at a time; the others find that one.
        claims.dedup_by_key(|row| row.key.name());
        connection.run(CLAIM, &claims).await?;
        let found: Vec<Found> = connection.rows(FIND, &claims).await?;
        let named = |row: Found| ((row.tenant.clone(), row.request_id.clone()), row);
        Ok(found.into_iter().map(named).collect())
    }

    /// All of it has been written: everybody hears what was found.
    pub(super) fn written(&mut self, found: &Rows, commands: &mpsc::WeakUnboundedSender<Command>) {
        for Ended { written, .. } in self.ended.drain(..) {
            // Whoever has gone need not hear it.
            let _ = written.map(|written| written.send(()));
        }
        for Wanted { row, timeout, answer } in self.wanted.drain(..) {
            let claimed = match found.get(&row.key.name()) {
                Some(found) if found.claim == row.key.claim => {
                    Some(Claimed::First(Claim { key: Some(row.key), commands: commands.clone(), timeout }))
                }
                Some(found) => Some(found.told(&row.print)),
                None => None,
            };
            // A claim that nobody waits for is dropped here, and so freed.
            drop(answer.send(claimed));
        }
    }

    /// It could not be written: claims are turned away, ends wait, and their answers as far as there is room.
    pub(super) fn failed(&mut self) {
        let mut room = OWED;
        for ended in &mut self.ended {
            ended.written = None;
            let bytes = ended.row.body.as_ref().map_or(0, String::len);
            match room.checked_sub(bytes) {
                Some(left) => room = left,
                None => {
                    ended.row.state = Some(State::Lost);
                    ended.row.body = None;
                }
            }
        }
        for Wanted { row, answer, .. } in self.wanted.drain(..) {
            drop(answer.send(None));
            // The commit may have happened although nobody heard of it.
            let row = Ending { key: row.key, state: None, outcome: String::new(), body: None };
            self.ended.push(Ended { row, written: None });
        }
    }
}

impl Key {
    fn name(&self) -> (String, String) {
        (self.tenant.clone(), self.request_id.clone())
    }
}

impl Found {
    /// What somebody is told who claims the id for another call.
    fn told(&self, print: &str) -> Claimed {
        if self.print != print {
            return Claimed::Other;
        }
        let body = self.body.as_ref().and_then(|body| BASE64.decode(body).ok());
        match (self.state, body) {
            (State::Flying, _) => Claimed::Flying,
            (State::Kept, Some(body)) => Claimed::Kept(body.into()),
            (State::Kept | State::Lost, _) => Claimed::Lost(self.outcome.clone()),
        }
    }
}

/// Ends what a replica has left under way, once its attempts are settled: what was never sent is free, the rest is lost.
pub(super) async fn recover(connection: &mut Connection, replica: &String) -> Result<(), Error> {
    connection.run(FREE_UNSENT, replica).await?;
    connection.run(LOSE, replica).await
}

/// Deletes some rows whose time is over; `true` where there may be more.
pub(super) async fn sweep(connection: &mut Connection) -> Result<bool, Error> {
    let swept: Vec<i64> = connection.rows(SWEEP, &Moment::now().micros()).await?;
    Ok(swept.len() >= SWEPT)
}
